"""What differs between two trees as text that git and patch can apply. Pure; contents come from functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from aexl.api import FileChange
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.sizes import show_size
from aexl_snapshots.worktree.lines import unified
from aexl_snapshots.worktree.textmerge import is_text, split_lines
from aexl_snapshots.worktree.treediff import Tree

LARGEST_TEXT: Final = 2 * 1024 * 1024
"""Bytes; a larger file is compared by size only."""

_MODES: Final = {"file": "100644", "exec": "100755"}
_NAMED: Final = 50
"""Files that do not fit and are named."""

LineKind = Literal["title", "note", "place", "added", "removed", "same"]

_HUNK: Final[Mapping[bytes, LineKind]] = {b"+": "added", b"-": "removed", b"@": "place"}

ReadText = Callable[[Entry], bytes]


class PatchLine(NamedTuple):
    """A line without its end; ``title`` is a file's, ``place`` a hunk's, ``note`` says something of the file."""

    kind: LineKind
    text: str


class Sides(NamedTuple):
    """Two trees, and how the contents of each are read."""

    old: Tree
    new: Tree
    read_old: ReadText
    read_new: ReadText


def file_patch(sides: Sides, change: FileChange) -> Iterator[PatchLine]:
    """Yield the lines for one file; of one that is no text, or too large, the sizes."""
    before, after = sides.old.get(change.old_path or change.path), sides.new.get(change.path)
    old, new = f"a/{change.old_path or change.path}", f"b/{change.path}"
    yield PatchLine("title", f"diff --git {old} {new}")
    for text in _modes(before, after):
        yield PatchLine("note", text)
    if change.kind == "renamed":
        for text in ("similarity index 100%", f"rename from {change.old_path}", f"rename to {change.path}"):
            yield PatchLine("note", text)
    if before is None or after is None or before.id != after.id:
        yield from _contents(sides, before, after, (old, new))


def whole_patch(sides: Sides, changes: Sequence[FileChange], most: int) -> str:
    """Return the lines for all files; those that would make it longer than ``most`` bytes are only named, at the end."""
    parts: list[str] = []
    left: list[str] = []
    size = 0
    for change in changes:
        if size < most:
            part = "".join(f"{line.text}\n" for line in file_patch(sides, change))
            size += len(part.encode())
            if size <= most:
                parts.append(part)
                continue
        left.append(change.path)
    if left:
        parts.append(f"# {len(left)} more files changed, and are not shown: {', '.join(left[:_NAMED])}")
        parts.append(", …\n" if len(left) > _NAMED else "\n")
    return "".join(parts)


def _modes(before: Entry | None, after: Entry | None) -> Iterator[str]:
    if before is None and after is not None:
        yield f"new file mode {_MODES[after.mode]}"
    elif after is None and before is not None:
        yield f"deleted file mode {_MODES[before.mode]}"
    elif before is not None and after is not None and before.mode != after.mode:
        yield f"old mode {_MODES[before.mode]}"
        yield f"new mode {_MODES[after.mode]}"


def _contents(sides: Sides, before: Entry | None, after: Entry | None, names: tuple[str, str]) -> Iterator[PatchLine]:
    texts = _read(before, sides.read_old), _read(after, sides.read_new)
    if texts[0] is None or texts[1] is None:
        sizes = [show_size(entry.size) if entry else "nothing" for entry in (before, after)]
        yield PatchLine("note", f"Binary files differ: {sizes[0]} -> {sizes[1]}")
        return
    hunks = list(unified(split_lines(texts[0]), split_lines(texts[1])))
    if hunks:
        yield PatchLine("title", f"--- {names[0] if before else '/dev/null'}")
        yield PatchLine("title", f"+++ {names[1] if after else '/dev/null'}")
    for line in hunks:
        yield PatchLine(_HUNK.get(line[:1], "same"), line.decode("utf-8", "replace").removesuffix("\n"))


def _read(entry: Entry | None, read: ReadText) -> bytes | None:
    """Return a text, of no file an empty one; ``None`` if it is none, or too large."""
    if entry is None:
        return b""
    if entry.size > LARGEST_TEXT:
        return None
    data = read(entry)
    return data if is_text(data) else None
