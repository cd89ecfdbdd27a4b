"""One confined worker as a process of the host's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import trio

from aexl_runtime.confined import tell_ending
from aexl_runtime.protocol.asked import Asked
from aexl_runtime.protocol.exchange import MAX_LINE, Exchange, encode
from aexl_runtime.sandbox.ports import Confinement, Policy

Ask = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Asks a model; returns ``data``, ``execution`` and ``cost_usd``, or ``error``."""

GRACE: Final = 3.0
"""Seconds in which the sandbox's own supervisor ends everything, before it is killed itself."""

_CHUNK: Final = 64 * 1024
_LINE: Final = 8 * 1024


class Gone(Exception):
    """The worker has ended, or has closed its channel."""


class PooledWorker:
    """A worker and the pipes to it; used by one task at a time.

    Attributes:
        uses: Runs that it has begun.
        idle_since: When it last became free, on trio's clock.
        ready: It has imported its project, and can do one run after the other.
    """

    def __init__(self, process: trio.Process, confinement: Confinement, policy: Policy, ending: int) -> None:
        self._process = process
        self._policy = policy
        self._ending = ending
        self._held = bytearray()
        self.confinement = confinement
        self.uses = 0
        self.idle_since = trio.current_time()
        self.ready = False
        self.failed: Mapping[str, Any] | None = None

    @property
    def alive(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    async def prepare(self, order: Mapping[str, Any], seconds: float) -> None:
        """Let it import its project; it is not ``ready`` if it has ended, or the time is over."""
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._drop_output)
                self.ready = await self._hear_ready(order)
                nursery.cancel_scope.cancel()

    async def _hear_ready(self, order: Mapping[str, Any]) -> bool:
        with suppress(Gone):
            await self._send(encode(order))
            while True:
                line = await self._line()
                if line[:1] == b"-":
                    return bool(json.loads(line[1:])["forkable"])
        return False

    async def run(self, exchange: Exchange, ask: Ask, *, kept: bool) -> bool:
        """Do a run, to its answer; return whether the worker can do another one.

        If cancelled, or over time, the worker is ended.

        Args:
            kept: It was prepared; else this is its only run.
        """
        self.uses += 1
        sound = False
        try:
            with trio.move_on_after(exchange.seconds_left) as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._log_output, exchange)
                    sound = await self._converse(exchange, ask, kept=kept)
                    nursery.cancel_scope.cancel()
            if scope.cancelled_caught:
                sound = False
                await self.end()
                exchange.time_out()
        except BaseException:
            await self.end()
            raise
        if not sound:
            await self.end()
            tell_ending(exchange, await self._ending_text(), self._policy, self._process.returncode)
        self.idle_since = trio.current_time()
        return sound and self.alive

    async def _converse(self, exchange: Exchange, ask: Ask, *, kept: bool) -> bool:
        try:
            await self._send(exchange.order())
            while True:
                line = await self._line()
                if kept and line[:1] == b"-":
                    return self._ended(exchange, json.loads(line[1:]))
                asked = exchange.hear(line[1:] if kept else line)
                if asked is not None:
                    await self._answer(exchange, asked, ask)
                if exchange.done and not kept:
                    return False
        except Gone:
            return False

    def _ended(self, exchange: Exchange, said: Mapping[str, Any]) -> bool:
        """Hear of a fork's end."""
        if not exchange.done:
            status = int(said["status"])
            cause = "exit" if status >= 0 else "signal"
            text = json.dumps({"cause": _cause(status, cause), "status": abs(status)}).encode()
            tell_ending(exchange, text, self._policy, status)
        return True

    async def _answer(self, exchange: Exchange, asked: Asked, ask: Ask) -> None:
        await self._send(exchange.reply(asked, asked.refusal or await ask(asked.body)))

    async def end(self) -> None:
        """End it and everything it started. Shielded; takes some seconds at most."""
        with trio.CancelScope(shield=True):
            for number, grace in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
                if self._process.poll() is not None:
                    break
                self._process.send_signal(number)
                with trio.move_on_after(grace):
                    await self._process.wait()

    async def close(self) -> None:
        """End it, and let go of its pipes."""
        await self.end()
        if self._ending >= 0:
            os.close(self._ending)
            self._ending = -1
        with trio.CancelScope(shield=True):
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream is not None:
                    await stream.aclose()

    async def _ending_text(self) -> bytes:
        with suppress(BlockingIOError):
            return os.read(self._ending, _CHUNK)
        return b""

    async def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Gone from error

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > MAX_LINE:
                raise Gone
            data = await self._process.stdout.receive_some(_CHUNK)
            if not data:
                raise Gone
            self._held += data
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        return line

    async def _log_output(self, exchange: Exchange) -> None:
        assert self._process.stderr is not None
        held = b""
        async for data in self._process.stderr:
            *lines, held = (held + data).split(b"\n")
            while len(held) > _LINE:
                lines.append(held[:_LINE])
                held = held[_LINE:]
            for line in lines:
                exchange.printed(line.decode("utf-8", "replace")[:_LINE])

    async def _drop_output(self) -> None:
        assert self._process.stderr is not None
        async for _ in self._process.stderr:
            pass


def _cause(status: int, cause: str) -> str:
    return "cpu" if status == -signal.SIGXCPU else cause


async def start_worker(confinement: Confinement, policy: Policy, ending: tuple[int, int]) -> PooledWorker:
    """Start a worker; whoever gets it closes it.

    Args:
        ending: The pipe whose writing end ``confinement`` was planned with; the reading end is the worker's to close.

    Raises:
        OSError: If it cannot be started.
    """
    try:
        process = await trio.lowlevel.open_process(
            list(confinement.argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(confinement.env),
            pass_fds=confinement.pass_fds,
            start_new_session=True,
        )
    except BaseException:
        os.close(ending[0])
        raise
    finally:
        os.close(ending[1])
    os.set_blocking(ending[0], False)
    return PooledWorker(process, confinement, policy, ending[0])
