"""A request's head as bytes, and how its body is framed."""

from __future__ import annotations

from typing import Final, TypeAlias

import httpx

from aexl.api import Headers
from aexl.core.http.upstream.exchange import Body
from aexl.core.http.upstream.failures import failure

Raw: TypeAlias = list[tuple[bytes, bytes]]

_COLON: Final = b": "
_JOINED: Final = 65536
"""Up to so many bytes, a body goes out in one write with its head."""

_ONCE: Final = (b"host", b"content-length", b"transfer-encoding")
_BODIED: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods that say the length of their body even if it is empty; RFC 9110, section 8.6."""


def body_of(request: httpx.Request) -> tuple[bytes, httpx.AsyncByteStream | None]:
    """Return a request's body: as bytes where they are all there, else as a stream."""
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        return b"".join(stream), None
    assert isinstance(stream, httpx.AsyncByteStream), "the request must have an asynchronous body"
    return b"", stream


def frame(request: httpx.Request) -> tuple[bytes, Body | None]:
    """Return what goes on the wire: the head, joined with the body where there is nothing else.

    Headers go out as the request has them. Where it has none of them, ``host`` and
    what frames the body are added.

    Raises:
        httpx.LocalProtocolError: If a header or the target has a line break in it, or
            the body is not framed as the headers say.
    """
    data, stream = body_of(request)
    raw = request.headers.raw
    added, length = frame_headers(request, raw, len(data), stream is not None)
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += map(_COLON.join, added)
    lines += map(_COLON.join, raw)
    breaks = len(lines) + 1
    lines += (b"", b"")
    head = b"\r\n".join(lines)
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        message = "a header of the request has a line break in it"
        raise failure(httpx.LocalProtocolError, message, sent=False, request=request)
    if length is None and stream is None:
        data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
    if stream is None:
        return join(head, data)
    return head, Body(b"", stream.__aiter__(), length)


def join(head: bytes, data: bytes) -> tuple[bytes, Body | None]:
    """Return a head with its body, and apart from it what is too long for that."""
    if len(data) <= _JOINED:
        return head + data, None
    return head, Body(data, None, len(data))


def encode(method: str, url: httpx.URL, headers: Headers) -> bytes:
    """Return the head of a request up to what frames its body, which its headers neither do nor name the host.

    Raises:
        httpx.LocalProtocolError: If one has a line break in it, or does so all the same.
    """
    lines = [b"%b %b HTTP/1.1\r\nhost: %b" % (method.encode("ascii"), url.raw_path, url.netloc)]
    lines += map(_COLON.join, headers)
    breaks = len(lines) + 1
    lines.append(b"")
    head = b"\r\n".join(lines)
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise failure(httpx.LocalProtocolError, "a header of the request has a line break in it", sent=False)
    names = head.lower()
    if names.count(b"\nhost:") != 1 or b"\ncontent-length:" in names or b"\ntransfer-encoding:" in names:
        raise failure(httpx.LocalProtocolError, "a header of the request frames its body", sent=False)
    return head


def complete(head: bytes, method: str, data: bytes) -> tuple[bytes, Body | None]:
    """Return what goes on the wire: what ``encode`` returned, the length of the body, and the body."""
    if not data and method not in _BODIED:
        return head + b"\r\n", None
    return join(b"%bcontent-length: %d\r\n\r\n" % (head, len(data)), data)


def frame_headers(request: httpx.Request, raw: Raw, size: int, streams: bool) -> tuple[Raw, int | None]:
    """Return the headers that must be added, and the body's length; ``None`` if it goes out in chunks.

    Args:
        raw: The request's headers.
        size: The body's length, unless it ``streams``.

    Raises:
        httpx.LocalProtocolError: If the body is not framed as the headers say.
    """
    names = {name.lower(): value for name, value in raw}
    if len(names) < len(raw) and any(sum(name.lower() == once for name, _ in raw) > 1 for once in _ONCE):
        raise _misframed(request, "the request has a header twice that frames it")
    added: Raw = [] if b"host" in names else [(b"Host", request.url.netloc)]
    stated = names.get(b"content-length")
    coding = names.get(b"transfer-encoding")
    if coding is not None:
        if stated is not None or coding.lower() != b"chunked":
            raise _misframed(request, "the request's body is framed in two ways")
        return added, None
    if stated is not None:
        if not stated.isdigit() or (not streams and int(stated) != size):
            raise _misframed(request, "the request's body is not as long as its content-length says")
        return added, int(stated)
    if streams:
        added.append((b"Transfer-Encoding", b"chunked"))
        return added, None
    if size or request.method in _BODIED:
        added.append((b"Content-Length", b"%d" % size))
    return added, size


def _misframed(request: httpx.Request, message: str) -> httpx.LocalProtocolError:
    return failure(httpx.LocalProtocolError, message, sent=False, request=request)
