"""The bytes of one upstream connection, with deadlines, closed without waiting.

``PlainWire`` talks to the socket itself: what trio's own stream adds (a checkpoint for
each send, a scope for each deadline) is most of what a small exchange costs.
``StreamWire`` is for everything else: TLS, and memory in tests.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Final, Protocol

import trio

from aexl.core.http.upstream.deadlines import Deadlines
from aexl.core.http.upstream.eagerness import Eagerness

PIECE: Final = 65536
"""The most bytes of one read."""


class Broken(Exception):
    """The connection is gone; says how."""


class Expired(Exception):
    """A deadline came before the bytes did."""


class Wire(Protocol):
    """One connection. Times are of trio's clock, durations in seconds.

    Attributes:
        wrote: Whether anything was handed to the network since this was last set to ``False``.
    """

    wrote: bool

    def send_now(self, data: bytes) -> int:
        """Send what can be sent without waiting, perhaps nothing; return how many bytes that were.

        Raises:
            Broken: If the connection is gone.
        """
        ...

    async def send(self, data: bytes, stall: float, until: float) -> None:
        """Send all of ``data``; no progress for ``stall`` seconds, or ``until``, ends it. Not always a checkpoint.

        Raises:
            Broken: If the connection is gone.
            Expired: If a deadline came.
        """
        ...

    async def receive(self, until: float) -> bytes:
        """Return what one read gives, at most ``PIECE`` bytes; nothing at the end. Always a checkpoint.

        Raises:
            Broken: If the connection is gone.
            Expired: If ``until`` came.
        """
        ...

    def is_quiet(self) -> bool:
        """Say whether an idle connection is as it was left: open, and nothing came."""
        ...

    def close(self) -> None:
        """Close at once; whoever waits gets ``Broken``. May be called again."""
        ...


class PlainWire:
    """A connected, non-blocking socket."""

    __slots__ = ("_closed", "_deadlines", "_eagerness", "_expired", "_fd", "_poll", "_socket", "wrote")

    def __init__(self, connected: socket.socket, deadlines: Deadlines) -> None:
        self._socket = connected
        self._fd = connected.fileno()
        self._deadlines = deadlines
        self._poll = _poll(self._fd)
        self._eagerness = Eagerness()
        self._expired = False
        self._closed = False
        self.wrote = False

    def send_now(self, data: bytes | memoryview) -> int:
        try:
            count = self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise Broken(str(error)) from error
        self.wrote = self.wrote or count > 0
        return count

    async def send(self, data: bytes, stall: float, until: float) -> None:
        rest = memoryview(data)
        while not self._closed:
            count = self.send_now(rest)
            if count == len(rest):
                return
            rest = rest[count:]
            self._deadlines.arm(self, min(trio.current_time() + stall, until))
            try:
                await trio.lowlevel.wait_writable(self._fd)
            except trio.ClosedResourceError:
                break
            finally:
                self._deadlines.waiting.pop(self, None)
            if self._expired:
                break
        raise self._ended()

    async def receive(self, until: float) -> bytes:
        if self._eagerness.wants():
            await trio.lowlevel.checkpoint()
            if not self._closed and (data := self._take()) is not None:
                self._eagerness.succeed()
                return data
            self._eagerness.fail()
        deadlines = self._deadlines
        while not self._closed:
            deadlines.arm(self, until)
            try:
                await trio.lowlevel.wait_readable(self._fd)
            except trio.ClosedResourceError:
                break
            finally:
                deadlines.waiting.pop(self, None)
            if self._expired:
                break
            if (data := self._take()) is not None:  # else it was another wake-up than ours
                return data
        raise self._ended()

    def _take(self) -> bytes | None:
        """Return what has come; nothing at the end, ``None`` if nothing has come yet."""
        try:
            return self._socket.recv(PIECE)
        except BlockingIOError:
            return None
        except OSError as error:
            raise Broken(str(error)) from error

    def is_quiet(self) -> bool:
        return not self._closed and not self._poll.poll(0)

    def expire(self) -> None:
        if not self._closed:  # else the number may be another socket's by now
            self._expired = True
            trio.lowlevel.notify_closing(self._fd)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            trio.lowlevel.notify_closing(self._fd)
            self._socket.close()

    def _ended(self) -> Exception:
        return Expired() if self._expired else Broken("the connection was closed by this side")


class StreamWire:
    """A trio stream.

    Args:
        stream: To send on and receive from.
        close: Closes what is below the stream, without waiting.
        fileno: The socket below it, if there is one.
    """

    __slots__ = ("_close", "_closed", "_poll", "_stream", "wrote")

    def __init__(self, stream: trio.abc.Stream, close: Callable[[], object], fileno: int | None = None) -> None:
        self._stream = stream
        self._close = close
        self._closed = False
        self._poll = None if fileno is None else _poll(fileno)
        self.wrote = False

    def send_now(self, data: bytes) -> int:  # noqa: ARG002 - a stream of trio's cannot be tried
        return 0

    async def send(self, data: bytes, stall: float, until: float) -> None:
        rest = memoryview(data)
        while rest:  # in pieces, so that each is progress
            with trio.CancelScope(deadline=min(trio.current_time() + stall, until)) as scope:
                self.wrote = True
                try:
                    await self._stream.send_all(rest[:PIECE])
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    raise Broken(_reason(error)) from error
            if scope.cancelled_caught:
                raise Expired
            rest = rest[PIECE:]

    async def receive(self, until: float) -> bytes:
        with trio.CancelScope(deadline=until):
            try:
                return bytes(await self._stream.receive_some(PIECE))
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise Broken(_reason(error)) from error
        raise Expired

    def is_quiet(self) -> bool:
        return not self._closed and (self._poll is None or not self._poll.poll(0))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._close()


def _poll(fileno: int) -> select.poll:
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return poll


def _reason(error: Exception) -> str:
    return str(error.__cause__ or error) or type(error).__name__
