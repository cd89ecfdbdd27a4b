"""Running one agent: its process, its questions, its limits, and an outcome in every case."""

from __future__ import annotations

import shutil
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Final, Literal

import msgspec
import trio

from aexl.api import Host, HostedRunner, Process, ProcessSpec, Runner, RunnerParser
from aexl.api.runners import Asked, Decision, RunnerError, RunnerEvent, RunnerLimits, RunnerOutcome, RunnerRequest
from aexl.errors import NotFound
from aexl_pipelines.nurseries import plain_errors
from aexl_pipelines.runners.abilities import check_request
from aexl_pipelines.runners.tape import Entry, Recorder, output_entry

Tell = Callable[[RunnerEvent], Awaitable[None]]
Decide = Callable[[Asked], Awaitable[Decision]]
Why = Literal["wall", "idle", "stopped", "lingering"]

STDERR_LIMIT: Final = 64 * 1024
"""Bytes of standard error that are kept: its end."""

LINGER: Final = 5.0
"""Seconds that a CLI has to end when its protocol has said that the run is over."""

_NOBODY: Final = Decision(allow=False, reason="Nobody is here who could allow this.")


async def run(
    host: Host,
    runner: Runner,
    request: RunnerRequest,
    *,
    tell: Tell,
    decide: Decide | None = None,
    stop: trio.Event | None = None,
    record: Path | None = None,
    others: Collection[Runner] = (),
) -> RunnerOutcome:
    """Run an agent to its end, and return what came of it, whatever that is.

    When a limit is reached or ``stop`` is set, the CLI is asked to end as it likes to be asked, and what it still
    says counts; then its whole tree is killed. Cancelling does the same without waiting for what it says, and
    has no outcome.

    Args:
        host: Starts the process.
        runner: Who runs.
        request: What for.
        tell: Hears every event, in order; while it waits, the agent's output waits too.
        decide: Answers the agent's questions, each in a task of its own; without it they are denied.
        stop: Ends the run politely once it is set; the outcome is ``cancelled`` if it had not completed.
        record: A folder that gets a recording, for the runner ``cassette``.
        others: Runners to name where this one lacks an ability.

    Raises:
        Invalid: If the runner cannot honour the request; nothing has run.
        NotFound: If its program is not installed, or there is no such working folder; nothing has run.
    """
    check_request(runner, request, others)
    recorder = None if record is None else Recorder(record, runner.name, request)
    with plain_errors():
        if isinstance(runner, HostedRunner):
            outcome = await _run_hosted(host, runner, request, tell, stop, recorder)
        else:
            spec = runner.launch(request)
            _check_program(runner, spec)
            await trio.to_thread.run_sync(_clear, spec, request.home)
            async with host.spawn(spec) as process:
                conversation = Conversation(process, spec, runner.parser(request), tell, decide, recorder)
                outcome = await conversation.hold(request.limits, stop)
    if recorder is not None:
        await trio.to_thread.run_sync(recorder.write)
    return outcome


def inside_repository(folder: Path) -> bool:
    """Return whether a folder is inside a git repository, for ``RunnerRequest.repository``. Blocks."""
    return any((place / ".git").exists() for place in (folder, *folder.parents))


class Watch:
    """Sees when a run must end, and says so once."""

    def __init__(self, limits: RunnerLimits, stop: trio.Event | None, end: Callable[[Why], Awaitable[None]]) -> None:
        self.why: Why | None = None
        self._questions = 0
        self._limits = limits
        self._stop = stop
        self._end = end
        self._active = trio.current_time()
        self._busy = 0

    def begin(self) -> None:
        """Something came; until ``done`` it is being told, and no idleness of the agent's."""
        self._busy += 1

    def done(self) -> None:
        """It has been told."""
        self._busy -= 1
        self._active = trio.current_time()

    def asked(self) -> None:
        """The agent waits for an answer; until ``answered`` that is no idleness of its own."""
        self._questions += 1

    def answered(self) -> None:
        """It has its answer."""
        self._questions -= 1
        self._active = trio.current_time()

    def start(self, nursery: trio.Nursery) -> None:
        """Begin to watch."""
        for task in (self._wall, self._idle, self._stopping):
            nursery.start_soon(task)

    async def finish(self, why: Why) -> None:
        """End the run, if nothing has ended it yet."""
        if self.why is None:
            self.why = why
            await self._end(why)

    async def _wall(self) -> None:
        if self._limits.wall is not None:
            await trio.sleep(self._limits.wall)
            await self.finish("wall")

    async def _idle(self) -> None:
        limit = self._limits.idle
        if limit is None:
            return
        while (left := self._active + limit - trio.current_time()) > 0 or self._busy or self._questions:
            await trio.sleep(left if left > 0 else limit)
        await self.finish("idle")

    async def _stopping(self) -> None:
        if self._stop is not None:
            await self._stop.wait()
            await self.finish("stopped")


