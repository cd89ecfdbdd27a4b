"""What a journal says has been done: a fold over its records. Pure.

A run that goes on asks this before it does anything: what has ended is not done
again, what was decided is not decided anew. Addresses are those of the records.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeVar

from aexl.api.money import Usage
from aexl.api.work import ObjectId
from aexl_pipelines.journal.lines import Written
from aexl_pipelines.journal.records import (
    AttemptEnded,
    ChildBegun,
    Forked,
    GateDecided,
    GateOpened,
    LoopSet,
    LoopTurn,
    Merged,
    PipelineReloaded,
    Record,
    RunBegun,
    RunEnded,
    RunResumed,
    StepBegun,
    StepEnded,
    Verdict,
    total,
    total_usage,
)

R = TypeVar("R")

_TURNS: Final = re.compile(r"#\d+")

LOOPS: Final = frozenset({"do_while", "for_each"})


class StepState:
    """What is known of one step's instance."""

    def __init__(self) -> None:
        self.records: list[Written] = []

    @property
    def first(self) -> int:
        """The number of its first record."""
        return self.records[0].number

    def last(self, kind: type[R]) -> R | None:
        """Return the latest record of a kind."""
        return next((each.record for each in reversed(self.records) if isinstance(each.record, kind)), None)

    def every(self, kind: type[R]) -> list[R]:
        """Return all records of a kind."""
        return [each.record for each in self.records if isinstance(each.record, kind)]

    @property
    def begun(self) -> StepBegun | None:
        """Its begin."""
        return self.last(StepBegun)

    @property
    def ended(self) -> StepEnded | None:
        """Its end."""
        return self.last(StepEnded)

    @property
    def child(self) -> ChildBegun | None:
        """The run that it called."""
        return self.last(ChildBegun)

    @property
    def turns(self) -> int:
        """How many turns of a loop have begun."""
        return max((each.turn for each in self.every(LoopTurn)), default=0)

    def has_turned(self, turn: int) -> bool:
        """Say whether a turn of a loop has begun."""
        return any(each.turn == turn for each in self.every(LoopTurn))

    @property
    def items(self) -> tuple[object, ...] | None:
        """What a ``for_each`` goes over."""
        found = self.last(LoopSet)
        return found.items if found is not None else None

    @property
    def forked(self) -> Forked | None:
        """Its copy of the files."""
        return self.last(Forked)

    @property
    def merged(self) -> Merged | None:
        """What became of that copy."""
        return self.last(Merged)

    @property
    def reloaded(self) -> PipelineReloaded | None:
        """The pipeline that was read at its end."""
        return self.last(PipelineReloaded)

    def gate(self, role: str) -> tuple[GateOpened, Verdict | None] | None:
        """Return the question that was asked for some reason, and the answer where there is one."""
        for opened in reversed(self.every(GateOpened)):
            if opened.gate.detail.get("for") == role:
                decided = (each for each in self.every(GateDecided) if each.gate == opened.gate.id)
                return opened, next((each.verdict for each in decided), None)
        return None

    def forget_failure(self) -> StepEnded | None:
        """Drop what keeps a step that failed, or was rejected, from being tried again; return the end that is gone.

        A gate that was rejected is gone as a whole: what is asked next is another question, with another answer.
        """
        ended = self.ended
        failed = ended is not None and ended.status not in {"completed", "skipped"} and not ended.tolerated
        rejected = {each.gate for each in self.every(GateDecided) if each.verdict.choice == "reject"}

        def is_dropped(record: Record) -> bool:
            match record:
                case StepEnded() | AttemptEnded():
                    return failed
                case GateOpened(gate=gate):
                    return gate.id in rejected
                case GateDecided(gate=name):
                    return name in rejected
                case _:
                    return False

        self.records = [each for each in self.records if not is_dropped(each.record)]
        return ended if failed else None


