"""Which two snapshots a run, or a step of it, stands between. Pure: a fold of the journal's records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexl.api import ObjectId
from aexl.errors import Invalid, NotFound
from aexl_pipelines.journal.records import Forked, Merged, Record, RunBegun, RunEnded, RunResumed, StepBegun, StepEnded
from aexl_pipelines.language.problems import suggest

_TURN: Final = re.compile(r"#[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A run, or a part of one, between the files as they were before it and after it.

    Attributes:
        step: The address that was asked for; ``None`` for the whole run.
        before: ``None`` where nobody took a snapshot: without the role, or because nothing of it could write.
        after: ``None`` where it has not ended, or was broken off.
        steps: How many steps' changes it has.
    """

    run: str
    step: str | None
    project: Path
    before: ObjectId | None
    after: ObjectId | None
    steps: int

    @property
    def name(self) -> str:
        """How people call it."""
        return self.run if self.step is None else f"{self.run}/{self.step}"

    def first_snapshot(self) -> ObjectId:
        """Return the snapshot of the files before it.

        Raises:
            Invalid: If there is none.
        """
        if self.before is None:
            raise Invalid(
                f"there is no snapshot from before {self.name}: none of it could write, nobody keeps snapshots here, "
                f"or there can be none, and 'aexl pipeline log {self.run}' says why"
            )
        return self.before


@dataclass(slots=True)
class _Bracket:
    begun: bool = False
    ended: bool = False
    before: ObjectId | None = None
    after: ObjectId | None = None
    aside: bool = False
    """It worked in a copy."""


def span_of(records: Sequence[Record], step: str | None = None) -> Span:
    """Return what a run, or one of its steps, stands between.

    Args:
        step: An address as in the journal. Without the numbers of turns it is all turns together, and the
            address of a loop or of another step with steps in it is all that is within.

    Raises:
        NotFound: If the run has no such step; suggests one.
    """
    begun = next((record for record in records if isinstance(record, RunBegun)), None)
    if begun is None:
        raise NotFound("the journal does not say which run it is of")
    brackets = _brackets(records)
    if step is None:
        ended = _last_end(records)
        inside = [bracket for bracket in brackets.values() if not bracket.aside]
        before, after = _ends(inside)
        before = begun.before or before
        if ended is not None:
            before, after = ended.before or before, ended.after or after
        return _span(begun, None, before, after if ended is not None else None, inside)
    chosen = [bracket for address, bracket in brackets.items() if _is_within(address, step)]
    if not chosen:
        raise NotFound(f"run {begun.run} has no step {step[:200]!r}; {_hint(step, brackets)}")
    before, after = _ends(chosen)
    whole = brackets.get(step)
    if whole is not None:
        before, after = whole.before or before, whole.after or after
    return _span(begun, step, before, after if all(bracket.ended for bracket in chosen) else None, chosen)


def _span(
    begun: RunBegun,
    step: str | None,
    before: ObjectId | None,
    after: ObjectId | None,
    chosen: Sequence[_Bracket],
) -> Span:
    count = sum(1 for bracket in chosen if bracket.before != bracket.after)
    return Span(run=begun.run, step=step, project=Path(begun.project), before=before, after=after, steps=count)


def _last_end(records: Sequence[Record]) -> RunEnded | None:
    """Return how the run ended; ``None`` if it was begun again since."""
    for record in reversed(records):
        if isinstance(record, RunEnded):
            return record
        if isinstance(record, RunResumed | StepBegun):
            return None
    return None


def _brackets(records: Iterable[Record]) -> dict[str, _Bracket]:
    """Return each step's snapshots by address, in the order in which they began; the last time counts for one that ran again."""
    found: dict[str, _Bracket] = {}
    copies: set[str] = set()
    for record in records:
        match record:
            case Forked():
                copies.add(record.step)
            case Merged():
                copies.discard(record.step)
            case StepBegun():
                before = found.pop(record.step, _Bracket())
                # what was broken off and runs again began when it first began
                first = before.before if before.begun and not before.ended else None
                aside = any(_is_within(record.step, copy) for copy in copies)
                found[record.step] = _Bracket(begun=True, before=first or record.before, aside=aside)
            case StepEnded():
                bracket = found.setdefault(record.step, _Bracket())
                bracket.ended = True
                bracket.before, bracket.after = bracket.before or record.before, record.after
            case _:
                pass
    return found


def _ends(brackets: Sequence[_Bracket]) -> tuple[ObjectId | None, ObjectId | None]:
    """Return where the first one begins and the last one ends; one that was broken off has no end that anybody knows."""
    writing = [bracket for bracket in brackets if bracket.before is not None]
    return (writing[0].before, writing[-1].after) if writing else (None, None)


def _is_within(address: str, step: str) -> bool:
    """Say whether an address is that of a step, of one of its turns, or of something in it."""
    return any(each == step or each.startswith((f"{step}::", f"{step}#")) for each in (address, _TURN.sub("", address)))


def _hint(step: str, brackets: Iterable[str]) -> str:
    addresses = list(brackets)
    return suggest(step, addresses) or f"it has {', '.join(addresses[:12]) or 'none yet'}"
