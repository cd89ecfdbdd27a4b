"""The undos of a run, in a file of its folder: what can be taken back. Blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from aexl.api import ObjectId
from aexl.errors import Conflict, NotFound, Unavailable
from aexl_pipelines.trees.spans import Span
from aexl_pipelines.trees.undoing import Undone

NAME: Final = "undone.jsonl"
"""In a run's folder; a line for each undo."""

_SHORTEST: Final = 4
"""Digits of an id that name a snapshot."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One undo; ``at`` in Unix seconds."""

    at: float
    step: str | None
    project: str
    saved: ObjectId
    restored: ObjectId


def remember(run_folder: Path, done: Undone, at: float) -> None:
    """Add an undo to a run's file; durable.

    Raises:
        Unavailable: If it cannot be written: nothing shall be undone then.
    """
    assert done.saved is not None
    entry = Entry(at=at, step=done.step, project=done.project, saved=done.saved, restored=done.restored)
    path = run_folder / NAME
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(f"the undo cannot be written to {path}: {error.strerror or error}") from error


def undos(run_folder: Path) -> Iterator[Entry]:
    """Yield the undos of a run, the oldest first; a line that is torn is left out."""
    try:
        lines = (run_folder / NAME).read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Entry)
        except msgspec.DecodeError:
            continue


def find_undo(runs: Path, snapshot: str) -> tuple[Path, Span]:
    """Return the run's folder and the span whose undoing takes an undo back.

    Args:
        runs: The folder of all runs.
        snapshot: The id that the undo told, or its beginning.

    Raises:
        NotFound: If no undo told it.
        Conflict: If it is the beginning of several.
    """
    wanted = snapshot.strip().lower()
    found = {
        entry.saved: (path.parent, entry)
        for path in sorted(runs.glob(f"*/{NAME}"))
        for entry in undos(path.parent)
        if len(wanted) >= _SHORTEST and entry.saved.startswith(wanted)
    }
    if not found:
        raise NotFound(f"no undo has left the snapshot {snapshot[:80]!r}; an undo tells it when it is done")
    if len(found) > 1:
        raise Conflict(f"{snapshot!r} begins {len(found)} snapshots: {', '.join(sorted(each[:16] for each in found))}")
    [(folder, entry)] = found.values()
    span = Span(
        run=folder.name,
        step=None,
        project=Path(entry.project),
        before=entry.saved,
        after=entry.restored,
        steps=0,
    )
    return folder, span
