"""httpx's own transport, where a proxy or HTTP/2 is asked for, under our rules.

Slower than ours by an order of magnitude, and used for what ours does not do. The
addresses are judged here as well, and the timeouts are ours: httpx's own count each
read alike and know of no total.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable

import httpx
import trio

from aexl.api import Upstream
from aexl.core.http.upstream.addresses import is_loopback
from aexl.core.http.upstream.failures import failure
from aexl.core.http.upstream.head import body_of, frame_headers
from aexl.core.http.upstream.pool import KEEP_SECONDS
from aexl.core.http.upstream.resolve import Origin, Resolver, check_address, check_scheme, locate


class StandIn:
    """Speaks to one origin through httpx's transport.

    Args:
        proxy: The URL of the proxy to go through; it resolves names, so only
            addresses given as numbers can be judged here.
        tls: Makes a context of its own, which httpx changes; called in a thread.
    """

    def __init__(
        self,
        origin: Origin,
        upstream: Upstream,
        *,
        proxy: str | None,
        resolver: Resolver,
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        self._origin = origin
        self._upstream = upstream
        self._proxy = proxy
        self._resolver = resolver
        self._tls = tls
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def send(self, request: httpx.Request, until: float) -> httpx.Response:
        """Send a request; ``until`` is when the whole exchange must have ended, on trio's clock.

        Raises:
            httpx.TransportError: As httpx does; with ``sent`` where nothing can have been sent.
        """
        upstream = self._upstream
        if self._transport is None:
            self._start(await trio.to_thread.run_sync(self._tls))
        transport = self._transport
        assert transport is not None
        request = await self._aimed(request)
        wait = upstream.connect + upstream.first_byte  # httpx does not say when it has connected
        with trio.CancelScope(deadline=min(trio.current_time() + wait, until)):
            try:
                response = await transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
                raise failure(type(error), str(error), sent=False, request=request) from error
            assert isinstance(response.stream, httpx.AsyncByteStream)
            stream = _Timed(response.stream, upstream.idle, until)
            extensions = {"http_version": response.extensions.get("http_version", b"HTTP/1.1")}
            headers = [(name.lower(), value) for name, value in response.headers.raw]
            return httpx.Response(response.status_code, headers=headers, stream=stream, extensions=extensions)
        raise failure(httpx.ReadTimeout, f"no answer within {wait:g} seconds", sent=True, request=request)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._transport is not None:
            await self._transport.aclose()

    def _start(self, context: ssl.SSLContext) -> None:
        if self._transport is not None:
            return  # another request was quicker
        upstream = self._upstream
        self._transport = httpx.AsyncHTTPTransport(
            verify=context,
            trust_env=False,
            http2=upstream.http2,
            limits=httpx.Limits(max_connections=upstream.connections, keepalive_expiry=KEEP_SECONDS),
            proxy=self._proxy,
        )

    async def _aimed(self, request: httpx.Request) -> httpx.Request:
        """Return the request with our timeouts, and the address that was judged in its URL."""
        origin, upstream = self._origin, self._upstream
        url = request.url
        extensions: dict[str, object] = {
            "timeout": {"connect": upstream.connect, "read": None, "write": upstream.idle, "pool": upstream.total}
        }
        if self._proxy is not None:
            self._check_numbers()
        else:
            with trio.move_on_after(upstream.connect) as scope:
                addresses = await locate(origin, private=upstream.private, resolver=self._resolver)
            if scope.cancelled_caught:
                raise failure(httpx.ConnectTimeout, f"{origin.host} was not resolved in time", sent=False)
            host, port = addresses[0].target[:2]
            url = url.copy_with(host=host, port=port)
            extensions["sni_hostname"] = origin.host
        data, body = body_of(request)
        raw = request.headers.raw
        added, _ = frame_headers(request, raw, len(data), body is not None)
        return httpx.Request(request.method, url, headers=[*added, *raw], stream=request.stream, extensions=extensions)

    def _check_numbers(self) -> None:
        origin = self._origin
        check_scheme(origin, private=self._upstream.private)
        if self._upstream.private:
            return
        try:
            ipaddress.ip_address(origin.host)
        except ValueError:
            if is_loopback(origin.host):
                check_address(origin.host, "127.0.0.1")
        else:
            check_address(origin.host, origin.host)


class _Timed(httpx.AsyncByteStream):
    """A body whose pieces must come in time."""

    def __init__(self, stream: httpx.AsyncByteStream, idle: float, until: float) -> None:
        self._stream = stream
        self._pieces = stream.__aiter__()
        self._idle = idle
        self._until = until

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with trio.CancelScope(deadline=min(trio.current_time() + self._idle, self._until)):
            piece = await anext(self._pieces, None)
            if piece is None:
                await self._stream.aclose()  # without it, httpx would not use the connection again
                raise StopAsyncIteration
            return piece
        raise failure(httpx.ReadTimeout, f"nothing more came within {self._idle:g} seconds", sent=True)

    async def aclose(self) -> None:
        await self._stream.aclose()
