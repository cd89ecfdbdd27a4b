"""A request's head as bytes, and how its body is framed."""

from __future__ import annotations

import httpx

from aexl.core.http.upstream.exchange import Body
from aexl.core.http.upstream.failures import failure


def body_of(request: httpx.Request) -> tuple[bytes, httpx.AsyncByteStream | None]:
    """Return a request's body: as bytes where they are all there, else as a stream."""
    stream = request.stream
    if isinstance(stream, httpx.ByteStream):
        return b"".join(stream), None
    assert isinstance(stream, httpx.AsyncByteStream), "the request must have an asynchronous body"
    return b"", stream


def frame(request: httpx.Request) -> tuple[bytes, Body]:
    """Return what goes on the wire.

    Headers go out as the request has them. Where it has none of them, ``host`` and
    what frames the body are added.

    Raises:
        httpx.LocalProtocolError: If a header or the target has a line break in it, or
            the body is not framed as the headers say.
    """
    data, stream = body_of(request)
    raw = request.headers.raw
    names = {name.lower(): value for name, value in raw}
    url = request.url
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), url.raw_path)]
    if b"host" not in names:
        lines.append(b"Host: " + url.netloc)
    lines += [b"%b: %b" % header for header in raw]
    length = _length(request, names, len(data), stream is not None)
    if length is None:
        if b"transfer-encoding" not in names:
            lines.append(b"Transfer-Encoding: chunked")
        if stream is None:
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
    elif b"content-length" not in names and (length or request.method in {"POST", "PUT", "PATCH"}):
        lines.append(b"Content-Length: %d" % length)
    breaks = len(lines) + 1
    lines += (b"", b"")
    head = b"\r\n".join(lines)
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise failure(
            httpx.LocalProtocolError, "a header of the request has a line break in it", sent=False, request=request
        )
    return head, Body(data, None if stream is None else stream.__aiter__(), length)


def _length(request: httpx.Request, names: dict[bytes, bytes], size: int, streams: bool) -> int | None:
    """Return how long the body is, ``None`` where it goes out in chunks."""
    stated = names.get(b"content-length")
    coding = names.get(b"transfer-encoding")
    if coding is not None:
        if stated is not None or coding.lower() != b"chunked":
            raise failure(
                httpx.LocalProtocolError, "the request's body is framed in two ways", sent=False, request=request
            )
        return None
    if stated is None:
        return None if streams else size
    if not stated.isdigit() or (not streams and int(stated) != size):
        message = "the request's body is not as long as its content-length says"
        raise failure(httpx.LocalProtocolError, message, sent=False, request=request)
    return int(stated)
