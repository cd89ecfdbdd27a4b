"""A conversation over a program's standard streams: ail's NDJSON, one JSON object a line."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import msgspec
import trio

from aexl.errors import AexlError
from aexl_pipelines.execution.requests import RunResult
from aexl_pipelines.gates.records import Decided
from aexl_pipelines.journal.records import Gate, GateDecided, GateOpened, Progress, Record, Verdict
from aexl_pipelines.serving.fields import Fields, usd
from aexl_pipelines.serving.lines import PROTOCOL, Answer, Control, Say, Told, Wrong, read_line

LONGEST_LINE: Final = 1 << 20
"""Bytes of a line of input; a longer one is skipped, and said to be."""
MOST_WAITING: Final = 100
"""Messages that wait for their turn."""
MOST_RECORDS: Final = 10_000
MOST_PROGRESS: Final = 1_000
"""Lines that wait to be written: beyond these, first what agents do at the moment is dropped, then all."""

BY: Final = "stdio"


class Output(Protocol):
    """Where lines go."""

    async def write(self, data: bytes) -> None:
        """Write a line.

        Raises:
            OSError: If nobody reads any more.
        """
        ...


class Turns(Protocol):
    """Who runs turns."""

    async def run(self, prompt: str, run: str, told: Callable[[str, Record | Progress], None]) -> RunResult:
        """Run one turn; tell what is seen of it."""
        ...


class Lines:
    """What waits to be written, in order; ``tell`` must not wait, so there is a bound."""

    def __init__(self) -> None:
        self._waiting: deque[Fields] = deque()
        self._some = trio.Event()
        self._dropped = 0
        self._closed = False

    def put(self, fields: Fields, *, progress: bool = False) -> None:
        """Add a line. Must not wait."""
        if len(self._waiting) >= (MOST_PROGRESS if progress else MOST_RECORDS):
            self._dropped += 1
        else:
            self._waiting.append(fields)
        self._some.set()

    def close(self) -> None:
        """Let ``write_to`` end when all is written. Must not wait."""
        self._closed = True
        self._some.set()

    async def write_to(self, output: Output) -> None:
        """Write until it is closed."""
        while self._waiting or not self._closed:
            if not self._waiting:
                self._some = trio.Event()
                await self._some.wait()
                continue
            await output.write(msgspec.json.encode(self._waiting.popleft(), enc_hook=str) + b"\n")
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._waiting.appendleft({"type": "dropped", "count": dropped})


class Desk:
    """The program behind the streams, as somebody who answers gates."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[Gate, trio.Event]] = OrderedDict()
        self._verdicts: dict[str, Verdict] = {}
        self._allowed: set[str] = set()
        self._closed = False

    async def answer(self, gate: Gate) -> Verdict | None:
        """Wait for a line that answers the gate; ``None`` when no more lines will come."""
        if gate.kind == "permission" and _tool(gate) in self._allowed:
            return Verdict(choice="approve", by=BY, reason="allowed for the session")
        self.expect(gate)
        try:
            if not self._closed:
                await self._open[gate.id][1].wait()
            return self._verdicts.pop(gate.id, None)
        finally:
            self._open.pop(gate.id, None)

    def expect(self, gate: Gate) -> None:
        """Take answers to a gate that will be asked: a quick program answers as soon as it reads of it."""
        if gate.id not in self._open:
            self._open[gate.id] = gate, trio.Event()

    def forget(self, gate: str) -> None:
        """Take no answers to a gate any more."""
        self._open.pop(gate, None)
        self._verdicts.pop(gate, None)

    def settled(self, gate: Gate, decided: Decided) -> None:
        """Nothing is to be said: the run's own records say it."""

    def close(self) -> None:
        """No more lines will come: what is asked from now on, nobody answers."""
        self._closed = True
        for _, event in self._open.values():
            event.set()

    def take(self, answer: Answer) -> str | None:
        """Give a line's answer to its gate; return what is wrong, if something is."""
        gate = self._meant(answer)
        if gate is None:
            return f"there is no open gate {answer.gate!r}" if answer.gate else f"no {answer.of} gate is open"
        verdict = _verdict(gate, answer)
        if verdict.choice == "edit" and (not gate.editable or verdict.text is None):
            return (
                f"gate {gate.id} cannot be edited" if not gate.editable else f"an edit of gate {gate.id} needs a text"
            )
        if answer.for_session and gate.kind == "permission" and verdict.choice == "approve":
            self._allowed.add(_tool(gate))
        self._verdicts[gate.id] = verdict
        self._open[gate.id][1].set()
        return None

    def _meant(self, answer: Answer) -> Gate | None:
        for gate, event in self._open.values():
            fits = (gate.kind == "permission") == (answer.of == "permission")
            if not event.is_set() and (gate.id == answer.gate or (answer.gate is None and fits)):
                return gate
        return None


def _tool(gate: Gate) -> str:
    return str(gate.detail.get("tool", ""))


def _verdict(gate: Gate, answer: Answer) -> Verdict:
    """Return what an answer means; without a choice it is ail's: a text edits what can be edited, and else goes on."""
    choice = answer.choice
    if choice is None:
        choice = "edit" if gate.editable and answer.text is not None else "approve"
    reason = answer.reason or (answer.text or "" if choice != "edit" else "")
    return Verdict(choice=choice, text=answer.text if choice == "edit" else None, reason=reason, by=BY)


