"""How snapshots and changes are shown: to people as lines, to programs as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from aexl.api import FileChange, ObjectId
from aexl_snapshots.cli.colours import Colour, paint
from aexl_snapshots.cli.surroundings import say
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.sizes import show_size

SHORT: Final = 12
"""Digits of an id that people see."""

_WORDS: Final[Mapping[str, tuple[str, Colour]]] = {
    "added": ("A", "green"),
    "removed": ("D", "red"),
    "modified": ("M", "yellow"),
    "mode": ("X", "yellow"),
    "renamed": ("R", "cyan"),
}


def short(id: str) -> str:
    """Return the beginning of an id."""
    return id[:SHORT]


def show_time(milliseconds: int) -> str:
    """Return a time in UTC; one that no calendar has, as its number."""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{milliseconds} ms"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def count_files(count: int) -> str:
    """Return how many files, in words."""
    return "1 file" if count == 1 else f"{count} files"


def change_line(change: FileChange) -> str:
    """Return a change as one line."""
    letter, colour = _WORDS[change.kind]
    path = f"{change.old_path} -> {change.path}" if change.old_path else change.path
    return f"  {paint(f'{letter} {path}', colour)}{paint(_sizes(change), 'dim')}"


def _sizes(change: FileChange) -> str:
    old, new = change.old_size, change.new_size
    if change.kind == "mode":
        return "  executable bit"
    if change.kind == "renamed":
        return ""
    sizes = [show_size(size) for size in (old, new) if size is not None]
    return f"  {' -> '.join(sizes)}" if sizes else ""


def summary(changes: Sequence[FileChange]) -> str:
    """Return how many files changed, and how."""
    counts = {kind: sum(1 for change in changes if change.kind == kind) for kind in _WORDS}
    names = {"mode": "mode changed"}
    parts = [f"{count} {names.get(kind, kind)}" for kind, count in counts.items() if count]
    return ", ".join(parts) or "nothing changed"


def changes_json(changes: Iterable[FileChange]) -> list[dict[str, object]]:
    """Return changes for programs; what does not apply is left out."""
    return [
        {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
        for change in changes
    ]


def conflicts_json(conflicts: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what both sides of a merge changed, for programs."""
    return [{"path": path, "reason": reason} for path, reason in sorted(conflicts.items())]


def conflict_lines(conflicts: Mapping[str, str]) -> Iterator[str]:
    """Yield what both sides of a merge changed, each with how."""
    for path, reason in sorted(conflicts.items()):
        yield f"  {paint(path, 'red')}: {reason}"


def say_conflicts(conflicts: Mapping[str, str]) -> None:
    """Print what both sides of a merge changed, and how to go on."""
    say("Both sides changed the same:")
    for line in conflict_lines(conflicts):
        say(line)
    say("Edit these files, then finish with 'aexl snapshot add' and 'aexl snapshot commit -m MESSAGE';")
    say("'aexl snapshot pull --abort' gives the merge up.")


def snapshot_json(id: ObjectId, snapshot: Snapshot) -> dict[str, object]:
    """Return a snapshot for programs."""
    moment = show_time(snapshot.time).replace(" UTC", "Z").replace(" ", "T")
    return {
        "id": id,
        "manifest": snapshot.manifest,
        "parents": list(snapshot.parents),
        "author": snapshot.author,
        "message": snapshot.message,
        "time": moment,
        "metadata": dict(snapshot.metadata),
        "signed_by": snapshot.signature.key if snapshot.signature else None,
    }


def snapshot_lines(id: ObjectId, snapshot: Snapshot, names: Sequence[str]) -> Iterator[str]:
    """Yield a snapshot for people."""
    shown = f" {paint('(' + ', '.join(names) + ')', 'cyan')}" if names else ""
    yield f"{paint(f'snapshot {id}', 'yellow')}{shown}"
    if len(snapshot.parents) > 1:
        yield f"Merge:  {' '.join(short(parent) for parent in snapshot.parents)}"
    yield f"Author: {snapshot.author}"
    yield f"Date:   {show_time(snapshot.time)}"
    for name, value in sorted(snapshot.metadata.items()):
        yield f"Meta:   {name} = {_one_line(value)}"
    yield ""
    for line in snapshot.message.split("\n"):
        yield f"    {line}"
    yield ""


def oneline(id: ObjectId, snapshot: Snapshot, names: Sequence[str]) -> str:
    """Return a snapshot as one line."""
    shown = f" {paint('(' + ', '.join(names) + ')', 'cyan')}" if names else ""
    return f"{paint(short(id), 'yellow')}{shown} {snapshot.message.partition(chr(10))[0]}"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
