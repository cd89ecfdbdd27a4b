"""The host's end of the process in which policies run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import msgspec
import trio

from aexl.api import own_environment, own_module
from aexl.errors import ConfigError, Problem, Unavailable
from aexl_policy.scripts.answers import Verdict, check_patch, clean
from aexl_policy.scripts.sources import ENTRY_POINT_GROUP, Source

MAX_WAITING: Final = 1000
"""Calls that may wait for the worker at a time."""

_LOAD_SECONDS: Final = 10.0
_TURN_SECONDS: Final = 10.0
_REAP_SECONDS: Final = 2.0
_LAST_WORDS_SECONDS: Final = 0.2
_MAX_LINE: Final = 65536
_MODULE: Final = "aexl_policy.scripts.worker"


class PolicyFailed(Exception):
    """A policy gave no usable answer, so the call is denied."""

    def __init__(self, policy: str, what: str) -> None:
        super().__init__(f"policy {policy!r} failed: {what}")
        self.policy = policy
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A call, ready to be asked about: ``view`` is JSON, ``data`` the body's bytes."""

    view: dict[str, object]
    data: bytes
    output_key: str


class PolicyWorker:
    """One process with all policies in it, asked about one call at a time, in order of arrival.

    After a failure of any kind the process is killed, and the next call starts another.

    Args:
        sources: What to load, in this order.
        timeout: Seconds that all policies together may take for one call.
        memory: Bytes of address space.
    """

    def __init__(self, sources: Sequence[Source], *, timeout: float, memory: int) -> None:
        self.sources = tuple(sources)
        self.restarts = -1
        self._timeout = timeout
        self._memory = memory
        self._turn = trio.Lock()
        self._process: trio.Process | None = None
        self._buffer = bytearray()

    async def start(self) -> None:
        """Start the process and load the policies.

        Raises:
            ConfigError: If a policy cannot be loaded; names every one, with file and line.
        """
        async with self._turn:
            await self._start()

    async def evaluate(self, question: Question) -> list[Verdict]:
        """Return the verdicts of the policies, in order, up to the first that denies.

        If cancelled, the process is killed: what it would still say belongs to no call.

        Raises:
            PolicyFailed: If a policy raised, hung, or answered with something else; names it.
            Unavailable: If too many calls wait, or for too long.
        """
        if self._turn.statistics().tasks_waiting >= MAX_WAITING:
            raise Unavailable(f"{MAX_WAITING} calls wait for the policies")
        with trio.move_on_after(_TURN_SECONDS) as scope:
            await self._turn.acquire()
        if scope.cancelled_caught:
            raise Unavailable(f"the policies did not come to this call within {_TURN_SECONDS:g} seconds")
        try:
            return await self._ask(question)
        finally:
            self._turn.release()

    async def probe(self) -> str | None:
        """Return what is wrong with the worker, having started it if it had ended."""
        try:
            self._turn.acquire_nowait()
        except trio.WouldBlock:
            return None  # it is at work
        try:
            if not self._is_alive():
                await self._start()
        except ConfigError as error:
            return f"the policies cannot be loaded: {error}"
        finally:
            self._turn.release()
        return None

    async def aclose(self) -> None:
        """End the process, after the calls that wait for it now, but not after more than ten seconds."""
        with trio.move_on_after(_TURN_SECONDS, shield=True):
            async with self._turn:
                await self._kill()
        await self._kill()

    async def _ask(self, question: Question) -> list[Verdict]:
        if not self._is_alive():
            await self._restart()
        verdicts: list[Verdict] = []
        try:
            with trio.fail_after(self._timeout):
                await self._send(
                    {"view": question.view, "size": len(question.data), "output_key": question.output_key},
                    question.data,
                )
                while len(verdicts) < len(self.sources):
                    verdicts.append(_verdict(await self._receive()))
                    if verdicts[-1].deny is not None:
                        break
        except _PolicyRaised as error:
            raise PolicyFailed(self._name(len(verdicts)), str(error)) from None
        except trio.TooSlowError:
            await self._kill()
            raise PolicyFailed(self._name(len(verdicts)), f"no answer within {self._timeout:g} seconds") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError) as error:
            code = await self._kill(_LAST_WORDS_SECONDS)
            raise PolicyFailed(self._name(len(verdicts)), f"its process ended with {code}") from error
        except (ValueError, msgspec.MsgspecError) as error:
            await self._kill()
            raise PolicyFailed(self._name(len(verdicts)), "its answer made no sense") from error
        except BaseException:
            await self._kill()
            raise
        return verdicts

    def _name(self, index: int) -> str:
        return self.sources[index].name

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def _restart(self) -> None:
        try:
            await self._start()
        except ConfigError as error:
            raise PolicyFailed(self.sources[0].name, clean(f"it cannot be loaded any more: {error}")) from error

    async def _start(self) -> None:
        await self._kill()
        # A session of its own, so that what a policy starts ends with it; no key of the machine in its environment.
        self._process = await trio.lowlevel.open_process(
            own_module(_MODULE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **own_environment()},
            cwd="/",
            start_new_session=True,
        )
        self.restarts += 1
        order = {
            "sources": [asdict(source) for source in self.sources],
            "group": ENTRY_POINT_GROUP,
            "path": [folder for folder in sys.path if folder],  # where the host's plugins are
            "memory": self._memory,
            "alarm": 2 * self._timeout + 1,
        }
        try:
            with trio.fail_after(_LOAD_SECONDS):
                await self._send(order, b"")
                loaded = msgspec.json.decode(await self._receive(), type=_Loaded)
        except (trio.TooSlowError, trio.BrokenResourceError, EOFError, ValueError, msgspec.MsgspecError) as error:
            await self._kill()
            names = ", ".join(source.name for source in self.sources)
            problem = f"the policies ({names}) could not be loaded within {_LOAD_SECONDS:g} seconds"
            raise ConfigError([Problem(key="policy.files", message=problem)]) from error
        except BaseException:
            await self._kill()
            raise
        if loaded.problems:
            await self._kill()
            raise ConfigError([self._problem(problem) for problem in loaded.problems])

    def _problem(self, problem: _LoadProblem) -> Problem:
        path = next((source.path for source in self.sources if source.name == problem.name), "")
        return Problem(key=f"policy {problem.name!r}", message=problem.message, source=path, line=problem.line)

    async def _send(self, message: dict[str, object], data: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        await self._process.stdin.send_all(msgspec.json.encode(message) + b"\n" + data)

    async def _receive(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _MAX_LINE:
                raise ValueError("the line is too long")
            piece = await self._process.stdout.receive_some(_MAX_LINE)
            if not piece:
                raise EOFError
            self._buffer += piece
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    async def _kill(self, grace: float = 0) -> int | None:
        """End the process and everything it started; return what it ended with.

        Args:
            grace: Seconds to wait for it to end by itself, so that its own exit code can be told.
        """
        process, self._process = self._process, None
        self._buffer.clear()
        if process is None:
            return None
        with trio.move_on_after(grace, shield=True):
            await process.wait()
        _kill_group(process.pid)
        with trio.move_on_after(_REAP_SECONDS, shield=True):
            await process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with trio.move_on_after(0, shield=True):
                    await stream.aclose()
        return process.returncode


class _PolicyRaised(Exception):
    pass


class _LoadProblem(msgspec.Struct, frozen=True):
    name: str
    message: str
    line: int | None = None


class _Loaded(msgspec.Struct, frozen=True):
    problems: list[_LoadProblem]


class _Answer(msgspec.Struct, frozen=True):
    deny: str | None = None
    failed: str | None = None
    patch: dict[str, object] = {}


def _verdict(line: bytes) -> Verdict:
    answer = msgspec.json.decode(line, type=_Answer)
    if answer.failed is not None:
        raise _PolicyRaised(clean(answer.failed))
    if answer.deny is not None:
        return Verdict(deny=clean(answer.deny))
    return Verdict(patch=check_patch(answer.patch))  # type: ignore[arg-type]  # Mapping's key is invariant


def _kill_group(pid: int) -> None:
    # Nothing is left of it, or (macOS) only what has ended and waits to be reaped.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
