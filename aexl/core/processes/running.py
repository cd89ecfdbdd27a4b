"""Running one program: start, streams, and an end that is certain."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio
from trio.abc import ReceiveChannel

from aexl.api import Process, ProcessSpec
from aexl.core.processes.environment import MARK, child_environment
from aexl.core.processes.files import WrittenFiles
from aexl.core.processes.input import Input
from aexl.core.processes.output import Output, no_output
from aexl.core.processes.tree import KILL_LIMIT, become_subreaper, descendants, new_mark
from aexl.errors import Invalid, NotFound, Unavailable

_END_LIMIT: Final = KILL_LIMIT + 5.0


class RunningProcess:
    """A started program; ``Process`` of ``aexl.api``."""

    def __init__(self, process: trio.Process, spec: ProcessSpec) -> None:
        self._process = process
        streams = (process.stdout, process.stderr)
        self._input = Input(process.stdin, spec.stdin, converse=spec.converse)
        self._outputs = [
            Output(stream, spec.line_limit) for stream in streams if isinstance(stream, trio.lowlevel.FdStream)
        ]
        self._lines, self._stderr = (
            (self._outputs[0].lines, self._outputs[1].lines) if self._outputs else (no_output(), no_output())
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def lines(self) -> ReceiveChannel[bytes]:
        return self._lines

    @property
    def stderr(self) -> ReceiveChannel[bytes]:
        return self._stderr

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def send(self, data: bytes) -> None:
        await self._input.send(data)

    def end_input(self) -> None:
        self._input.end()

    async def wait(self) -> int:
        return await self._process.wait()

    async def attend(self) -> None:
        """Serve the program's streams until it has ended and its output is delivered."""
        async with trio.open_nursery() as nursery:
            for output in self._outputs:
                nursery.start_soon(output.run)
            async with trio.open_nursery() as feeding:
                feeding.start_soon(self._input.run)
                await self._process.wait()
                feeding.cancel_scope.cancel()
            for output in self._outputs:
                output.program_ended()

    async def end(self, spec: ProcessSpec) -> None:
        """Ask the program to end, each time as the specification says, and wait for it."""
        for output in self._outputs:
            output.discard()
        for number, grace in spec.cancel:
            if self._process.returncode is not None:
                return
            self.signal(number)
            self.signal(signal.SIGCONT)  # one that was stopped hears nothing
            with trio.move_on_after(grace):
                await self._process.wait()


@asynccontextmanager
async def spawn(spec: ProcessSpec) -> AsyncIterator[Process]:
    """Run a program; leaving the context ends its whole tree.

    A program that does not inherit our streams gets a session of its own; one that
    does stays in our process group, so that it keeps the terminal and ``^C`` reaches
    it (and us: see ``run_in_terminal``).

    On leaving, also by cancellation, the program gets the signals of ``spec.cancel``,
    each with its grace; then it and everything it started gets SIGKILL. A program
    that has ended by then leaves nothing behind either. Leaving is shielded and
    takes the graces and some seconds at most.

    Lines that nobody reads hold the program up; closing a channel drops them.

    Raises:
        Invalid: If the command is empty or has a NUL in it.
        NotFound: If there is no such program or working folder.
        Unavailable: If the program cannot be started.
        Conflict: If a file to be written exists.
    """
    files = WrittenFiles(spec.files, spec.folders)
    failure: BaseException | None = None
    try:
        await trio.to_thread.run_sync(files.write)
        mark = new_mark(spec.within)
        process = await _start(spec, mark)
        tree = descendants(process.pid, mark, own_session=not spec.inherit)
        running = RunningProcess(process, spec)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.attend)
            nursery.start_soon(tree.watch)
            try:
                yield running
            except BaseException as error:  # kept, not swallowed: a nursery would wrap it in a group
                failure = error
            grace = sum(seconds for _, seconds in spec.cancel)
            with trio.move_on_after(grace + _END_LIMIT, shield=True):
                await running.end(spec)
                async with trio.open_nursery() as reaping:  # a program that nobody collects keeps its group alive
                    reaping.start_soon(process.wait)
                    await tree.kill()
            nursery.cancel_scope.cancel()
    finally:
        with trio.move_on_after(_END_LIMIT, shield=True):
            await trio.to_thread.run_sync(files.remove)
    if failure is not None:
        raise failure


async def _start(spec: ProcessSpec, mark: str) -> trio.Process:
    become_subreaper()
    argv = list(spec.argv)
    if not argv or any("\0" in word for word in argv):
        raise Invalid(f"a command needs words without NUL, not {argv!r}")
    env = child_environment(argv[0], spec.env)
    output = None if spec.inherit else subprocess.PIPE
    reads = spec.stdin is not None or spec.converse
    stdin = None if spec.inherit else subprocess.PIPE if reads else subprocess.DEVNULL
    try:
        return await trio.lowlevel.open_process(
            argv,
            stdin=stdin,
            stdout=output,
            stderr=output,
            env={**env, MARK: mark},
            cwd=spec.cwd,
            start_new_session=not spec.inherit,
        )
    except FileNotFoundError as error:
        if not spec.cwd.is_dir():
            raise NotFound(f"there is no folder {str(spec.cwd)!r} to work in") from error
        raise NotFound(f"there is no program {argv[0]!r}") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"{argv[0]!r} cannot be started: {error}") from error