class Conversation:
    """A running CLI: what it says is parsed and told, what it asks is answered."""

    def __init__(
        self,
        process: Process,
        spec: ProcessSpec,
        parser: RunnerParser,
        tell: Tell,
        decide: Decide | None,
        recorder: Recorder | None,
    ) -> None:
        self._process = process
        self._spec = spec
        self._parser = parser
        self._tell = tell
        self._decide = decide
        self._recorder = recorder
        self._stderr = End(STDERR_LIMIT)
        self._ended = trio.Event()
        self._concluded = trio.Event()
        self._sending = trio.Lock()

    async def hold(self, limits: RunnerLimits, stop: trio.Event | None) -> RunnerOutcome:
        """Serve the CLI until it has ended."""
        async with trio.open_nursery() as nursery:
            watch = Watch(limits, stop, self._ask_to_end)
            watch.start(nursery)
            nursery.start_soon(self._linger, watch)
            async with trio.open_nursery() as reading:
                reading.start_soon(self._read_errors)
                reading.start_soon(self._read, watch, nursery)
            status = await self._process.wait()
            self._ended.set()
            nursery.cancel_scope.cancel()
        if self._recorder is not None:
            self._recorder.add(Entry(exit=status))
        return as_ended(self._parser.finish(status, self._stderr.text()), watch.why, limits)

    async def _read(self, watch: Watch, nursery: trio.Nursery) -> None:
        async for line in self._process.lines:
            watch.begin()
            if self._recorder is not None:
                self._recorder.add(output_entry(line))
            for event in self._parser.feed(line + b"\n"):
                await self._tell(event)
                if isinstance(event, Asked) and self._spec.converse:
                    watch.asked()
                    nursery.start_soon(self._answer, event, watch)
            if self._parser.concluded and not self._concluded.is_set():
                self._concluded.set()
                self._process.end_input()
            watch.done()

    async def _read_errors(self) -> None:
        async for line in self._process.stderr:
            self._stderr.add(line)
            if self._recorder is not None:
                self._recorder.add(Entry(err=line.decode(errors="replace")))

    async def _answer(self, asked: Asked, watch: Watch) -> None:
        decision = _NOBODY if self._decide is None else await self._decide(asked)
        async with self._sending:
            if not self._concluded.is_set():
                await self._process.send(self._parser.answer(asked, decision))
        watch.answered()

    async def _linger(self, watch: Watch) -> None:
        await self._concluded.wait()
        await trio.sleep(LINGER)
        await watch.finish("lingering")

    async def _ask_to_end(self, _: Why) -> None:
        for number, grace in self._spec.cancel:
            self._process.signal(number)
            with trio.move_on_after(grace):
                await self._ended.wait()
        self._process.signal(signal.SIGKILL)


class End:
    """The end of a text that may be long."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: deque[bytes] = deque()
        self._size = 0

    def add(self, line: bytes) -> None:
        """Keep a line, and drop what is too long ago."""
        kept = line[-self._limit :]
        self._lines.append(kept)
        self._size += len(kept) + 1
        while self._size > self._limit + 1 and len(self._lines) > 1:
            self._size -= len(self._lines.popleft()) + 1

    def text(self) -> str:
        """Return what is kept."""
        return b"\n".join(self._lines).decode(errors="replace")


def as_ended(outcome: RunnerOutcome, why: Why | None, limits: RunnerLimits) -> RunnerOutcome:
    """Return the outcome of a run that we have ended: what had completed before stays so."""
    if why is None or why == "lingering" or outcome.status == "completed":
        return outcome
    error = _reason(why, limits)
    status: Literal["cancelled", "timeout"] = "cancelled" if why == "stopped" else "timeout"
    return msgspec.structs.replace(outcome, status=status, error=error)


def _reason(why: Why, limits: RunnerLimits) -> RunnerError:
    match why:
        case "wall":
            return RunnerError(kind="wall", message=f"the run took longer than {limits.wall:g} seconds")
        case "idle":
            return RunnerError(kind="idle", message=f"the agent said nothing for {limits.idle:g} seconds")
        case _:
            return RunnerError(kind="stopped", message="the run was stopped")


def _check_program(runner: Runner, spec: ProcessSpec) -> None:
    program = spec.argv[0]
    if shutil.which(program, path=spec.env.get("PATH")) is None and not (spec.cwd / program).is_file():
        raise NotFound(
            f"runner {runner.name} needs the program {program!r}, which is not there: "
            "install it, or say where it is with the runner's option 'program'"
        )


def _clear(spec: ProcessSpec, home: Path) -> None:
    """Remove our own files that a killed run of the same session has left."""
    for path in spec.files:
        if path.is_relative_to(home):
            path.unlink(missing_ok=True)


async def _run_hosted(
    host: Host,
    runner: HostedRunner,
    request: RunnerRequest,
    tell: Tell,
    stop: trio.Event | None,
    recorder: Recorder | None,
) -> RunnerOutcome:
    outcome: RunnerOutcome | None = None
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def end(_: Why) -> None:
            scope.cancel()

        watch = Watch(request.limits, stop, end)

        async def told(event: RunnerEvent) -> None:
            watch.begin()
            if recorder is not None:
                recorder.add(Entry(event=event))
            await tell(event)
            watch.done()

        watch.start(nursery)
        with scope:
            outcome = await runner.run(host, request, told)
        nursery.cancel_scope.cancel()
    ended = outcome or RunnerOutcome(status="cancelled", session=request.session.id, model=request.model)
    ended = as_ended(ended, watch.why if outcome is None else None, request.limits)
    if recorder is not None:
        recorder.add(Entry(outcome=ended))
    return ended
