"""The table at a run's end. Pure."""

from __future__ import annotations

from typing import Final

from aexl_pipelines.live.lines import mark, run_sentence
from aexl_pipelines.live.view import Ended, View
from aexl_pipelines.live.words import clean, dollars, duration

COLUMNS: Final = ("step", "status", ">time", ">cost", ">files")
NARROW: Final = ("step", "", ">time")
_NARROW: Final = 50
"""Columns of a terminal under which the table has three of its own."""

_MOST: Final = 60
"""Rows; a longer run shows its outer steps only."""


def columns(width: int) -> tuple[str, ...]:
    """Return the names of the table's columns; those that begin with ``>`` stand right."""
    return COLUMNS if width >= _NARROW else NARROW


def rows(view: View, width: int = _NARROW, *, signs: bool) -> list[tuple[str, ...]]:
    """Return a row for each step that has ended, in the order in which they began; inner ones are moved to the right."""
    listed = sorted(view.ended, key=lambda each: each.number)
    if len(listed) > _MOST:
        listed = [each for each in listed if each.depth == 0][-_MOST:]
    return [_row(each, width, signs=signs) for each in listed]


def _row(each: Ended, width: int, *, signs: bool) -> tuple[str, ...]:
    ended = each.record
    sign = mark(ended, signs=signs)[0]
    took = "" if ended.status == "skipped" else duration(ended.duration)
    label = "  " * each.depth + _label(ended.step)
    if width < _NARROW:
        return label, sign, took
    known = ended.booked if ended.booked is not None else ended.cost
    status = f"{sign} {ended.status}" if signs else ended.status
    return label, status, took, dollars(known), str(len(ended.changed)) if ended.changed else ""


def _label(address: str) -> str:
    """Return a step's own name, with the turn of the loop that it is in."""
    around, _, name = address.rpartition("::")
    turn = around.rpartition("::")[2].partition("#")[2]
    return f"{name} ({turn})" if turn else name


def closing_lines(view: View) -> list[str]:
    """Return what stands below the table: how it went, and what can be done now."""
    if view.over is None:
        return []
    hidden = len(view.ended) + view.dropped - len(rows(view, signs=False))
    lines = [f"{hidden} more steps: see the log"] if hidden else []
    lines.append(f"run {view.main} {run_sentence(view.over)}")
    looks = ["log", "diff", "undo"] if view.over.changed else ["log"]
    lines.append(f"to look: aexl pipeline {'|'.join(looks)} {view.main}")
    return [*lines, *(f"to go on: {command}" for command in resuming(view))]


def resuming(view: View) -> list[str]:
    """Return the command that goes on with a run that has not completed."""
    if view.over is None or view.over.status == "completed":
        return []
    more = " --budget USD" if view.over.status == "denied" else ""
    if view.over.status == "aborted" and view.over.step is not None:  # what it said then counts again otherwise
        more = f" --from '{clean(view.over.step)}'"
    return [f"aexl pipeline resume {view.main}{more}"]