class Conversation:
    """Turns, one after the other, as the lines of the input say.

    Args:
        desk: Answers the gates of the turns.
        steps: The ids of the pipeline's own steps.
        source: The pipeline file as people call it.
        stream: Also tell what agents do while they work.
        hold: Holds back steps: called with true and false.
        identify: Makes the ids of runs.
    """

    def __init__(
        self,
        turns: Turns,
        desk: Desk,
        *,
        steps: Sequence[str],
        source: str | None,
        stream: bool,
        hold: Callable[[bool], None],
        identify: Callable[[], str],
    ) -> None:
        self._turns = turns
        self._desk = desk
        self._steps = steps
        self._source = source
        self._stream = stream
        self._hold = hold
        self._identify = identify
        self._lines = Lines()
        self._messages: deque[str] = deque()
        self._news = trio.Event()
        self._over = False
        self._turn: trio.CancelScope | None = None
        self.exit_code = 0
        """Of the last turn."""

    async def hold_it(self, read: Callable[[], Awaitable[bytes | None]], output: Output, message: str | None) -> None:
        """Talk until the input ends, ``end_session`` comes, or nobody reads any more.

        Args:
            read: Returns the next line, cut after ``LONGEST_LINE`` bytes and one; ``None`` at the end.
            message: The only turn, if it is given.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._lines.write_to, output)
                async with trio.open_nursery() as listening:
                    listening.start_soon(self._read, read)
                    await self._talk(message)
                    listening.cancel_scope.cancel()
                self._lines.close()
        except* OSError:
            self.exit_code = self.exit_code or 1  # nobody reads: there is nobody to tell either

    async def _talk(self, message: str | None) -> None:
        self._say("chat_started", protocol=PROTOCOL, pipeline_source=self._source, total_steps=len(self._steps))
        if message is not None:
            await self._one_turn(message)
        else:
            while (text := await self._next_message()) is not None:
                await self._one_turn(text)
        self._say("chat_ended", exit_code=self.exit_code)

    async def _next_message(self) -> str | None:
        if self._over and not self._messages:
            return None
        self._say("ready")
        while not self._messages:
            if self._over:
                return None
            self._news = trio.Event()
            await self._news.wait()
        return self._messages.popleft()

    async def _one_turn(self, text: str) -> None:
        run = self._identify()
        self._say("turn_started", turn_id=run, prompt=text)
        told = Told(run, self._steps)

        def tell(of: str, seen: Record | Progress) -> None:
            progress = isinstance(seen, Progress)
            match seen:
                case GateOpened():
                    self._desk.expect(seen.gate)
                case GateDecided():
                    self._desk.forget(seen.gate)
                case _:
                    pass
            if self._stream or not progress:
                for fields in told.lines(of, seen):
                    self._lines.put(fields, progress=progress)

        result: RunResult | None = None
        self._turn = trio.CancelScope()
        try:
            with self._turn:
                result = await self._turns.run(text, run, tell)
        except AexlError as error:
            self.exit_code = error.exit_code
            self._say("pipeline_error", error=str(error), error_type="ail:pipeline/aborted", run_id=run)
            return self._say("turn_completed", turn_id=run, status="failed", response=None, cost_usd=None)
        finally:
            self._turn = None
            self._hold(False)
        if result is None:
            self.exit_code = 130
            return self._say("turn_completed", turn_id=run, status="cancelled", response=None, cost_usd=None)
        self.exit_code = result.exit_code
        cost = usd(result.booked if result.booked is not None else result.cost)
        return self._say("turn_completed", turn_id=run, status=result.status, response=result.response, cost_usd=cost)

    async def _read(self, read: Callable[[], Awaitable[bytes | None]]) -> None:
        skipping = False
        while (line := await read()) is not None:
            whole = line.endswith(b"\n") or len(line) <= LONGEST_LINE
            if not skipping and whole:
                self._hear(line)
            elif not skipping:
                self._say("error", error=f"the line has more than {LONGEST_LINE} bytes")
            skipping = not whole
        self._end()

    def _hear(self, line: bytes) -> None:
        match read_line(line):
            case Say(text=text) if len(self._messages) < MOST_WAITING:
                self._messages.append(text)
                self._news.set()
            case Say():
                self._say("error", error=f"{MOST_WAITING} messages wait already")
            case Answer() as answer:
                wrong = self._desk.take(answer)
                if wrong is not None:
                    self._say("error", error=wrong)
            case Control(word=word):
                self._steer(word)
            case Wrong(error=error):
                self._say("error", error=error)
            case None:
                pass

    def _steer(self, word: str) -> None:
        match word:
            case "kill" if self._turn is not None:
                self._turn.cancel()
            case "kill":
                self._say("error", error="no turn is running")
            case "end_session":
                self._end()
            case _:
                self._hold(word == "pause")

    def _end(self) -> None:
        """Take no more messages, run those that wait, and have nobody to answer gates."""
        self._over = True
        self._desk.close()
        self._hold(False)
        self._news.set()

    def _say(self, kind: str, **fields: object) -> None:
        self._lines.put({"type": kind, **fields})
