"""What a run that goes another way takes over from the one that it comes from."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from aexl.errors import NotFound
from aexl_pipelines.execution.state import RunState, redone
from aexl_pipelines.journal.folders import read_records
from aexl_pipelines.journal.records import AttemptEnded, ChildBegun, Forked, GateDecided, GateOpened, Record, StepEnded
from aexl_pipelines.language.problems import suggest
from aexl_pipelines.trees.copies import FOLDER


def copied_records(folder: Path, chosen: str) -> tuple[Sequence[Record], RunState]:
    """Return what counts of a run up to a step, and what is known of the whole run. Blocks.

    What failed or was cancelled is tried again. What was paid is the other run's; so are the runs that its unfinished steps have called, and the copies of its
    branches: see ``with_own_copies``.

    Raises:
        NotFound: If the run has no such step.
    """
    state = RunState(read_records(folder))
    found = redone(state, chosen)
    if found is None:
        hint = suggest(chosen, state.steps)
        raise NotFound(f"the run {folder.name} has no step {chosen!r}" + (f"; {hint}" if hint else ""))
    redo, since = found
    kept = []
    for address, step in state.steps.items():
        step.forget_failure()  # a branch that was cancelled with the chosen step is done again, too
        finished = step.ended is not None and address not in redo
        for written in step.records:
            if address in redo and written.number >= since:
                continue
            if isinstance(written.record, AttemptEnded | GateOpened | GateDecided | ChildBegun) and not finished:
                continue
            kept.append(written)
    kept.sort(key=lambda written: written.number)
    return [_unpaid(written.record) for written in kept], state


def with_own_copies(records: Sequence[Record], target: Path) -> list[Record]:
    """Return records of another run whose branches have copies in this one's folder: made where they are needed."""
    return [
        msgspec.structs.replace(each, folder=str(target / FOLDER / Path(each.folder).name))
        if isinstance(each, Forked)
        else each
        for each in records
    ]


def _unpaid(record: Record) -> Record:
    if isinstance(record, StepEnded):
        return msgspec.structs.replace(record, cached=True)
    if isinstance(record, AttemptEnded):
        return msgspec.structs.replace(record, usage=None, cost=None)
    return record


def copy_homes(source: Path, target: Path) -> None:
    """Copy the homes of agents' sessions, which a step may resume. Blocks."""
    if (source / "homes").is_dir():
        shutil.copytree(source / "homes", target / "homes", symlinks=True)
