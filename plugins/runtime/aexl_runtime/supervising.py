"""Watching one worker from this process, without a loop: for the runner, which does nothing else."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aexl_runtime.protocol.asked import Asked
from aexl_runtime.protocol.exchange import MAX_LINE, Exchange
from aexl_runtime.starting import Worker

Ask = Callable[[Mapping[str, Any], float], Mapping[str, Any]]
"""Asks a model; returns ``data``, ``execution`` and ``cost_usd``, or ``error``. Waits at most so many seconds."""

_CHUNK: Final = 64 * 1024
_LINE: Final = 8 * 1024
"""Bytes of a printed line; a longer one comes in pieces."""

END: Final = 1.0
"""Seconds in which a worker that has closed its channel ends by itself, so that its own status is what is told."""

_LAST: Final = 0.5
"""Seconds for what a worker that has ended left in its pipes."""


def supervise(worker: Worker, exchange: Exchange, ask: Ask) -> None:
    """Let a worker do a run, until there is an answer or its time is over; then end it, and all that it started."""
    watch = _Watch(worker, exchange, ask)
    try:
        watch.send(exchange.order())
        watch.listen()
        if not exchange.done:
            worker.wait(END)
    finally:
        worker.kill()


class _Watch:
    def __init__(self, worker: Worker, exchange: Exchange, ask: Ask) -> None:
        self._worker = worker
        self._exchange = exchange
        self._ask = ask
        self._said = bytearray()
        self._printed = bytearray()
        self._poll = select.poll()
        for descriptor in (worker.answers, worker.output):
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN | select.POLLHUP)

    def send(self, data: bytes) -> None:
        """Write to the worker, reading what it says meanwhile."""
        os.set_blocking(self._worker.orders, False)
        view = memoryview(data)
        while view and not self._exchange.done:
            try:
                view = view[os.write(self._worker.orders, view) :]
            except BlockingIOError:
                self._step(0.01)
            except BrokenPipeError:
                return  # it has ended; what it said before tells more

    def listen(self) -> None:
        """Hear the worker until its end."""
        while not self._exchange.done and self._step(None):
            pass
        self._drain()

    def _step(self, most: float | None) -> bool:
        """Wait for something to happen, at most ``most`` seconds; return whether there may be more."""
        left = self._exchange.deadline - time.time()
        if left <= 0:
            self._worker.kill()
            self._exchange.time_out()
            return False
        wait = left if most is None else min(left, most)
        for descriptor, _ in self._poll.poll(max(1, int(wait * 1000) + 1)):
            data = os.read(descriptor, _CHUNK)
            if descriptor == self._worker.output:
                self._print(data)
            elif not data:
                return False
            else:
                self._hear(data)
            if not data:
                self._poll.unregister(descriptor)
        return True

    def _hear(self, data: bytes) -> None:
        self._said += data
        while (end := self._said.find(b"\n")) >= 0:
            line = bytes(self._said[:end])
            del self._said[: end + 1]
            asked = self._exchange.hear(line)
            if asked is not None:
                self._answer(asked)
        if len(self._said) > MAX_LINE:
            self._exchange.fail(
                "user", f"the handler said more than {MAX_LINE} bytes at once", exception="ProtocolError"
            )

    def _answer(self, asked: Asked) -> None:
        told = asked.refusal or self._ask(asked.body, self._exchange.deadline - time.time())
        self.send(self._exchange.reply(asked, told))

    def _print(self, data: bytes) -> None:
        self._printed += data
        *lines, rest = bytes(self._printed).split(b"\n")
        while len(rest) > _LINE:
            lines.append(rest[:_LINE])
            rest = rest[_LINE:]
        self._printed = bytearray(rest)
        for line in lines:
            self._exchange.printed(line.decode("utf-8", "replace")[:_LINE])

    def _drain(self) -> None:
        """Take what was printed before the end; a process that holds the pipe open is not waited for."""
        end = time.time() + _LAST
        try:
            while time.time() < end and (data := os.read(self._worker.output, _CHUNK)):
                self._print(data)
        except BlockingIOError:
            pass
        if self._printed:
            self._print(b"\n")
