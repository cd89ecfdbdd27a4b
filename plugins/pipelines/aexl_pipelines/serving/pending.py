"""The gates at which a run, or one that it has called, waits. Blocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aexl.errors import Invalid, NotFound
from aexl_pipelines.gates.files import GateFiles
from aexl_pipelines.gates.records import Standing
from aexl_pipelines.journal.folders import read_records, summarize
from aexl_pipelines.journal.records import ChildBegun, Record
from aexl_pipelines.serving.fields import Fields
from aexl_pipelines.serving.views import turn_view, whole_run


def gates_of(runs: Path, run: str) -> list[Standing]:
    """Return the gates of a run and of all that it has called, decided ones too."""
    files = GateFiles(runs)
    found: list[Standing] = []
    waiting = [run]
    while waiting:
        each = waiting.pop()
        found += files.listed(each)
        waiting += _called(runs / each)
    return found


def open_gates(runs: Path, run: str) -> list[Standing]:
    """Return those that wait for an answer."""
    return [each for each in gates_of(runs, run) if each.decided is None]


def show_run(runs: Path, run: str) -> Fields:
    """Return all that there is to say of a run.

    Raises:
        NotFound: If it has not begun.
    """
    summary = summarize(runs / run)
    if summary is None:
        raise NotFound(f"there is no run {run!r}")
    return whole_run(summary, _records(runs / run), [each.gate for each in open_gates(runs, run)])


def show_turn(runs: Path, run: str) -> Fields:
    """Return a run as a turn of a session.

    Raises:
        NotFound: If it has not begun.
    """
    return turn_view(show_run(runs, run))


def _records(folder: Path) -> list[Record]:
    return [written.record for written in read_records(folder)]


def _called(folder: Path) -> Sequence[str]:
    try:
        return [record.run for record in _records(folder) if isinstance(record, ChildBegun)]
    except (NotFound, Invalid):  # a child that has not begun yet asks nothing
        return ()
