"""How a model or a provider is added to ``aexl.toml``, as a person would write it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import tomlkit
from tomlkit.items import Table

from aexl.errors import Conflict, Invalid


def add_table(
    document: MutableMapping[str, Any], table: str, name: str, values: Mapping[str, object], *, replace: bool = False
) -> None:
    """Add ``[table.name]`` to a tomlkit document; tables in it are written inline.

    Raises:
        Conflict: If it exists and is not to be replaced.
        Invalid: If ``table`` is a value.
    """
    if table not in document:
        document[table] = tomlkit.table(is_super_table=True)
    tables = document[table]
    if not isinstance(tables, MutableMapping):
        raise Invalid(f"{table} in aexl.toml is a value, not a table")
    if name in tables and not replace:
        raise Conflict(f"aexl.toml has [{table}.{name}] already; change it there, or give --replace")
    tables[name] = _table(values)


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
