"""Reading a patch: how many lines of each file, and what each line is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from aexl.api import FileChange

LineKind = Literal["title", "place", "added", "removed", "same"]


class Counted(NamedTuple):
    """A file's change and its lines; ``None`` where it is no text, or the patch does not show it."""

    change: FileChange
    added: int | None
    removed: int | None


def lines_of(patch: str) -> Iterator[tuple[LineKind, str]]:
    """Yield each line of a patch with what it is; a line of text that looks like a title is none."""
    left = 0
    for line in patch.split("\n")[: -1 if patch.endswith("\n") else None]:
        if line.startswith("@@ "):
            left = _length(line)
            yield "place", line
        elif left > 0 and not line.startswith("\\"):
            left -= 2 if line.startswith(" ") else 1
            yield "added" if line.startswith("+") else "removed" if line.startswith("-") else "same", line
        else:
            yield "same" if line.startswith("\\") else "title", line


def _length(place: str) -> int:
    """Return how many lines of both sides follow a hunk's head, counted together."""
    total = 0
    for span in place.split(" ")[1:3]:
        _, comma, count = span.partition(",")
        total += int(count) if comma and count.isdecimal() else 1
    return total


def count_lines(patch: str, changes: Sequence[FileChange]) -> list[Counted]:
    """Return the changes with the lines that each added and removed."""
    counts: dict[str, tuple[int, int]] = {}
    name, added, removed, texts = "", 0, 0, False

    def finish() -> None:
        if name and texts:
            counts[name] = added, removed

    for kind, line in lines_of(patch):
        if kind == "title" and line.startswith("diff --git "):
            finish()
            name, added, removed, texts = line, 0, 0, True
        elif kind == "title" and line.startswith("Binary files differ"):
            texts = False
        added, removed = added + (kind == "added"), removed + (kind == "removed")
    finish()
    titles = {f"diff --git a/{change.old_path or change.path} b/{change.path}": change.path for change in changes}
    by_path = {titles[title]: count for title, count in counts.items() if title in titles}
    return [Counted(change, *by_path.get(change.path, (None, None))) for change in changes]
