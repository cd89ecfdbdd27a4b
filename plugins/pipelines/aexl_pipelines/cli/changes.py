"""How changes of files are shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from aexl.api import FileChange
from aexl_pipelines.trees.patches import Counted, LineKind, lines_of

_CODES: Final[Mapping[LineKind | str, str]] = {
    "title": "1",
    "place": "36",
    "added": "32",
    "removed": "31",
    "modified": "33",
    "mode": "33",
    "renamed": "36",
}
_LETTERS: Final = {"added": "A", "removed": "D", "modified": "M", "mode": "X", "renamed": "R"}


def colours_wanted() -> bool:
    """Say whether a person looks at standard output, and wants colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, kind: str) -> str:
    """Return a text in the colour of a kind of line or change, where colours are wanted."""
    code = _CODES.get(kind)
    return f"\x1b[{code}m{text}\x1b[0m" if code and text and colours_wanted() else text


def paint_patch(patch: str) -> str:
    """Return a patch in colour, where colours are wanted."""
    return "".join(f"{paint(line, kind)}\n" for kind, line in lines_of(patch)) if colours_wanted() else patch


def change_line(change: FileChange) -> str:
    """Return a change as one line."""
    path = f"{change.old_path} -> {change.path}" if change.old_path else change.path
    return f"  {paint(f'{_LETTERS[change.kind]} {path}', change.kind)}"


def stat_line(counted: Counted, width: int) -> str:
    """Return a change as one line with how many lines it added and removed; of what is no text, the bytes."""
    change = counted.change
    path = f"{change.old_path} -> {change.path}" if change.old_path else change.path
    if counted.added is None or counted.removed is None:
        said = f"{change.old_size or 0} -> {change.new_size or 0} bytes"
    elif change.kind == "mode":
        said = "executable bit"
    else:
        said = f"{paint(f'+{counted.added}', 'added')} {paint(f'-{counted.removed}', 'removed')}"
    return f"  {paint(_LETTERS[change.kind], change.kind)} {path:<{width}}  {said}"


def change_json(counted: Counted) -> dict[str, object]:
    """Return a change for programs."""
    change = counted.change
    return {
        "kind": change.kind,
        "path": change.path,
        "old_path": change.old_path,
        "old_size": change.old_size,
        "new_size": change.new_size,
        "added": counted.added,
        "removed": counted.removed,
    }


def count_files(changes: Sequence[object]) -> str:
    """Return how many files, in words."""
    return f"{len(changes)} file{'' if len(changes) == 1 else 's'}"
