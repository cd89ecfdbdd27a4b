"""Snapshots that were taken a moment ago: what begins now needs no further look at the same files.

A step's end and the next one's begin are one moment. An edit that falls between them counts as one that was made
while the step ran. Pure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aexl.api.work import ObjectId
from aexl_pipelines.journal.records import (
    ChildBegun,
    Forked,
    LoopSet,
    LoopTurn,
    Record,
    RunBegun,
    RunResumed,
    StepBegun,
    StepEnded,
)

FRESH: Final = 0.2
"""Seconds."""

_QUIET: Final = (RunBegun, RunResumed, StepBegun, StepEnded, LoopSet, LoopTurn, ChildBegun, Forked)
"""Records of what changes no file and waits for nobody."""


class Recent:
    """The latest snapshot of each folder, of a run and of those that it calls; ``now`` is in seconds."""

    def __init__(self) -> None:
        self._taken: dict[Path, tuple[ObjectId, float]] = {}

    def take(self, folder: Path, snapshot: ObjectId, now: float) -> None:
        """Remember that a folder's files are those of a snapshot."""
        self._taken[folder] = (snapshot, now)

    def find(self, folder: Path, now: float) -> ObjectId | None:
        """Return the snapshot of a folder, where one is fresh."""
        snapshot, taken = self._taken.get(folder, (None, now))
        return snapshot if now - taken <= FRESH else None

    def drop(self, folder: Path) -> None:
        """Forget a folder that is gone, or whose files are about to change."""
        self._taken.pop(folder, None)

    def hear(self, record: Record) -> None:
        """Forget everything where something happened that may change files, or takes a person's time."""
        if not isinstance(record, _QUIET):
            self._taken.clear()
