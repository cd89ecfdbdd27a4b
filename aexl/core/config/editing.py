"""Changing ``aexl.toml`` without losing its comments, and never to something wrong."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from aexl.errors import ConfigError, Problem


def edit_file(path: Path, change: Callable[[MutableMapping[str, Any]], None], check: Callable[[str], object]) -> None:
    """Change a TOML file: the new text is checked, then takes the file's place in one step.

    Args:
        path: The file; made with mode 0600 if it is not there.
        change: Gets the tomlkit document.
        check: Gets the new text and raises ``ConfigError`` if it cannot be used.

    Raises:
        ConfigError: If the file is no TOML now, or what ``check`` raises; nothing has changed.
    """
    import tomlkit
    from tomlkit.exceptions import ParseError

    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")
    except ParseError as error:
        raise ConfigError([Problem(key="syntax", message=str(error), source=str(path), line=error.line)]) from error
    change(document)
    text = tomlkit.dumps(document)
    check(text)
    replace_file(path, text)


def replace_file(path: Path, text: str) -> None:
    """Write a file beside ``path``, make it durable, and rename it there; mode and owner-only default are kept."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
