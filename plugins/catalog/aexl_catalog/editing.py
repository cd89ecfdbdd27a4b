"""Changing ``aexl.toml`` for a person: comments and order stay, and the file is whole at every moment."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from aexl.errors import Conflict, Invalid


class ConfigFile:
    """The home's ``aexl.toml``, read once and written back when asked.

    Args:
        path: The file; it need not exist.

    Raises:
        Invalid: If it is not TOML; names the line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.before: bytes | None = path.read_bytes()
        except FileNotFoundError:
            self.before = None
        try:
            self._document = tomlkit.parse(self.before or b"")
        except (TOMLKitError, UnicodeDecodeError) as error:
            raise Invalid(f"{path}: {error}") from error

    def entries(self, table: str) -> Mapping[str, object]:
        """Return a table of tables as plain values."""
        found = self._document.unwrap().get(table, {})
        return found if isinstance(found, dict) else {}

    def add(self, table: str, name: str, values: Mapping[str, object], *, replace: bool = False) -> None:
        """Add ``[table.name]``.

        Raises:
            Conflict: If it exists and is not to be replaced.
        """
        tables = self._document.get(table)
        if tables is None:
            tables = tomlkit.table(is_super_table=True)
            self._document.add(table, tables)
        if not isinstance(tables, MutableMapping):
            raise Invalid(f"{self.path}: {table} is not a table")
        if name in tables and not replace:
            raise Conflict(f"{self.path} has [{table}.{name}] already; change it there, or give --replace")
        tables[name] = _table(values)

    def write(self) -> None:
        """Write the file in one step, with the mode that it had, or 0600."""
        self._replace(tomlkit.dumps(self._document).encode())

    def restore(self) -> None:
        """Put back what was read."""
        if self.before is None:
            self.path.unlink(missing_ok=True)
        else:
            self._replace(self.before)

    def _replace(self, data: bytes) -> None:
        path = self.path.resolve()  # a link to a file kept elsewhere stays a link
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
        handle, name = tempfile.mkstemp(prefix=".aexl.toml.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _table(values: Mapping[str, object]) -> Table:
    table = tomlkit.table()
    for key, value in values.items():
        if isinstance(value, Mapping):
            inline = tomlkit.inline_table()
            inline.update(value)
            table.add(key, inline)
        else:
            table.add(key, value)
    return table
