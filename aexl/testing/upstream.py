"""A server on loopback that answers as a script says: the far end of every test about upstreams.

What it answers are bytes, so it can answer wrongly in every way there is::

    async with ScriptedServer([[response(b'{"ok":true}')], [b"HTTP/1.1 200", Action.RESET]]) as server:
        ...  # the first request is answered, the second gets half a status line and a reset
    assert server.requests[0].target == b"/v1/chat/completions"
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, Self, TypeAlias

import httptools
import trio

_PIECE: Final = 65536


class Action(StrEnum):
    """What a script can do beside sending."""

    HANG = "hang"
    """Send nothing more and wait until the client closes."""
    CLOSE = "close"
    """Close the connection in good order."""
    RESET = "reset"
    """Close it with a reset."""
    FINISH = "finish"
    """Close the sending half only."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so many seconds of trio's clock."""

    seconds: float


Step: TypeAlias = bytes | Pause | Action | Callable[[], Awaitable[object]]
"""Bytes are sent at once, in a write of their own; a function is called and awaited (``event.wait``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it arrived; header names in lower case.

    ``connection`` counts connections from zero.
    """

    connection: int
    method: bytes
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, by its lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


Script: TypeAlias = Sequence[Sequence[Step]] | Callable[[Received], Sequence[Step]]


def response(
    body: bytes = b"",
    *,
    status: int = 200,
    headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"application/json"),),
) -> bytes:
    """Return an answer with a ``content-length``."""
    return _head(status, [*headers, (b"content-length", b"%d" % len(body))]) + body


def chunked_response(
    *parts: bytes,
    status: int = 200,
    headers: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"text/event-stream; charset=utf-8"),),
    end: bool = True,
) -> list[bytes]:
    """Return an answer in chunks: its head, one piece for each part, and the last chunk if ``end``."""
    head = _head(status, [*headers, (b"transfer-encoding", b"chunked")])
    return [head, *(b"%x\r\n%b\r\n" % (len(part), part) for part in parts), *([b"0\r\n\r\n"] if end else [])]


def _head(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d Scripted\r\n%b\r\n" % (status, lines)


class ScriptedServer:
    """Serves on a free port of loopback while its context is entered.

    Args:
        script: What to do for the first, second, … request, over all connections;
            or a function that is asked for each. A request beyond the script's
            end fails the test.
        tls: Serve TLS with this context.
        host: The address to listen on.

    Attributes:
        requests: The requests, in the order in which their bodies ended.
        accepted: How many connections there were.
        port: Where it listens.
    """

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.requests: list[Received] = []
        self.accepted = 0
        self.port = 0
        self._script = script
        self._tls = tls
        self._host = host
        self._asked = 0
        self._open = 0
        self._failure: Exception | None = None
        self._changed = trio.Event()
        self._serving = trio.open_nursery()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def wait_open(self, count: int) -> None:
        """Wait until exactly ``count`` connections are open."""
        while self._open != count:
            await self._changed.wait()

    async def wait_requests(self, count: int) -> None:
        """Wait until at least ``count`` requests have arrived in full."""
        while len(self.requests) < count:
            await self._changed.wait()

    async def __aenter__(self) -> Self:
        nursery = await self._serving.__aenter__()
        [listener] = await trio.open_tcp_listeners(0, host=self._host)
        self.port = listener.socket.getsockname()[1]
        self._scope = nursery.cancel_scope
        nursery.start_soon(trio.serve_listeners, self._serve, [listener])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._scope.cancel()
        try:
            return await self._serving.__aexit__(kind, error, traceback)
        finally:
            if self._failure is not None:
                raise self._failure

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _serve(self, transport: trio.SocketStream) -> None:
        number = self.accepted
        self.accepted += 1
        self._open += 1
        self._change()
        stream = trio.SSLStream(transport, self._tls, server_side=True) if self._tls else transport
        try:
            await self._converse(stream, transport, number)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client left, which a script need not mind
        except Exception as error:
            # Raised when the context is left: on the way through trio's server, a cancellation could hide it.
            self._failure = self._failure or error
            self._scope.cancel()
        finally:
            transport.socket.close()
            self._open -= 1
            self._change()

    async def _converse(self, stream: trio.abc.Stream, transport: trio.SocketStream, number: int) -> None:
        reader = _Reader(number)
        while request := await reader.read(stream):
            self.requests.append(request)
            self._change()
            for step in self._next(request):
                if not await _perform(step, stream, transport):
                    return

    def _next(self, request: Received) -> Sequence[Step]:
        if callable(self._script):
            return self._script(request)
        self._asked += 1
        assert self._asked <= len(self._script), f"the script has no answer for request {self._asked}: {request}"
        return self._script[self._asked - 1]


async def _perform(step: Step, stream: trio.abc.Stream, transport: trio.SocketStream) -> bool:
    """Do one step; say whether the connection goes on."""
    match step:
        case bytes():
            await stream.send_all(step)
        case Pause(seconds):
            await trio.sleep(seconds)
        case Action.HANG:
            while await stream.receive_some(_PIECE):
                pass
            return False
        case Action.CLOSE:
            await stream.aclose()
            return False
        case Action.RESET:
            transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        case Action.FINISH:
            transport.socket.shutdown(socket.SHUT_WR)
        case wait:
            await wait()
    return True


class _Reader:
    """Reads the requests of one connection."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._parser = httptools.HttpRequestParser(self)
        self._done: list[Received] = []
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    async def read(self, stream: trio.abc.Stream) -> Received | None:
        while not self._done:
            data = await stream.receive_some(_PIECE)
            if not data:
                return None
            self._parser.feed_data(data)
        return self._done.pop(0)

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", [], []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        received = Received(
            connection=self._number,
            method=self._parser.get_method(),
            target=self._target,
            headers=tuple(self._headers),
            body=b"".join(self._body),
        )
        self._done.append(received)
