"""One request and its answer over HTTP/1.1."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import NamedTuple, NoReturn, TypeVar

import httpx
import trio

from aexl.api import Arriving, Upstream
from aexl.core.http.upstream.failures import failure
from aexl.core.http.upstream.pool import Connection, Pool
from aexl.core.http.upstream.wire import Broken, Expired

E = TypeVar("E", bound=httpx.TransportError)


class Body(NamedTuple):
    """What does not go out with a request's head: bytes, or else pieces, as chunks where there is no ``length``."""

    data: bytes
    pieces: AsyncIterator[bytes] | None
    length: int | None


class _Unsent(Exception):
    """A connection that had been idle broke before a byte of the request was written: another one may be tried."""


class Exchange(httpx.AsyncByteStream):
    """Takes a connection, sends a request, reads the answer's head, and is then the stream of its body.

    The connection goes back to the pool with the last byte of the body, or is closed
    at the first failure, cancellation or ``aclose``.

    Args:
        upstream: How long to wait for what.

    Raises, from ``run`` and while it is iterated: ``httpx`` exceptions that have ``sent``.
    """

    __slots__ = ("_connection", "_first", "_pool", "_unfinished", "_until", "_upstream")

    def __init__(self, pool: Pool, upstream: Upstream) -> None:
        self._pool = pool
        self._connection: Connection | None = None
        self._upstream = upstream
        self._until = math.inf  # when all of it must have ended
        self._first = b""  # of the body, what came with the head
        self._unfinished: str | None = None  # why not all of the request could be sent

    async def run(self, start: bytes, body: Body | None, *, bodyless: bool) -> Arriving:
        """Send the request and return its answer.

        Args:
            start: The head, with the body where there is no ``body``.
            bodyless: The request is a HEAD.
        """
        now = trio.current_time()
        self._until = now + self._upstream.total
        while True:
            connection = self._pool.take(now)
            if connection is None:
                connection = await self._pool.acquire(self._until)
                now = trio.current_time()
            self._connection = connection
            reader = connection.reader
            reader.begin(bodyless=bodyless)
            connection.wire.wrote = False
            try:
                sent = self._send_now(connection, start)
                if sent < len(start) or body is not None:
                    await self._send(connection, start[sent:], body)
                    now = trio.current_time()
                await self._read_head(connection, min(now + self._upstream.first_byte, self._until))
                break
            except _Unsent:
                self._close()  # each time with one idle connection less
            except BaseException:
                self._close()
                raise
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

    def _send_now(self, connection: Connection, start: bytes) -> int:
        try:
            return connection.wire.send_now(start)
        except Broken as error:
            self._fail_unsent(connection, error)

    async def _send(self, connection: Connection, rest: bytes, body: Body | None) -> None:
        wire = connection.wire
        try:
            if rest:
                await wire.send(rest, self._upstream.idle, self._until)
            if body is None:
                return
            if body.data:
                await wire.send(body.data, self._upstream.idle, self._until)
            if body.pieces is not None:
                await self._send_pieces(connection, body.pieces, body.length)
        except Broken as error:
            if not wire.wrote:
                self._fail_unsent(connection, error)
            # It may have answered before it had read everything, and its answer is worth more than our error.
            self._unfinished = str(error)
        except Expired as error:
            self._fail(httpx.WriteTimeout, "the upstream does not take the request", error)

    def _fail_unsent(self, connection: Connection, error: Broken) -> NoReturn:
        if connection.used:
            raise _Unsent from error
        self._fail(httpx.WriteError, f"the connection broke before the request was sent: {error}", error)

    async def _send_pieces(self, connection: Connection, pieces: AsyncIterator[bytes], left: int | None) -> None:
        wire = connection.wire
        stall, until = self._upstream.idle, self._until
        async for piece in pieces:
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

    async def _read_head(self, connection: Connection, until: float) -> None:
        wire, reader = connection.wire, connection.reader
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
            self._fail(httpx.ReadTimeout, f"no answer within {self._waited(self._upstream.first_byte)}", error)

    async def _read_body(self, connection: Connection) -> bytes:
        wire, reader = connection.wire, connection.reader
        while not reader.complete:
            if reader.problem is not None:
                self._refuse(reader.problem)
            now = trio.current_time()
            try:
                if now >= self._until:
                    raise Expired
                data = await wire.receive(min(now + self._upstream.idle, self._until))
            except Broken as error:
                self._fail(httpx.ReadError, f"the connection broke in the middle of the answer: {error}", error)
            except Expired as error:
                self._fail(httpx.ReadTimeout, f"nothing more came within {self._waited(self._upstream.idle)}", error)
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
        if trio.current_time() >= self._until:
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
