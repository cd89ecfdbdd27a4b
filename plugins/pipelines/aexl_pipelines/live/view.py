"""What is going on in a run and the runs that it calls, as far as a person wants to see it at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aexl.api.runners import Retried, Spent, Text, Thinking, ToolUse
from aexl_pipelines.journal.records import (
    AttemptEnded,
    ChildBegun,
    Gate,
    GateDecided,
    GateOpened,
    LoopTurn,
    Progress,
    Record,
    RunBegun,
    RunEnded,
    StepBegun,
    StepEnded,
)
from aexl_pipelines.live.words import clean

TAIL: Final = 4000
"""Characters of what a step says now that are kept."""

MOST_ENDED: Final = 500
"""Steps in the summary; of more, those within loops and calls are left out."""

Key = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Active:
    """A step that runs now.

    Attributes:
        depth: How many loops, chains and calls it is in.
        cost: Nano-dollars so far, as its runner counts them.
        status: What it does beside working: ``again in 5 s``, a turn of a loop.
    """

    key: Key
    number: int
    kind: str
    began: float
    depth: int
    runner: str = ""
    model: str = ""
    tail: str = ""
    thinking: bool = False
    tools: int = 0
    tool: str = ""
    cost: int = 0
    status: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A step that has ended; ``number`` says when it began among all others."""

    number: int
    depth: int
    record: StepEnded


@dataclass(slots=True, kw_only=True)
class View:
    """A run and its child runs.

    Attributes:
        main: The run that was started; child runs have their place below the step that called them.
        active: Steps that run, in the order in which they began.
        ended: Steps that have ended, in the order of their ends.
        dropped: How many more have ended than ``ended`` has.
        gates: Questions that nobody has answered yet.
    """

    main: str = ""
    began: float = 0.0
    active: dict[Key, Active] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    dropped: int = 0
    gates: dict[str, Gate] = field(default_factory=dict)
    cost: int = 0
    over: RunEnded | None = None
    _callers: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def see(self, run: str, seen: Record | Progress) -> None:
        """Take in what happened."""
        match seen:
            case RunBegun() if not self.main:
                self.main, self.began = run, seen.at
            case StepBegun():
                self._begin(run, seen)
            case Progress():
                self._progress((run, seen.step), seen)
            case AttemptEnded():
                self._retry((run, seen.step), seen)
            case LoopTurn() if (run, seen.step) in self.active:
                self.active[run, seen.step].status = f"turn {seen.turn} of {seen.total}"
            case ChildBegun():
                self._callers[seen.run] = self._depth(run, seen.step) + 1
            case GateOpened():
                self.gates[seen.gate.id] = seen.gate
            case GateDecided():
                self.gates.pop(seen.gate, None)
            case StepEnded():
                self._end(run, seen)
            case RunEnded():
                self._close(run, seen)
            case _:
                return

    def _depth(self, run: str, address: str) -> int:
        return self._callers.get(run, 0) + address.count("::")

    def _begin(self, run: str, begun: StepBegun) -> None:
        if not self.main:  # a resumed run: its begin is long ago
            self.main, self.began = run, begun.at
        key = (run, begun.step)
        self._count += 1
        self.active[key] = Active(
            key=key,
            number=self._count,
            kind=begun.kind,
            began=begun.at,
            depth=self._depth(run, begun.step),
            runner=begun.runner or "",
            model=begun.model or "",
        )

    def _progress(self, key: Key, progress: Progress) -> None:
        step = self.active.get(key)
        if step is None:
            return
        match progress.event:
            case Text(text=text, whole=whole):
                step.thinking = False
                step.tail = (step.tail + clean(text) + ("\n" if whole else ""))[-TAIL:]
            case Thinking():
                step.thinking = True
            case ToolUse(name=name):
                step.tools += 1
                step.tool = clean(name)[:40]
            case Spent(cost=int(cost)):
                step.cost += cost
            case Retried(attempt=attempt):
                step.status = f"asks its model again ({attempt})"
            case _:
                return

    def _retry(self, key: Key, ended: AttemptEnded) -> None:
        step = self.active.get(key)
        if step is not None:
            step.tail = ""
            step.status = f"attempt {ended.attempt + 1}"

    def _end(self, run: str, ended: StepEnded) -> None:
        active = self.active.pop((run, ended.step), None)
        self._count += active is None
        known = ended.booked if ended.booked is not None else ended.cost
        depth = self._depth(run, ended.step)
        if ended.kind not in {"do_while", "for_each", "pipeline"}:
            self.cost += known or 0
        self.ended.append(Ended(self._count if active is None else active.number, depth, ended))
        if len(self.ended) > MOST_ENDED:
            inner = next((at for at, each in enumerate(self.ended) if each.depth), 0)
            del self.ended[inner]
            self.dropped += 1

    def _close(self, run: str, ended: RunEnded) -> None:
        for key in [key for key in self.active if key[0] == run]:
            del self.active[key]
        self.gates = {name: gate for name, gate in self.gates.items() if gate.run != run}
        if run == self.main:
            self.over = ended
