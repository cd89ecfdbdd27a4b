"""Read one request head: llhttp's strict grammar, then the checks that it leaves to its caller.

Pure: no loop, no sockets. llhttp sees one whole head at a time and nothing after
it, so its ideas of bodies, upgrades and kept connections never apply; those are
decided here, from the same headers that the application sees.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser

from aexl.core.http.limits import ServerLimits
from aexl.core.http.refusal import Refusal

CHUNKED: Final = -1
"""The ``length`` of a head whose body comes in chunks."""

# reg-name, IPv4 or bracketed IPv6 with an optional port (RFC 9110, 7.2); no userinfo, no empty name.
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9\-._~%!$&'()*+,;=]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Head(msgspec.Struct, frozen=True):
    """A request head that passed every check."""

    method: str
    path: bytes
    """The path as it was sent, percent-encoding kept; ``*`` for ``OPTIONS *``."""
    query: bytes
    version: str
    """``1.0`` or ``1.1``."""
    headers: list[tuple[bytes, bytes]]
    """Names in lower case, values without surrounding white space."""
    host: bytes
    origin: bytes | None
    length: int
    """The body's length: 0 for none, ``CHUNKED`` for one in chunks."""
    keep_alive: bool
    expects: bool
    """Whether the client waits for ``100 Continue`` before it sends the body."""


def parse_head(data: bytes, limits: ServerLimits) -> Head:
    """Read a head that ends with its empty line.

    Raises:
        Refusal: 400 for what is malformed or ambiguous, 413, 414 or 431 for what is too large, 417 for an unknown
            expectation, 501 for an unknown transfer coding or CONNECT, 505 for another HTTP version.
    """
    method, target, version = _split_request_line(data)
    try:
        return _read_head(data, method, target, version, limits)
    except Refusal as refusal:
        raise refusal.of(method, target) from None


def _read_head(data: bytes, method: str, target: bytes, version: str, limits: ServerLimits) -> Head:
    headers = _read_fields(data)
    if len(target) > limits.target_bytes:
        raise Refusal(414, "target_too_long", f"the request target is longer than {limits.target_bytes} bytes")
    if len(headers) > limits.headers:
        raise Refusal(431, "too_many_headers", f"the request has more than {limits.headers} headers")
    facts = _Facts(version)
    for name, value in headers:
        if name in _FACTS:
            _FACTS[name](facts, value)
    host = facts.host
    if host is None or _HOST.fullmatch(host) is None:
        raise _malformed("a request must have exactly one valid Host header")
    path, query = _split_target(method, target, host)
    return Head(
        method, path, query, version, headers, host, facts.origin,
        facts.body_length(limits), facts.keep_alive, facts.expects,
    )  # fmt: skip


def _malformed(problem: str) -> Refusal:
    return Refusal(400, "malformed_request", problem)


def _split_request_line(data: bytes) -> tuple[str, bytes, str]:
    lines = data.count(b"\r\n")
    if data.count(b"\n") != lines or data.count(b"\r") != lines:
        raise _malformed("lines must end with CRLF")
    words = data[: data.index(b"\r\n")].split(b" ")
    if len(words) != 3:
        raise _malformed("the request line must be a method, a target and a version, with one space between")
    method, target, version = words
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if re.fullmatch(rb"HTTP/[0-9]\.[0-9]", version):
            raise Refusal(505, "unsupported_version", "this server speaks HTTP/1.1 and HTTP/1.0")
        raise _malformed("the request line has no valid HTTP version")
    if method == b"CONNECT":
        raise Refusal(501, "unsupported_method", "this server is not a tunnel: CONNECT is not supported")
    return method.decode("latin-1"), target, version[5:].decode()