class RunState:
    """What is known of a run.

    Attributes:
        begun: Its first record.
        resumed: The latest of its later begins.
        ended: Its end, where the last thing that happened is that.
        usage: What all its steps have used, those that are done again as well; ``cost`` and ``turns`` likewise.
        active: Seconds in which it was driven.
    """

    def __init__(self, written: Iterable[Written] = ()) -> None:
        self.begun: RunBegun | None = None
        self.resumed: RunResumed | None = None
        self.ended: RunEnded | None = None
        self.usage: Usage | None = None
        self.cost: int | None = None
        self.turns = 0
        self.active = 0.0
        self.steps: dict[str, StepState] = {}
        self._at = 0.0
        self._open: dict[str, list[AttemptEnded]] = {}
        for each in written:
            self.apply(each)

    def step(self, address: str) -> StepState:
        """Return what is known of a step's instance; an empty state for one that has not begun."""
        return self.steps.get(address) or StepState()

    def touched(self, beginning: str) -> bool:
        """Say whether anything is known of an address that begins so."""
        return any(address.startswith(beginning) for address in self.steps)

    def apply(self, written: Written) -> None:
        """Take in one more record."""
        record = written.record
        self._count(record)
        match record:
            case RunBegun():
                self.begun = record
            case RunResumed():
                self.resumed, self.ended = record, None
                self._forget(record)
            case RunEnded():
                self.ended = record
            case _:
                if record.step is not None:
                    self.steps.setdefault(record.step, StepState()).records.append(written)
                if isinstance(record, AttemptEnded):
                    self._begin_anew(record.step)

    def _count(self, record: Record) -> None:
        if not isinstance(record, RunBegun | RunResumed):
            self.active += max(0.0, record.at - self._at)
        self._at = record.at
        if isinstance(record, AttemptEnded):
            self._open.setdefault(record.step, []).append(record)
            self._spend(record.usage, record.cost, 1 if record.usage is not None else 0)
        elif isinstance(record, StepEnded) and record.kind not in LOOPS and not record.cached:
            usage, cost, turns = _last_attempt(record, self._open.pop(record.step, []))
            self._spend(usage, cost, turns)

    def _spend(self, usage: Usage | None, cost: int | None, turns: int) -> None:
        self.usage = total_usage((self.usage, usage))
        self.cost = total((self.cost, cost))
        self.turns += turns

    def _take_back(self, ended: StepEnded, before: list[AttemptEnded]) -> None:
        usage, cost, turns = _last_attempt(ended, before)
        self.usage = _minus(self.usage, usage)
        self.cost = self.cost - (cost or 0) if self.cost is not None else None
        self.turns -= turns

    def _begin_anew(self, address: str) -> None:
        """Drop what was done within a loop or a call whose attempt has failed: the next one begins at its begin."""
        state = self.steps[address]
        if state.turns or state.child is not None:
            state.records = [
                each for each in state.records if not isinstance(each.record, LoopTurn | LoopSet | ChildBegun)
            ]
            self.steps = {name: each for name, each in self.steps.items() if not is_within(name, address)}

    def _forget(self, resumed: RunResumed) -> None:
        for address in resumed.redo if resumed.since is not None else ():
            state = self.steps.get(address)
            if state is not None and resumed.since is not None:
                since = resumed.since
                state.records = [each for each in state.records if each.number < since]
        for state in self.steps.values():
            before = state.every(AttemptEnded)
            ended = state.forget_failure()
            if ended is not None and state.child is not None:  # that run goes on, and tells what it has spent itself
                self._take_back(ended, before)
        self.steps = {address: state for address, state in self.steps.items() if state.records}


def redone(state: RunState, chosen: str) -> tuple[tuple[str, ...], int] | None:
    """Return which addresses run again when a run goes on from a step, and since which record.

    These are the step, all that began after it, and all that it is in. Without the numbers of turns, the first turn
    is meant. ``None`` for a step that has not begun.
    """
    if chosen not in state.steps:
        chosen = next((address for address in state.steps if _TURNS.sub("", address) == chosen), chosen)
    since = min(
        (each.first for address, each in state.steps.items() if address == chosen or is_within(address, chosen)),
        default=None,
    )
    if since is None:
        return None
    around = enclosing(chosen)
    redo = tuple(address for address, each in state.steps.items() if each.first >= since or address in around)
    return redo, since


def is_within(address: str, outer: str) -> bool:
    """Say whether an address is inside another one: in its loop, its chains or its branches."""
    return address.startswith((f"{outer}::", f"{outer}#", f"{outer}__on_result"))


def latest_files(state: RunState, branch: str) -> ObjectId | None:
    """Return the latest snapshot of a branch's copy, as far as its steps have got; ``None`` where none has ended."""
    found: dict[int, ObjectId] = {}
    for address, step in state.steps.items():
        if address != branch and not is_within(address, branch):
            continue
        around = {each for each in enclosing(address) if is_within(each, branch)}
        if any(state.step(each).forked is not None for each in around):
            continue  # in a copy of its own
        own_copy = address != branch and step.forked is not None
        for each in step.records:
            match each.record:
                case Merged(snapshot=snapshot) if own_copy:
                    found[each.number] = snapshot
                case StepEnded(after=snapshot) if snapshot is not None and not own_copy:
                    found[each.number] = snapshot
    return found[max(found)] if found else None


def final_files(state: RunState, branch: str) -> ObjectId | None:
    """Return the snapshot that a branch's own step has ended with, where nothing of the branch came after it."""
    last = max(
        (step.records[-1] for address, step in state.steps.items() if address == branch or is_within(address, branch)),
        key=lambda each: each.number,
        default=None,
    )
    ended = last.record if last is not None else None
    return ended.after if isinstance(ended, StepEnded) and ended.step == branch else None


def enclosing(address: str) -> frozenset[str]:
    """Return the addresses that an address is inside of."""
    parts = address.split("::")
    found = set()
    for count in range(1, len(parts)):
        whole = "::".join(parts[:count])
        found |= {whole, whole.rpartition("#")[0] or whole}
    return frozenset(found - {address})


def _last_attempt(ended: StepEnded, before: list[AttemptEnded]) -> tuple[Usage | None, int | None, int]:
    """Return what the last attempt of a step has used: its end has the sum of all, and the others were counted."""
    counted = sum(1 for each in before if each.usage is not None)
    usage = _minus(ended.usage, total_usage(tuple(each.usage for each in before)))
    paid = total(tuple(each.cost for each in before)) or 0
    cost = ended.cost - paid if ended.cost is not None else None
    return usage, cost, max(0, (ended.turns or 0) - counted)


def _minus(whole: Usage | None, part: Usage | None) -> Usage | None:
    if whole is None or part is None:
        return whole
    return Usage(
        input_tokens=max(0, whole.input_tokens - part.input_tokens),
        cached_input_tokens=max(0, whole.cached_input_tokens - part.cached_input_tokens),
        cache_write_tokens=max(0, whole.cache_write_tokens - part.cache_write_tokens),
        cache_write_1h_tokens=max(0, whole.cache_write_1h_tokens - part.cache_write_1h_tokens),
        output_tokens=max(0, whole.output_tokens - part.output_tokens),
        reasoning_tokens=max(0, whole.reasoning_tokens - part.reasoning_tokens),
    )
