"""One connection's bytes: a socket driven directly, or any trio stream.

A socket is taken out of trio's stream because the stream's checkpoints cost as
much as the rest of a small request. Waiting is trio's own, and every read waits,
so a connection yields to the others at least once for each request.
"""

from __future__ import annotations

import select
import socket
import struct
from typing import Final, Protocol

import trio

RECEIVE_BYTES: Final = 65536
"""The most that one read brings."""


# Not on every system; without it only a reset counts as having left.
_LEFT: Final = getattr(select, "POLLRDHUP", select.POLLHUP)


class ClientGone(OSError):
    """The client has left, or took no bytes for too long; nothing can be sent to it (ASGI 2.4, "send")."""


class Wire(Protocol):
    """What a connection needs of its transport."""

    async def read(self, seconds: float | None = None) -> bytes | None:
        """Wait for bytes; ``b""`` when the client will send no more.

        ``None`` after ``interrupt``, or when ``seconds`` have passed.

        Raises:
            ClientGone: If the connection was reset.
        """
        ...

    def interrupt(self) -> None:
        """Make a ``read`` that waits return ``None``; without one, nothing happens."""
        ...

    async def write(self, data: bytes) -> None:
        """Send everything; waits only while the client's side is full.

        Raises:
            ClientGone: If the connection is gone, or the client took nothing for the write limit.
        """
        ...

    def peer_left(self) -> bool:
        """Return whether the client has closed its side, as far as is known without waiting."""
        ...

    async def end(self) -> None:
        """Tell the client that nothing more will come; reading goes on."""
        ...

    async def close(self, *, reset: bool = False) -> None:
        """Close at once; ``reset`` makes the client see an error instead of an end."""
        ...


class SocketWire:
    """A connected stream socket, which this object owns from now on."""

    def __init__(self, stream: trio.SocketStream, *, write_idle: float) -> None:
        self._socket = socket.socket(fileno=stream.socket.detach())
        self._socket.setblocking(False)
        self._write_idle = write_idle
        self._hangup = select.poll()
        self._hangup.register(self._socket, _LEFT)

    @property
    def socket(self) -> socket.socket:
        """The socket itself, for its addresses and options."""
        return self._socket

    async def read(self, seconds: float | None = None) -> bytes | None:
        try:
            while True:
                if seconds is None:
                    await trio.lowlevel.wait_readable(self._socket)
                else:
                    with trio.move_on_after(seconds) as scope:
                        await trio.lowlevel.wait_readable(self._socket)
                    if scope.cancelled_caught:
                        return None
                try:
                    return self._socket.recv(RECEIVE_BYTES)
                except BlockingIOError:
                    continue
        except trio.ClosedResourceError:  # from notify_closing
            return None
        except OSError as error:
            raise ClientGone("the connection was reset") from error

    def interrupt(self) -> None:
        trio.lowlevel.notify_closing(self._socket)

    async def write(self, data: bytes) -> None:
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise ClientGone("the connection was closed by the client") from error
        if sent != len(data):
            await self._write_rest(memoryview(data)[sent:])

    async def _write_rest(self, rest: memoryview) -> None:
        while rest:
            with trio.move_on_after(self._write_idle) as scope:
                await trio.lowlevel.wait_writable(self._socket)
            if scope.cancelled_caught:
                raise ClientGone(f"the client took no bytes for {self._write_idle:g} seconds")
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ClientGone("the connection was closed by the client") from error

    def peer_left(self) -> bool:
        return bool(self._hangup.poll(0))

    async def end(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise ClientGone("the connection was closed by the client") from error

    async def close(self, *, reset: bool = False) -> None:
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()


class StreamWire:
    """Any trio stream: TLS, or memory in tests."""

    def __init__(self, stream: trio.abc.Stream, *, write_idle: float) -> None:
        self._stream = stream
        self._write_idle = write_idle
        self._waiting: trio.CancelScope | None = None

    async def read(self, seconds: float | None = None) -> bytes | None:
        try:
            with trio.CancelScope() as self._waiting:
                if seconds is not None:
                    self._waiting.deadline = trio.current_time() + seconds
                return bytes(await self._stream.receive_some(RECEIVE_BYTES))
            return None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ClientGone("the connection was reset") from error
        finally:
            self._waiting = None

    def interrupt(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    async def write(self, data: bytes) -> None:
        try:
            with trio.move_on_after(self._write_idle) as scope:
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ClientGone("the connection was closed by the client") from error
        if scope.cancelled_caught:
            raise ClientGone(f"the client took no bytes for {self._write_idle:g} seconds")

    def peer_left(self) -> bool:
        return False  # a stream cannot be looked into without reading from it

    async def end(self) -> None:
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            try:
                await self._stream.send_eof()
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ClientGone("the connection was closed by the client") from error

    async def close(self, *, reset: bool = False) -> None:  # noqa: ARG002  # a stream has one way to close
        await trio.aclose_forcefully(self._stream)
