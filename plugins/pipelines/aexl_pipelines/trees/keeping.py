"""How long a run's snapshots stay: as long as the run's folder. Pure, but for asking who keeps snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aexl.api import ObjectId, Snapshots
from aexl_pipelines.journal.records import Forked, Merged, Record, RunBegun, RunEnded, StepBegun, StepEnded

_PREFIX: Final = "run."


def owner(run: str) -> str:
    """Return the name under which a run keeps snapshots."""
    return f"{_PREFIX}{run}"


def snapshots_of(records: Iterable[Record]) -> tuple[ObjectId, ...]:
    """Return every snapshot that a journal names, each once, in the order of the journal."""
    return tuple(dict.fromkeys(each for record in records for each in _named(record) if each is not None))


def _named(record: Record) -> Sequence[ObjectId | None]:
    match record:
        case RunBegun() | StepBegun():
            return (record.before,)
        case StepEnded() | RunEnded():
            return record.before, record.after
        case Forked():
            return (record.base,)
        case Merged():
            return record.base, record.theirs, record.snapshot
        case _:
            return ()


async def keep_run(snapshots: Snapshots, run: str, records: Iterable[Record]) -> None:
    """Keep all snapshots that a run's journal names; doing it again is no error.

    Raises:
        NotFound: If one of them is gone already.
    """
    named = snapshots_of(records)
    if named:
        await snapshots.keep(owner(run), named)


async def drop_runs(snapshots: Snapshots, runs: Sequence[str]) -> None:
    """Let go of the snapshots of runs whose folders have been removed; the next garbage collection has them."""
    if runs:
        await snapshots.release([owner(run) for run in runs])
