"""Asking people: a question is put up where everybody can answer it, and the first answer counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Final, Protocol

import msgspec
import trio

from aexl.errors import Unavailable
from aexl_pipelines.gates.files import AlreadyDecided, GateFiles
from aexl_pipelines.gates.records import Decided, verdict_of_timeout
from aexl_pipelines.journal.records import Gate, OnGate, Verdict
from aexl_pipelines.nurseries import plain_errors

FIRST_LOOK: Final = 0.01
LAST_LOOK: Final = 0.25
"""Seconds between two looks at the folder; what this process decides itself wakes at once."""
_GRACE: Final = 2.0
"""Seconds that taking a question away may take when the run is cancelled."""


class Answerer(Protocol):
    """A person within reach of this process: at its terminal, or behind its standard input."""

    async def answer(self, gate: Gate) -> Verdict | None:
        """Ask, and return the answer; ``None`` if nobody is there any more.

        Cancelled as soon as somebody else has answered. Called for several gates at once.
        """
        ...

    def settled(self, gate: Gate, decided: Decided) -> None:
        """Hear that another answer counts. Must not wait."""
        ...


class FileGates:
    """The port ``Gates``: questions in the runs' folders, answered from any process.

    Args:
        runs: The folder that has a folder for each run.
        on_gate: Answers every gate at once.
        answerer: Who is asked in this process as well.
        waits: Somebody will answer from elsewhere (a server runs), so a question is put up though
            nobody is here. Without that and without ``answerer``, only a gate with a timeout waits,
            and any other is rejected at once.
        now: The Unix time in seconds.
        opened: Called when a question has been put up and can be answered; must not wait.
        bells: What wakes who waits in this process, by the gate's id; to be shared by those who ask and decide.
    """

    def __init__(
        self,
        runs: Path,
        *,
        on_gate: OnGate | None = None,
        answerer: Answerer | None = None,
        waits: bool = False,
        now: Callable[[], float] = time,
        opened: Callable[[Gate], None] | None = None,
        bells: dict[str, trio.Event] | None = None,
    ) -> None:
        self._runs = runs
        self._files = GateFiles(runs)
        self._on_gate = on_gate
        self._answerer = answerer
        self._waits = waits
        self._now = now
        self._opened = opened
        self._bells = {} if bells is None else bells

    def with_option(self, on_gate: OnGate | None) -> FileGates:
        """Return the same gates for a run with another option: what is decided through either wakes both."""
        return FileGates(
            self._runs,
            on_gate=on_gate,
            answerer=self._answerer,
            waits=self._waits,
            now=self._now,
            opened=self._opened,
            bells=self._bells,
        )

    @property
    def answerable(self) -> bool:
        """Somebody, or an option, can answer."""
        return self._on_gate in {"approve", "reject"} or self._answerer is not None or self._waits

    async def ask(self, gate: Gate) -> Verdict:
        """Return the answer, once; see ``execution.ports.Gates``.

        Raises:
            Unavailable: If ``on_gate`` is ``fail``, or the disk does not take the question.
        """
        decided = await trio.to_thread.run_sync(self._files.answer, gate)
        if decided is not None:
            return decided.verdict
        at_once = self._without_a_person(gate)
        if at_once is not None:
            return at_once
        asked = msgspec.structs.replace(gate, opened=gate.opened or self._now())
        with plain_errors():
            return (await self._put_up(asked)).verdict

    async def decide(self, gate: Gate, verdict: Verdict) -> Decided:
        """Answer a gate of any run; one that is asked in this process goes on at once.

        Raises:
            AlreadyDecided: If somebody was quicker.
            Invalid: If the gate cannot have this answer.
        """
        try:
            return await trio.to_thread.run_sync(self._files.decide, gate, verdict, self._now())
        finally:
            if gate.id in self._bells:
                self._bells[gate.id].set()

    async def wait(self, gate: Gate) -> Decided:
        """Return the answer to a question that is up. If cancelled, it stays up."""
        self._bells[gate.id] = trio.Event()
        try:
            return await self._appearance(gate)
        finally:
            self._bells.pop(gate.id, None)

    def _without_a_person(self, gate: Gate) -> Verdict | None:
        match self._on_gate:
            case "approve" | "reject":
                return Verdict(choice=self._on_gate, by="option", reason=f"--on-gate {self._on_gate}")
            case "fail":
                raise Unavailable(f"the step {gate.step!r} asks a person ({gate.kind}), and --on-gate fail says no")
            case None if self._answerer is None and not self._waits and gate.timeout is None:
                return NOBODY
            case None:
                return None

    async def _put_up(self, gate: Gate) -> Decided:
        answered = False
        self._bells[gate.id] = trio.Event()
        try:
            decided = await trio.to_thread.run_sync(self._files.open, gate)
            if self._opened is not None and decided is None:
                self._opened(gate)
            async with trio.open_nursery() as nursery:
                if self._answerer is not None and decided is None:
                    nursery.start_soon(self._ask_here, self._answerer, gate)
                decided = decided or await self._first_answer(gate)
                answered = True
                nursery.cancel_scope.cancel()
            return decided
        finally:
            del self._bells[gate.id]
            if not answered:
                with trio.move_on_after(_GRACE, shield=True):
                    await trio.to_thread.run_sync(self._files.withdraw, gate)

    async def _first_answer(self, gate: Gate) -> Decided:
        with trio.move_on_after(math.inf if gate.timeout is None else max(0.0, gate.timeout)):
            return await self._appearance(gate)
        return await self._try(gate, verdict_of_timeout(gate))

    async def _appearance(self, gate: Gate) -> Decided:
        path = self._files.answer_path(gate)
        bell = self._bells[gate.id]
        pause = FIRST_LOOK
        while True:
            if path.exists():  # a look at a name in a folder that is in memory: quicker than a thread's start
                decided = self._files.answer(gate)
                if decided is not None:
                    return decided
                await trio.to_thread.run_sync(self._files.open, gate)  # an answer to what was asked before
            with trio.move_on_after(pause):
                await bell.wait()
            pause = min(pause * 1.5, LAST_LOOK)

    async def _ask_here(self, answerer: Answerer, gate: Gate) -> None:
        own: Verdict | None = None
        try:
            own = await answerer.answer(gate)
            if own is not None or not self._waits:
                own = own or NOBODY
                await self._try(gate, own)
                await trio.sleep_forever()  # until the answer that counts has been seen
        finally:
            decided = self._files.answer(gate)
            if decided is not None and decided.verdict != own:
                answerer.settled(gate, decided)

    async def _try(self, gate: Gate, verdict: Verdict) -> Decided:
        """Answer, and return what counts: this, or what somebody else was quicker with."""
        try:
            return await self.decide(gate, verdict)
        except AlreadyDecided as lost:
            return lost.decided


NOBODY: Final = Verdict(choice="reject", by="nobody", reason="nobody is here who could answer")
