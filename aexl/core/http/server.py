"""The HTTP server: accepts connections, holds their limits, and drains."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Sequence

import trio

from aexl.api import ASGIApp, ASGIScope
from aexl.core.http.connection import Connection, linger
from aexl.core.http.lifespan import LifespanFailed, asgi_lifespan
from aexl.core.http.limits import ServerLimits
from aexl.core.http.origin import OriginRule
from aexl.core.http.refusal import Refusal, WriteRefusal, neutral_refusal
from aexl.core.http.unix import open_unix_listener, open_unix_stream
from aexl.core.http.wire import ClientGone, SocketWire, StreamWire, Wire

__all__ = [
    "LifespanFailed",
    "OriginRule",
    "Server",
    "ServerLimits",
    "asgi_lifespan",
    "open_unix_listener",
    "open_unix_stream",
]

logger = logging.getLogger("aexl.http")


class Server:
    """Serves one ASGI application over HTTP/1.1 on listeners that it is given.

    ``run`` is called once. Each connection is a task; its requests are answered in
    order, each in that task. The server knows nothing of signals: whoever gets
    them calls ``drain``.

    Args:
        app: Any ASGI 3 application that runs on trio.
        limits: What clients may take.
        origins: The ``Host`` and ``Origin`` rule; ``None`` checks neither, for a Unix socket that no web page reaches.
        refuse: Writes the answer to a request that the application does not get.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: ServerLimits,
        origins: OriginRule | None,
        refuse: WriteRefusal = neutral_refusal,
    ) -> None:
        self._app = app
        self._write_refusal = refuse
        self._limits = limits
        self._origins = origins
        self._connections: set[Connection] = set()
        self._refusing = 0
        self._accepting = trio.CancelScope()
        self._draining = False
        # Deadlines of waiting connections are looked at this often; see ServerLimits.
        self._tick = min(1.0, min(limits.header_time, limits.keep_alive) / 10)

    @property
    def connections(self) -> int:
        """How many connections are open, those that are only refused left out."""
        return len(self._connections)

    @property
    def running(self) -> int:
        """How many requests are in the application's hands."""
        return sum(connection.running for connection in self._connections)

    @property
    def draining(self) -> bool:
        """Whether ``drain`` was called."""
        return self._draining

    async def run(
        self,
        listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until drained; the listeners are closed in any case.

        Started (``nursery.start``) when it accepts. Cancelling it cuts every connection at once.
        """
        async with trio.open_nursery() as watching:
            watching.start_soon(self._watch)
            async with trio.open_nursery() as serving:
                with self._accepting:
                    await trio.serve_listeners(
                        self._serve, list(listeners), handler_nursery=serving, task_status=_Started(task_status)
                    )
                serving.cancel_scope.deadline = trio.current_time() + self._limits.grace
            watching.cancel_scope.cancel()

    def drain(self) -> None:
        """Stop accepting and close idle connections now; let what runs finish, for the limit's grace.

        Does not wait, may be called again, and makes ``run`` return when the last connection is closed.
        """
        self._draining = True
        self._accepting.cancel()
        for connection in self._connections:
            connection.drain()

    async def _serve(self, stream: trio.abc.Stream) -> None:
        limits = self._limits
        wire: Wire
        if isinstance(stream, trio.SocketStream):
            peer = _describe_peer(stream)
            wire = SocketWire(stream, write_idle=limits.write_idle)
        else:
            peer = {"client": None, "server": None, "extensions": {}}
            wire = StreamWire(stream, write_idle=limits.write_idle)
        if len(self._connections) >= limits.connections:
            await self._refuse(wire)
            return
        connection = Connection(self._app, wire, peer, limits=limits, origins=self._origins, refuse=self._write_refusal)
        self._connections.add(connection)
        try:
            if self._draining:
                connection.drain()
            await connection.serve()
        except Exception:
            logger.exception("a connection failed")
        finally:
            self._connections.discard(connection)

    async def _refuse(self, wire: Wire) -> None:
        # A flood must not become a second crowd of connections: a tenth of the limit is told, the rest is closed.
        self._refusing += 1
        try:
            if self._refusing <= self._limits.connections // 10 + 1:
                problem = "this server has as many connections as it may have"
                refusal = Refusal(503, "too_many_connections", problem, retry_after=1)
                await wire.write(refusal.encode())
                await linger(wire, self._limits)
        except ClientGone:
            pass  # it was to be closed anyway
        finally:
            self._refusing -= 1
            await wire.close()

    async def _watch(self) -> None:
        """End the waits whose deadline has passed; one task for all, however many requests there are."""
        while True:
            await trio.sleep(self._tick)
            now = trio.current_time()
            for connection in self._connections:
                if connection.deadline <= now:
                    connection.expire()


class _Started:
    """Passes on that the listeners accept, without the value that trio's function hands over with it."""

    def __init__(self, status: trio.TaskStatus[None]) -> None:
        self._status = status

    def started(self, value: object = None) -> None:  # noqa: ARG002  # trio.TaskStatus's signature
        self._status.started()


def _describe_peer(stream: trio.SocketStream) -> ASGIScope:
    connected = stream.socket
    try:
        here, there = connected.getsockname(), connected.getpeername()
    except OSError:  # it has left already
        return {"client": None, "server": None, "extensions": {}}
    if connected.family != socket.AF_UNIX:
        return {"client": tuple(there[:2]), "server": tuple(here[:2]), "extensions": {}}
    extensions = {}
    if hasattr(socket, "SO_PEERCRED"):
        pid, uid, _gid = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        extensions["aexl.peer"] = {"uid": uid, "pid": pid}
    return {"client": None, "server": (here, None), "extensions": extensions}
