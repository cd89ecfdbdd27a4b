"""From an origin to a connected wire: resolve, connect, TLS."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Final

import httpx
import trio

from aexl.core.http.upstream.deadlines import Deadlines
from aexl.core.http.upstream.failures import failure
from aexl.core.http.upstream.resolve import Address, Origin, Resolver, locate
from aexl.core.http.upstream.wire import PlainWire, StreamWire, Wire

_HEAD_START: Final = 0.25
"""Seconds between two attempts to connect; RFC 8305, section 5."""

_lock = threading.Lock()
_shared: list[ssl.SSLContext] = []


def new_context() -> ssl.SSLContext:
    """Return a context that verifies against the system's authorities, or httpx's where the system has none."""
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath):
        import certifi

        return ssl.create_default_context(cafile=certifi.where())
    return ssl.create_default_context()


def shared_context() -> ssl.SSLContext:
    """Return the one context of this process; the first call reads the authorities' files. For any thread."""
    with _lock:
        if not _shared:
            context = new_context()
            context.set_alpn_protocols(["http/1.1"])
            _shared.append(context)
        return _shared[0]


class Dialer:
    """Makes connections.

    Args:
        private: Servers on addresses that are not public are allowed.
        seconds: For resolving, connecting and TLS together.
        resolver: Who knows addresses.
        tls: Called in a thread for the first connection that needs it, and cheap from then on.
    """

    def __init__(
        self,
        *,
        private: bool,
        seconds: float,
        resolver: Resolver,
        deadlines: Deadlines,
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        self._private = private
        self._seconds = seconds
        self._resolver = resolver
        self._deadlines = deadlines
        self._tls = tls

    async def dial(self, origin: Origin, until: float) -> Wire:
        """Connect, at the latest until a time on trio's clock. If cancelled, nothing stays open.

        Raises:
            httpx.ConnectError: If that is not possible or not allowed.
            httpx.ConnectTimeout: If it takes too long.
            httpx.UnsupportedProtocol: If the scheme is not allowed.
        """
        with trio.CancelScope(deadline=min(trio.current_time() + self._seconds, until)):
            addresses = await locate(origin, private=self._private, resolver=self._resolver)
            try:
                connected = await connect(addresses)
            except OSError as error:
                message = f"{origin.host}:{origin.port} could not be reached: {error}"
                raise failure(httpx.ConnectError, message, sent=False) from error
            if origin.scheme == "http":
                return PlainWire(connected, self._deadlines)
            return await self._encrypt(connected, origin)
        message = f"{origin.host}:{origin.port} could not be reached in time ({self._seconds:g} seconds at most)"
        raise failure(httpx.ConnectTimeout, message, sent=False)

    async def _encrypt(self, connected: socket.socket, origin: Origin) -> Wire:
        transport = trio.SocketStream(trio.socket.from_stdlib_socket(connected))
        try:
            context = await trio.to_thread.run_sync(self._tls)
            stream = trio.SSLStream(transport, context, server_hostname=origin.host, https_compatible=True)
            await stream.do_handshake()
        except BaseException as error:
            transport.socket.close()
            if isinstance(error, trio.BrokenResourceError | OSError):
                message = f"{origin.host}:{origin.port} refused or failed TLS: {error.__cause__ or error}"
                raise failure(httpx.ConnectError, message, sent=False) from error
            raise
        return StreamWire(stream, transport.socket.close, connected.fileno())


async def connect(addresses: Sequence[Address]) -> socket.socket:
    """Return a connected, non-blocking socket to the first address that answers.

    Each address gets a short head start before the next is tried beside it.

    Raises:
        OSError: If none answers; the first address's error.
    """
    if len(addresses) == 1:
        return await _connect(addresses[0])
    race = _Race()
    try:
        await race.run(addresses)
    except BaseException:
        if race.winner is not None:
            race.winner.close()
        raise
    if race.winner is None:
        raise race.errors[0]
    return race.winner


class _Race:
    def __init__(self) -> None:
        self.winner: socket.socket | None = None
        self.errors: list[OSError] = []

    async def run(self, addresses: Sequence[Address]) -> None:
        async with trio.open_nursery() as nursery:
            for address in addresses:
                failed = trio.Event()
                nursery.start_soon(self._attempt, address, failed, nursery.cancel_scope)
                with trio.move_on_after(_HEAD_START):
                    await failed.wait()

    async def _attempt(self, address: Address, failed: trio.Event, scope: trio.CancelScope) -> None:
        try:
            connected = await _connect(address)
        except OSError as error:
            self.errors.append(error)
            failed.set()
            return
        if self.winner is None:
            self.winner = connected
            scope.cancel()
        else:
            connected.close()


async def _connect(address: Address) -> socket.socket:
    connecting = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = connecting.connect_ex(address.target)
        if code == errno.EINPROGRESS:
            await trio.lowlevel.wait_writable(connecting)
            code = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        trio.lowlevel.notify_closing(connecting)
        connecting.close()
        raise
    return connecting
