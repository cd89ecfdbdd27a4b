"""The values that names stand for while a run goes on: frames of steps, and a flow through them. Pure.

A *frame* is the steps of one list: a pipeline's, or one turn of a loop. A *flow* is
one line of execution: the frame it is in, the latest answer on its way, the folder
in which it works. Branches and parallel turns have flows of their own, so that what
one sees does not depend on how fast the others are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from aexl.api.money import NANOS
from aexl.api.runners import Totals
from aexl_pipelines.execution.accounting import Account
from aexl_pipelines.journal.records import StepEnded
from aexl_pipelines.language.answers import decode_answer
from aexl_pipelines.language.model import Step

Entry = Mapping[str, object]


class Frame(Mapping[str, object]):
    """Entries of steps by every name that they have here; what is further out is seen through it."""

    def __init__(self, outer: Frame | None = None) -> None:
        self.own: dict[str, Entry] = {}
        self.sessions: dict[str, SessionRef] = {}
        self._outer = outer

    def __getitem__(self, name: str) -> object:
        if name in self.own:
            return self.own[name]
        if self._outer is None:
            raise KeyError(name)
        return self._outer[name]

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (name for name in (self._outer or ()) if name not in self.own)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def session(self, name: str) -> SessionRef | None:
        """Return the session of a step, by a name that it has here."""
        found = self.sessions.get(name)
        return found if found is not None or self._outer is None else self._outer.session(name)

    def session_within(self, loop: str) -> SessionRef | None:
        """Return the latest session of what is within a loop."""
        inner = [session for name, session in self.sessions.items() if name.startswith(f"{loop}::")]
        return inner[-1] if inner else None

    def take_turn(self, loop: Step, turn: Frame) -> None:
        """Make the steps of a loop's turn known from outside, as ``loop::inner``."""
        for name, entry in turn.own.items():
            self.own[_from_outside(loop, name)] = entry
        for name, session in turn.sessions.items():
            self.sessions[_from_outside(loop, name)] = session


def _from_outside(loop: Step, name: str) -> str:
    return name if name.startswith(f"{loop.path}::") else f"{loop.id}::{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRef:
    """An agent's session that can be resumed: which runner's, and the name of its home."""

    runner: str
    id: str
    home: str
    totals: Totals = Totals()  # noqa: RUF009 - a frozen struct


@dataclass(slots=True, kw_only=True)
class Flow:
    """One line of execution.

    Attributes:
        account: What is spent here counts there: the run's, or that of a step with a budget that this is within.
        last: The latest answer.
        answered: It was given in this turn.
        path: The path of the loop whose turn this is, with ``::`` behind it; empty outside of loops.
        address: The same as an address, with the turns.
        sessions: The latest session of each runner.
    """

    frame: Frame
    folder: Path
    account: Account
    last: str | None = None
    answered: bool = False
    path: str = ""
    address: str = ""
    do_while: Mapping[str, object] | None = None
    for_each: Mapping[str, object] | None = None
    sessions: dict[str, SessionRef] = field(default_factory=dict)

    def address_of(self, step: Step) -> str:
        """Return the address of a step that runs here."""
        return self.address + step.path.removeprefix(self.path)

    def branch(self, folder: Path | None = None) -> Flow:
        """Return a flow for something that runs beside this one."""
        return replace(self, folder=folder or self.folder, answered=False, sessions=dict(self.sessions))

    def turn(self, loop: Step, number: int, **changes: object) -> Flow:
        """Return a flow for a turn of a loop, counted from 1."""
        inner = replace(self, frame=Frame(self.frame), answered=False, **changes)  # type: ignore[arg-type]  # fields of a flow
        inner.address = f"{self.address_of(loop)}#{number}::"
        inner.path = f"{loop.path}::"
        return inner

    def values(self, common: Mapping[str, object], *, code_changed: bool = False) -> dict[str, object]:
        """Return what names stand for here; ``common`` has what is the same in the whole run."""
        found = {**common, "step": self.frame, "code_changed": code_changed}
        if self.last is not None:
            found["last_response"] = self.last
        if self.do_while is not None:
            found["do_while"] = self.do_while
        if self.for_each is not None:
            found["for_each"] = self.for_each
        return found


def entry_of(ended: StepEnded, diff: str | None = None) -> dict[str, object]:
    """Return what later steps may name of a step."""
    entry: dict[str, object] = {"status": ended.status}
    if ended.status == "skipped":
        return {**entry, **ended.outputs}
    entry["files_changed"] = list(ended.changed)
    if diff is not None:
        entry["diff"] = diff
    fields = {
        "prompt": ended.prompt,
        "response": ended.response,
        "stdout": ended.stdout,
        "stderr": ended.stderr,
        "exit_code": ended.exit_code,
        "session_id": ended.session,
        "model": ended.model,
        "turn_count": ended.turns,
        "error": ended.error.message if ended.error is not None else None,
    }
    entry.update({name: value for name, value in fields.items() if value is not None})
    if ended.runner is not None:
        entry["tool_calls"] = [{"name": tool.name, "input": tool.input, "failed": tool.failed} for tool in ended.tools]
        entry["turns"] = list(ended.dialogue)
    cost = ended.booked if ended.booked is not None else ended.cost
    if cost is not None:
        entry["cost_usd"] = cost / NANOS
    return {**entry, **ended.outputs}


def session_of(ended: StepEnded) -> SessionRef | None:
    """Return the session that a step leaves behind."""
    if ended.session is None or ended.runner is None or ended.home is None:
        return None
    return SessionRef(runner=ended.runner, id=ended.session, home=ended.home, totals=ended.totals or Totals())


def history_of(entry: Entry) -> Entry:
    """Return an entry as ``do_while[N].ID`` shows it, with its ``result``."""
    streams = [str(entry[name]) for name in ("stdout", "stderr") if entry.get(name)]
    return {"result": entry.get("response") or "\n".join(streams), **entry}


def as_items(value: object) -> list[object] | None:
    """Return a list that is one, or that is written as one in JSON; ``None`` for anything else."""
    if isinstance(value, str):
        try:
            value = decode_answer(value)
        except (ValueError, RecursionError):
            return None
    return list(value) if isinstance(value, list | tuple) else None
