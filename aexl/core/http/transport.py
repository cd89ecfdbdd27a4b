"""The way to the upstreams: an ``httpx`` transport of our own.

Plain HTTP/1.1, directly, is ours, because httpx's own costs twenty times as much at
the concurrency a proxy has. Where HTTP/2 or a proxy is asked for, httpx's stands in.
Redirects are never followed, and nothing is sent twice unless provably nothing was
sent. ``request.extensions`` are not looked at: the timeouts are those of ``Upstream``.

Every exception raised here is one of httpx's; ``getattr(error, "sent", True)`` says
whether bytes of the request may have left.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import httpx
import trio

from aexl.api import Arriving, Headers, Upstream
from aexl.core.http.upstream.deadlines import Deadlines
from aexl.core.http.upstream.dial import Dialer, new_context, shared_context
from aexl.core.http.upstream.exchange import Body, Exchange, Times, Unsent
from aexl.core.http.upstream.failures import failure
from aexl.core.http.upstream.head import encode, frame
from aexl.core.http.upstream.pool import Pool
from aexl.core.http.upstream.proxies import proxy_for
from aexl.core.http.upstream.resolve import Origin, Resolver, check_scheme, resolve
from aexl.core.http.upstream.standin import StandIn

_ORIGINS: Final = 256
"""So many origins are remembered before those without a connection are forgotten."""

_EXTENSIONS: Final = {"http_version": b"HTTP/1.1"}

_PORTS: Final = {b"http": 80, b"https": 443}


def make_transport(upstream: Upstream, *, resolver: Resolver = resolve) -> httpx.AsyncBaseTransport:
    """Return a transport with pools of its own. Does not wait, and needs no running loop.

    Args:
        resolver: Who knows the addresses of hosts.
    """
    return Transport(upstream, resolver=resolver)


class Transport(httpx.AsyncBaseTransport):
    """Sends requests, each over a connection of its origin's pool.

    The answer's headers have names in lower case and are in the order received; its
    body is as it came, ``content-encoding`` included, and is read from the upstream
    only as fast as it is iterated. Whoever got an answer must read it to the end or
    close it.

    Args:
        resolver: Who knows the addresses of hosts.
        tls: Makes contexts for TLS, in a thread; without it, one context of this process is used.
        environ: Where proxies are looked up, if ``upstream.trust_env``.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        resolver: Resolver = resolve,
        tls: Callable[[], ssl.SSLContext] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._upstream = upstream
        self._resolver = resolver
        self._environ = environ
        self._tls = tls or new_context
        self._dialer = Dialer(
            private=upstream.private,
            seconds=upstream.connect,
            resolver=resolver,
            deadlines=Deadlines(),
            tls=tls or shared_context,
        )
        self._pools: dict[tuple[bytes, bytes, int | None], Pool | StandIn] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer when its head has come.

        If cancelled, the connection is closed.

        Raises:
            httpx.TransportError: If there is no answer; see the module.
        """
        pool = self._pool(request.url)
        until = trio.current_time() + self._upstream.total
        if isinstance(pool, StandIn):
            return await pool.send(request, until)
        try:
            head, body = frame(request)
            status, headers, stream = await self._send(pool, head, body, until, bodyless=request.method == "HEAD")
        except httpx.TransportError as error:
            error.request = request
            raise
        return httpx.Response(status, headers=headers, stream=stream, extensions=_EXTENSIONS)

    async def exchange(self, method: str, url: httpx.URL, headers: Headers, body: bytes) -> Arriving:
        """Do the same without httpx's objects; see ``aexl.api.Direct``."""
        pool = self._pool(url)
        until = trio.current_time() + self._upstream.total
        if isinstance(pool, StandIn):
            answer = await pool.send(httpx.Request(method, url, headers=headers, content=body), until)
            assert isinstance(answer.stream, httpx.AsyncByteStream), "it was asked for in a loop"
            return Arriving(answer.status_code, answer.headers.raw, answer.stream)
        head = encode(method, url, headers, len(body))
        return await self._send(pool, head, Body(body, None, len(body)), until, bodyless=method == "HEAD")

    async def _send(self, pool: Pool, head: bytes, body: Body, until: float, *, bodyless: bool) -> Arriving:
        times = Times(self._upstream.first_byte, self._upstream.idle, until)
        while True:
            connection = pool.take() or await pool.acquire(until)
            try:
                return await Exchange(pool, connection, times).run(head, body, bodyless=bodyless)
            except Unsent:
                continue  # each time with one idle connection less

    def _pool(self, url: httpx.URL) -> Pool | StandIn:
        key = (url.raw_scheme, url.raw_host, url.port)
        return self._pools.get(key) or self._remember(key)

    async def aclose(self) -> None:
        """Close every connection, also those in use; who waits for one gets an error."""
        self._closed = True
        for pool in self._pools.values():
            if isinstance(pool, StandIn):
                await pool.aclose()
            else:
                pool.close()

    def _remember(self, key: tuple[bytes, bytes, int | None]) -> Pool | StandIn:
        if self._closed:
            raise failure(httpx.ConnectError, "the transport has been closed", sent=False)
        scheme, host, port = key
        origin = Origin(scheme.decode(), host.decode(), port or _PORTS.get(scheme, 0))
        check_scheme(origin, private=self._upstream.private)
        if len(self._pools) >= _ORIGINS:
            self._pools = {
                key: pool for key, pool in self._pools.items() if isinstance(pool, StandIn) or not pool.is_empty
            }
        made = self._pools[key] = self._make(origin)
        return made

    def _make(self, origin: Origin) -> Pool | StandIn:
        upstream = self._upstream
        proxy = None
        if upstream.trust_env:
            proxy = proxy_for(origin.scheme, origin.host, origin.port, self._environ)
        if proxy is not None or upstream.http2:
            return StandIn(origin, upstream, proxy=proxy, resolver=self._resolver, tls=self._tls)
        return Pool(partial(self._dialer.dial, origin), upstream.connections)
