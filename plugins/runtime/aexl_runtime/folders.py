"""A project in a folder: what it is called by its content, and what its own settings say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aexl_runtime.protocol.failures import Failed, fail

ENTRY_FILE: Final = "entry_point.py"

_OUTSIDE: Final = frozenset({".git", ".venv", "__pycache__", ".aexl"})
"""Folders that are no part of a project, wherever they are: what running it makes must not change what it is called."""

_SUFFIXES: Final = (".pyc", ".pyo")


SETTINGS: Final[Mapping[str, type]] = {
    "aiel_compat": bool,
    "secrets": list,
    "sdk": str,
    "runtime": str,
    "python": str,
}
"""``settings.RuntimeConfig`` again, without what would take longer to import than the rest of a run from nothing."""

_WORDS: Final = {bool: "true or false", list: "a list of texts", str: "a text"}


def check_entry(root: str) -> None:
    """Refuse a folder without an entry point.

    Raises:
        Failed: Names the missing file.
    """
    path = os.path.join(root, ENTRY_FILE)
    if not os.path.isfile(path):
        raise fail("entry_point", f"{ENTRY_FILE} not found at: {path}")


def folder_id(root: str) -> str:
    """Return the SHA-256 of a folder's files, in order: of each the path with its length, and the SHA-256 of its bytes.

    Links count as where they lead.
    """
    import hashlib  # slow to import; a worker confines itself meanwhile

    digest = hashlib.sha256()
    for name in sorted(_files(root, "")):
        path = name.encode("utf-8", "surrogateescape")
        content = hashlib.sha256()
        with open(f"{root}{os.sep}{name}", "rb") as file:
            while piece := file.read(1024 * 1024):
                content.update(piece)
        digest.update(len(path).to_bytes(8) + path + content.digest())
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
        Failed: If the file cannot be read as TOML, or the table is not as it must be; names the key.
    """
    path = os.path.join(root, "aexl.toml")
    if not os.path.isfile(path):
        return {}
    import tomllib

    with open(path, "rb") as file:
        try:
            table = tomllib.load(file).get("runtime", {})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise _bad(f"cannot be read: {error}") from None
    _check(table)
    return table  # type: ignore[no-any-return]  # it has been checked


def granted_secrets(settings: Mapping[str, Any], allowed: Sequence[str]) -> dict[str, str]:
    """Return the secrets that a project declares and ``[sandbox] secrets`` allows, as far as the environment has them."""
    declared = settings.get("secrets", ())
    return {name: os.environ[name] for name in declared if name in allowed and name in os.environ}


def _check(table: Any) -> None:
    if not isinstance(table, dict):
        raise _bad(f"[runtime] must be a table, not {table!r:.60}")
    for name, value in table.items():
        kind = SETTINGS.get(name)
        if kind is None:
            raise _bad(f"[runtime] has no key {name!r:.60}, only {', '.join(SETTINGS)}")
        if not isinstance(value, kind) or (
            isinstance(value, list) and not all(isinstance(each, str) for each in value)
        ):
            raise _bad(f"[runtime] {name} must be {_WORDS[kind]}, not {value!r:.60}")


def _bad(problem: str) -> Failed:
    return fail("load", f"aexl.toml {problem}", exception="ConfigError")
