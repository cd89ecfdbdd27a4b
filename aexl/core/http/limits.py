"""What one HTTP server lets its clients take: bytes, time and connections."""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86400)]
Wait = Annotated[float, msgspec.Meta(ge=0.1, le=86400)]
"""Seconds for something that takes a moment even where all is well."""


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Every bound of the server for its clients. Sizes are bytes, times are seconds.

    A request that goes past a limit is refused with a status of its own and its
    connection is closed; nothing past the limit is buffered. Times that end the
    wait for the next request are checked a few times within each of them, so a
    connection may live up to a tenth (never more than a second) longer.
    """

    header_bytes: Count = 65536
    """Request line, headers and the empty line after them. nginx allows 32 KiB, h11 16 KiB; agents' headers carry
    tokens and trace baggage. 431 past it."""

    headers: Count = 100
    """Header lines of a request, and trailer lines of a chunked body. Apache's default. 431 past it."""

    target_bytes: Count = 16384
    """The request target. RFC 9112, section 3 asks for at least 8,000 for the whole line. 414 past it."""

    body_bytes: Count = 32 * 1024 * 1024
    """The body after chunked framing is taken off. What the providers accept: OpenAI about 50 MB with images,
    Anthropic 32 MB. 413 past it."""

    header_time: Wait = 10.0
    """From a connection's start, or a later request's first byte, to the end of its headers. 408 past it."""

    body_idle: Wait = 30.0
    """For the next bytes of a body, while the application waits for them. 408 past it."""

    body_rate: Annotated[int, msgspec.Meta(ge=0)] = 1024
    """Bytes per second that a body must bring on average once ``body_idle`` seconds were waited for it, so that one
    byte every 29 seconds does not hold a connection for years. 408 below it; 0 asks for nothing."""

    keep_alive: Wait = 75.0
    """For the next request on a kept connection. nginx's default; longer than the pools of common clients."""

    connections: Count = 1000
    """Open connections. The next one is answered with 503 and closed."""

    write_idle: Wait = 60.0
    """For a client to take any bytes of an answer. nginx's ``send_timeout``. The connection is cut past it."""

    linger: Seconds = 2.0
    """For which the server goes on discarding what a refused client still sends. A socket that is closed with unread
    bytes resets the connection, and the client would lose the answer that tells it why."""

    grace: Seconds = 30.0
    """From ``Server.drain`` to the cancellation of the requests that still run."""
