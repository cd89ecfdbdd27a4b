"""A project in a folder: what it is called by its content, and what its own settings say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aexl_runtime.protocol.failures import fail

ENTRY_FILE: Final = "entry_point.py"

_OUTSIDE: Final = frozenset({".git", ".venv", "__pycache__", ".aexl"})
"""Folders that are no part of a project, wherever they are: what running it makes must not change what it is called."""

_SUFFIXES: Final = (".pyc", ".pyo")


def check_entry(root: str) -> None:
    """Refuse a folder without an entry point.

    Raises:
        Failed: Names the missing file.
    """
    path = os.path.join(root, ENTRY_FILE)
    if not os.path.isfile(path):
        raise fail("entry_point", f"{ENTRY_FILE} not found at: {path}")


def folder_id(root: str) -> str:
    """Return the SHA-256 of a folder's files: their paths and bytes in order; links count as where they lead."""
    import hashlib  # slow to import; a worker confines itself meanwhile

    digest = hashlib.sha256()
    for name in sorted(_files(root, "")):
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        with open(f"{root}{os.sep}{name}", "rb") as file:
            while piece := file.read(1024 * 1024):
                digest.update(piece)
        digest.update(b"\0")
    return digest.hexdigest()


def _files(root: str, below: str) -> Iterator[str]:
    with os.scandir(f"{root}{os.sep}{below}" if below else root) as entries:
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _OUTSIDE:
                    yield from _files(root, name)
            elif entry.is_file() and not entry.name.endswith(_SUFFIXES):
                yield name


def read_settings(root: str) -> Mapping[str, Any]:
    """Return ``[runtime]`` of a project's own ``aexl.toml``; empty where it has none.

    Raises:
        Failed: If the file cannot be read as TOML.
    """
    path = os.path.join(root, "aexl.toml")
    if not os.path.isfile(path):
        return {}
    import tomllib

    with open(path, "rb") as file:
        try:
            table = tomllib.load(file).get("runtime", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise fail("load", f"aexl.toml cannot be read: {error}", exception="ConfigError") from None
    return table if isinstance(table, dict) else {}