class _Fields:
    """What httptools calls for each header line."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines.append((name.lower(), value.rstrip(b" \t")))


def _read_fields(data: bytes) -> list[tuple[bytes, bytes]]:
    fields = _Fields()
    try:
        HttpRequestParser(fields).feed_data(data)
    except HttpParserUpgrade:
        # llhttp stops here to let another protocol in. There is none: an application may refuse the upgrade, and the
        # connection goes on with HTTP/1.1 (RFC 9110, 7.8).
        pass
    except HttpParserInvalidMethodError:
        raise _malformed("the request line has no valid method") from None
    except HttpParserError as error:
        if str(error) == "Request has invalid `Transfer-Encoding`":
            raise _malformed("the last transfer coding of a request must be chunked") from None
        raise _malformed(f"the request is not valid HTTP/1.1: {error}") from None
    return fields.lines


class _Facts:
    """What the headers say about the message itself."""

    __slots__ = ("_close", "_keep", "chunked", "expects", "host", "length", "origin", "version")

    def __init__(self, version: str) -> None:
        self.version = version
        self.host: bytes | None = None
        self.origin: bytes | None = None
        self.length: int | None = None
        self.chunked = False
        self.expects = False
        self._close = False
        self._keep = version == "1.1"

    @property
    def keep_alive(self) -> bool:
        return self._keep and not self._close

    def body_length(self, limits: ServerLimits) -> int:
        if self.chunked:
            if self.length is not None:
                raise _malformed("a request must not have both Content-Length and Transfer-Encoding")
            return CHUNKED
        length = self.length or 0
        if length > limits.body_bytes:
            raise body_too_large(limits)
        return length

    def see_host(self, value: bytes) -> None:
        if self.host is not None:
            raise _malformed("a request must have exactly one valid Host header")
        self.host = value

    def see_origin(self, value: bytes) -> None:
        # Two origins are an origin that no rule allows.
        self.origin = value if self.origin is None else self.origin + b", " + value

    def see_length(self, value: bytes) -> None:
        # 18 digits are more than any limit, and few enough for int() to be instant.
        if self.length is not None or not value.isdigit() or len(value) > 18:
            raise _malformed("Content-Length must be one number")
        self.length = int(value)

    def see_transfer_encoding(self, value: bytes) -> None:
        if self.version == "1.0":
            raise _malformed("HTTP/1.0 has no transfer codings")
        if self.chunked:
            raise _malformed("a request must have one Transfer-Encoding header")
        if value.lower() != b"chunked":
            raise Refusal(501, "unsupported_coding", "the only transfer coding that this server knows is chunked")
        self.chunked = True

    def see_connection(self, value: bytes) -> None:
        tokens = [token.strip(b" \t") for token in value.lower().split(b",")]
        self._close = self._close or b"close" in tokens
        self._keep = self._keep or b"keep-alive" in tokens

    def see_expect(self, value: bytes) -> None:
        if value.lower() != b"100-continue":
            raise Refusal(417, "unknown_expectation", "the only expectation that this server knows is 100-continue")
        self.expects = self.version != "1.0"


_FACTS: Final = {
    b"host": _Facts.see_host,
    b"origin": _Facts.see_origin,
    b"content-length": _Facts.see_length,
    b"transfer-encoding": _Facts.see_transfer_encoding,
    b"connection": _Facts.see_connection,
    b"expect": _Facts.see_expect,
}


def body_too_large(limits: ServerLimits) -> Refusal:
    """Return the refusal of a body that is, or says it will be, longer than the limit."""
    return Refusal(413, "body_too_large", f"the request body is longer than {limits.body_bytes} bytes")


def _split_target(method: str, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    if target[:1] == b"/":
        rest = target
    elif target == b"*":
        if method != "OPTIONS":
            raise _malformed("only OPTIONS can ask for *")
        return target, b""
    else:
        rest = _strip_authority(target, host)
    if b"#" in rest or not rest.isascii():
        raise _malformed("a request target must not have a fragment or bytes that are not ASCII")
    path, _, query = rest.partition(b"?")
    return path, query


def _strip_authority(target: bytes, host: bytes) -> bytes:
    scheme, _, rest = target.partition(b"://")
    if scheme.lower() not in (b"http", b"https"):
        raise _malformed("a request target must be a path or an http URL")
    end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    # RFC 9112, 3.2.2 lets the target win. Two different names for one request are how rules are walked around.
    if rest[:end].lower() != host.lower():
        raise _malformed("the request target and the Host header name different hosts")
    rest = rest[end:]
    return rest if rest[:1] == b"/" else b"/" + rest
