"""One request and its answer over HTTP/1.1."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, NamedTuple, NoReturn, TypeVar

import httpx
import trio

from aexl.api import Arriving
from aexl.core.http.upstream.failures import failure
from aexl.core.http.upstream.pool import Connection, Pool
from aexl.core.http.upstream.wire import Broken, Expired

_JOINED: Final = 65536
"""Up to so many bytes, a body goes out in one write with its head."""

E = TypeVar("E", bound=httpx.TransportError)


class Times(NamedTuple):
    """``first_byte`` and ``idle`` in seconds, as in ``Upstream``; ``until`` on trio's clock, for the whole exchange."""

    first_byte: float
    idle: float
    until: float


class Body(NamedTuple):
    """A request's body: bytes, or else pieces; ``length`` is ``None`` where they go out as chunks."""

    data: bytes
    pieces: AsyncIterator[bytes] | None
    length: int | None


class Unsent(Exception):
    """A connection that had been idle broke before a byte of the request was written: another one may be tried."""


class Exchange(httpx.AsyncByteStream):
    """Sends a request, reads the answer's head, and is then the stream of its body.

    The connection goes back to the pool with the last byte of the body, or is closed
    at the first failure, cancellation or ``aclose``.

    Raises, from ``run`` and while it is iterated: ``httpx`` exceptions that have ``sent``.
    """

    __slots__ = ("_connection", "_first", "_pool", "_times", "_unfinished")

    def __init__(self, pool: Pool, connection: Connection, times: Times) -> None:
        self._pool = pool
        self._connection: Connection | None = connection  # until it is given back
        self._times = times
        self._first = b""  # of the body, what came with the head
        self._unfinished: str | None = None  # why not all of the request could be sent

    async def run(self, head: bytes, body: Body, *, bodyless: bool) -> Arriving:
        """Send the request and return its answer; ``bodyless`` if the request is a HEAD.

        Raises:
            Unsent: See there.
        """
        connection = self._connection
        assert connection is not None
        connection.reader.begin(bodyless=bodyless)
        connection.wire.wrote = False
        try:
            await self._send(connection, head, body)
            await self._read_head(connection)
        except BaseException:
            self._close()
            raise
        reader = connection.reader
        arriving = Arriving(reader.status, reader.headers, self)
        self._first = reader.take()
        if reader.complete:
            self._give_back(connection)
        return arriving

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Return what the next read brings of the body; a checkpoint where a read is needed."""
        data = self._first
        if data:
            self._first = b""
            return data
        connection = self._connection
        if connection is None:
            raise StopAsyncIteration
        try:
            data = await self._read_body(connection)
        except BaseException:
            self._close()
            raise
        if connection.reader.complete:
            self._give_back(connection)
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Close the connection if there is more of the body than was read. Not a checkpoint."""
        self._close()

    async def _send(self, connection: Connection, head: bytes, body: Body) -> None:
        wire = connection.wire
        _, stall, until = self._times
        data = body.data
        try:
            if len(data) <= _JOINED:
                await wire.send(head + data if data else head, stall, until)
            else:
                await wire.send(head, stall, until)
                await wire.send(data, stall, until)
            if body.pieces is not None:
                await self._send_pieces(connection, body)
        except Broken as error:
            if not wire.wrote:
                if connection.used:
                    raise Unsent from error
                self._fail(httpx.WriteError, f"the connection broke before the request was sent: {error}", error)
            # It may have answered before it had read everything, and its answer is worth more than our error.
            self._unfinished = str(error)
        except Expired as error:
            self._fail(httpx.WriteTimeout, "the upstream does not take the request", error)

    async def _send_pieces(self, connection: Connection, body: Body) -> None:
        wire = connection.wire
        _, stall, until = self._times
        left = body.length
        assert body.pieces is not None
        async for piece in body.pieces:
            if left is None:
                if piece:
                    await wire.send(b"%x\r\n%b\r\n" % (len(piece), piece), stall, until)
                continue
            left -= len(piece)
            if left < 0:
                break
            await wire.send(piece, stall, until)
        if left is None:
            await wire.send(b"0\r\n\r\n", stall, until)
        elif left:
            self._fail(httpx.LocalProtocolError, "the request's body is not as long as its content-length says")

    async def _read_head(self, connection: Connection) -> None:
        wire, reader = connection.wire, connection.reader
        until = min(trio.current_time() + self._times.first_byte, self._times.until)
        try:
            while not reader.status:
                data = await wire.receive(until)
                if data:
                    reader.feed(data)
                else:
                    reader.end()
                if reader.problem is not None and not reader.status:
                    self._refuse(reader.problem)
        except Broken as error:
            if self._unfinished is not None:
                self._refuse(self._unfinished)
            self._fail(httpx.ReadError, f"the connection broke before an answer: {error}", error)
        except Expired as error:
            self._fail(httpx.ReadTimeout, f"no answer within {self._waited(self._times.first_byte)}", error)

    async def _read_body(self, connection: Connection) -> bytes:
        wire, reader = connection.wire, connection.reader
        while not reader.complete:
            if reader.problem is not None:
                self._refuse(reader.problem)
            now = trio.current_time()
            try:
                if now >= self._times.until:
                    raise Expired
                data = await wire.receive(min(now + self._times.idle, self._times.until))
            except Broken as error:
                self._fail(httpx.ReadError, f"the connection broke in the middle of the answer: {error}", error)
            except Expired as error:
                self._fail(httpx.ReadTimeout, f"nothing more came within {self._waited(self._times.idle)}", error)
            if data:
                reader.feed(data)
            else:
                reader.end()
            data = reader.take()
            if data:
                return data
        return b""

    def _give_back(self, connection: Connection) -> None:
        self._connection = None
        if connection.reader.reusable and self._unfinished is None:
            connection.used = True
            self._pool.release(connection)
        else:
            self._pool.discard(connection)

    def _close(self) -> None:
        connection = self._connection
        if connection is not None:
            self._connection = None
            self._pool.discard(connection)

    def _waited(self, seconds: float) -> str:
        if trio.current_time() >= self._times.until:
            return "the time for the whole exchange"
        return f"{seconds:g} seconds"

    def _refuse(self, problem: str) -> NoReturn:
        if self._unfinished is not None:
            self._fail(httpx.WriteError, f"the connection broke while the request was sent: {self._unfinished}")
        self._fail(httpx.RemoteProtocolError, f"the upstream cannot be understood: {problem}")

    def _fail(self, kind: type[E], message: str, cause: Exception | None = None) -> NoReturn:
        connection = self._connection
        sent = connection is None or connection.wire.wrote
        raise failure(kind, message, sent=sent) from cause
