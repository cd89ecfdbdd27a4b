"""The connections to one origin: taken and given back in constant time.

Idle connections are a stack, so that the warmest is used and the rest grow old; who
finds none and may not open one more stands in a queue, and a connection that is given
back goes to the head of the queue at once, past nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import outcome
import trio

from aexl.core.http.upstream.answer import AnswerReader
from aexl.core.http.upstream.failures import failure
from aexl.core.http.upstream.wire import Wire

KEEP_SECONDS: Final = 55.0
"""How long an idle connection is kept: less than the 60 seconds after which common servers close theirs."""

KEEP_COUNT: Final = 128
"""How many idle connections are kept at most."""


class Connection:
    """A wire and the reader of its answers; ``used`` once it has carried an exchange."""

    __slots__ = ("idle_since", "reader", "used", "wire")

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.reader = AnswerReader()
        self.used = False
        self.idle_since = 0.0


class Pool:
    """Connections to one origin.

    Args:
        dial: Opens a connection, at the latest until a time on trio's clock.
        limit: The most connections at a time, those being opened included.
    """

    __slots__ = ("_busy", "_closed", "_dial", "_idle", "_limit", "_open", "_queue")

    def __init__(self, dial: Callable[[float], Awaitable[Wire]], limit: int) -> None:
        self._dial = dial
        self._limit = limit
        self._open = 0  # idle, busy, and promised to who is opening one
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._queue: dict[trio.lowlevel.Task, None] = {}  # in order of arrival
        self._closed = False

    @property
    def is_empty(self) -> bool:
        """Whether there is no connection, and nobody wants one."""
        return not self._open

    def take(self, now: float) -> Connection | None:
        """Return the warmest idle connection that still is as it was left; the caller's as with ``acquire``.

        Args:
            now: What trio's clock says.
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if now - connection.idle_since <= KEEP_SECONDS and connection.wire.is_quiet():
                self._busy.add(connection)
                return connection
            self.discard(connection)
        return None

    async def acquire(self, until: float) -> Connection:
        """Return a connection that is the caller's until ``release`` or ``discard``. Not always a checkpoint.

        If cancelled, nothing was taken.

        Args:
            until: On trio's clock, how long to stand in the queue, and then to connect.

        Raises:
            httpx.PoolTimeout: If ``until`` came in the queue.
            httpx.ConnectError: If the pool has been closed, or what ``dial`` raises.
        """
        connection = self.take(trio.current_time())
        if connection is not None:
            return connection
        if self._closed:
            raise _closed()
        if self._open < self._limit:
            self._open += 1
        else:
            connection = await self._stand_in_queue(until)
            if connection is not None:
                if connection.wire.is_quiet():
                    return connection
                self._busy.discard(connection)
                connection.wire.close()
        return await self._connect(until)

    def release(self, connection: Connection) -> None:
        """Give back a connection that can carry another exchange."""
        if self._closed:
            self.discard(connection)
        elif self._queue:
            trio.lowlevel.reschedule(self._next(), outcome.Value(connection))
        else:
            now = connection.idle_since = trio.current_time()
            self._busy.discard(connection)
            self._idle.append(connection)
            oldest = self._idle[0]
            if len(self._idle) > KEEP_COUNT or now - oldest.idle_since > KEEP_SECONDS:
                self.discard(self._idle.popleft())

    def discard(self, connection: Connection) -> None:
        """Close a connection; its place goes to who waits."""
        self._busy.discard(connection)
        connection.wire.close()
        self._give_up_place()

    def close(self) -> None:
        """Close every connection, also those in use; who waits gets an error."""
        self._closed = True
        while self._queue:
            trio.lowlevel.reschedule(self._next(), outcome.Error(_closed()))
        while self._idle:
            self.discard(self._idle.pop())
        for connection in list(self._busy):
            connection.wire.close()  # their users find out, and discard them

    async def _connect(self, until: float) -> Connection:
        try:
            wire = await self._dial(until)
        except BaseException:
            self._give_up_place()
            raise
        connection = Connection(wire)
        if self._closed:
            self.discard(connection)
            raise _closed()
        self._busy.add(connection)
        return connection

    async def _stand_in_queue(self, until: float) -> Connection | None:
        """Wait for a connection, or (``None``) for a place to open one in."""
        task = trio.lowlevel.current_task()

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._queue[task]
            return trio.lowlevel.Abort.SUCCEEDED

        with trio.CancelScope(deadline=until):
            self._queue[task] = None
            given: Connection | None = await trio.lowlevel.wait_task_rescheduled(leave)
            return given
        message = f"none of {self._limit} connections became free in time"
        raise failure(httpx.PoolTimeout, message, sent=False)

    def _next(self) -> trio.lowlevel.Task:
        task = next(iter(self._queue))
        del self._queue[task]
        return task

    def _give_up_place(self) -> None:
        if self._queue:
            trio.lowlevel.reschedule(self._next(), outcome.Value(None))
        else:
            self._open -= 1


def _closed() -> httpx.ConnectError:
    return failure(httpx.ConnectError, "the transport has been closed", sent=False)
