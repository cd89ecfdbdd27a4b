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
from typing import Final, NamedTuple

import httpx
import trio

from aexl.api import Arriving, Headers, Upstream
from aexl.core.http.upstream.deadlines import Deadlines
from aexl.core.http.upstream.dial import Dialer, new_context, shared_context
from aexl.core.http.upstream.exchange import Exchange
from aexl.core.http.upstream.failures import failure
from aexl.core.http.upstream.head import complete, encode, frame
from aexl.core.http.upstream.pool import Pool
from aexl.core.http.upstream.proxies import proxy_for
from aexl.core.http.upstream.resolve import Origin, Resolver, check_scheme, resolve
from aexl.core.http.upstream.standin import StandIn

_ORIGINS: Final = 256
"""So many origins are remembered before those without a connection are forgotten."""

HEADS: Final = 128
"""So many heads are remembered before all of them are forgotten."""

LONGEST: Final = 4096
"""Bytes of a head that is remembered."""

_EXTENSIONS: Final = {"http_version": b"HTTP/1.1"}

_PORTS: Final = {b"http": 80, b"https": 443}


def make_transport(upstream: Upstream, *, resolver: Resolver = resolve) -> httpx.AsyncBaseTransport:
    """Return a transport with pools of its own. Does not wait, and needs no running loop.

    Args:
        resolver: Who knows the addresses of hosts.
    """
    return Transport(upstream, resolver=resolver)


class _Known(NamedTuple):
    """Where a request goes, and its head as far as it does not depend on the body."""

    url: httpx.URL  # kept, so that its identity stays its own
    pool: Pool | StandIn
    head: bytes


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
        # By method, identity of the URL (httpx makes text of one to compare it) and headers: one client's are alike.
        self._known: dict[tuple[str, int, Headers], _Known] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer when its head has come.

        If cancelled, the connection is closed.

        Raises:
            httpx.TransportError: If there is no answer; see the module.
        """
        pool = self._pool(request.url)
        if isinstance(pool, StandIn):
            return await pool.send(request, trio.current_time() + self._upstream.total)
        try:
            start, body = frame(request)
            status, headers, stream = await Exchange(pool, self._upstream).run(
                start, body, bodyless=request.method == "HEAD"
            )
        except httpx.TransportError as error:
            error.request = request
            raise
        return httpx.Response(status, headers=headers, stream=stream, extensions=_EXTENSIONS)

    async def exchange(self, method: str, url: httpx.URL, headers: Headers, body: bytes) -> Arriving:
        """Do the same without httpx's objects; see ``aexl.api.Direct``."""
        key = method, id(url), tuple(headers)
        _, pool, head = self._known.get(key) or self._note(key, url)
        if isinstance(pool, StandIn):
            request = httpx.Request(method, url, headers=headers, content=body)
            answer = await pool.send(request, trio.current_time() + self._upstream.total)
            assert isinstance(answer.stream, httpx.AsyncByteStream), "it was asked for in a loop"
            return Arriving(answer.status_code, answer.headers.raw, answer.stream)
        start, rest = complete(head, method, body)
        return await Exchange(pool, self._upstream).run(start, rest, bodyless=method == "HEAD")

    def _note(self, key: tuple[str, int, Headers], url: httpx.URL) -> _Known:
        method, _, headers = key
        known = _Known(url, self._pool(url), encode(method, url, headers))
        if len(known.head) <= LONGEST:
            if len(self._known) >= HEADS:
                self._known.clear()
            self._known[key] = known
        return known

    def _pool(self, url: httpx.URL) -> Pool | StandIn:
        key = (url.raw_scheme, url.raw_host, url.port)
        return self._pools.get(key) or self._remember(key)

    async def aclose(self) -> None:
        """Close every connection, also those in use; who waits for one gets an error."""
        self._closed = True
        self._known.clear()
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
            self._known.clear()
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
