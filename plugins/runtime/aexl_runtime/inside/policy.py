"""Modules that a project may import only if its caller says so: a word to honest code. The sandbox is what holds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from aexl_runtime.protocol.failures import fail

GUARDED = ("subprocess", "ctypes")
_WORDS = tuple(name.encode() for name in GUARDED)
_SKIPPED = frozenset({".git", ".venv", "venv", "__pycache__", "node_modules", ".aexl", ".aiel"})
_LARGEST = 1024 * 1024


def check_imports(root: str, capabilities: Mapping[str, bool]) -> None:
    """Refuse a project whose files import a module that was not granted.

    A file that cannot be parsed is passed over: it fails when it is imported, and not before.

    Raises:
        Failed: Names the modules and the files.
    """
    refused = [name for name in GUARDED if not capabilities.get(name)]
    if not refused:
        return
    found: dict[str, list[str]] = {}
    for path in _sources(root):
        for name in sorted(_imported(path).intersection(refused)):
            found.setdefault(name, []).append(os.path.relpath(path, root))
    if found:
        names, sources = ", ".join(sorted(found)), {name: sorted(paths) for name, paths in sorted(found.items())}
        raise fail("import", f"Disallowed imports detected: {names} | sources={sources}", exception="SecurityViolation")


def _sources(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        yield from (f"{folder}{os.sep}{name}" for name in files if name.endswith(".py"))


def _imported(path: str) -> set[str]:
    with open(path, "rb") as file:
        text = file.read(_LARGEST)
    if not any(word in text for word in _WORDS):
        return set()
    import ast

    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names
