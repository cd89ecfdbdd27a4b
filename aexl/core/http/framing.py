"""Where an answer ends, and how the client is told. Pure: no loop, no sockets."""

from __future__ import annotations

from enum import Enum, auto

from aexl.core.http.response import STATUS_LINES, ResponseFields


class _Mode(Enum):
    BODILESS = auto()
    LENGTH = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


class ResponseFraming:
    """Turns an application's body messages into an answer's bytes, each message into one piece.

    Args:
        method: The request's.
        version: The request's HTTP version, ``1.0`` or ``1.1``.
        status: The answer's.
        fields: The answer's headers.

    Raises:
        ValueError: If the status is not a final one.
    """

    __slots__ = ("_fields", "_left", "_method", "_mode", "_status", "_status_line", "_version")

    def __init__(self, method: str, version: str, status: int, fields: ResponseFields) -> None:
        self._method = method
        self._version = version
        self._status = status
        self._status_line = STATUS_LINES[status]
        self._fields = fields
        self._left = 0
        self._mode = _Mode.LENGTH

    @property
    def until_close(self) -> bool:
        """Whether only the end of the connection tells the client where the answer ends."""
        return self._mode is _Mode.UNTIL_CLOSE

    def begin(self, body: bytes, more: bool, *, close: bool) -> bytes:
        """Return the head and the first message's bytes.

        Raises:
            RuntimeError: If the body does not fit the announced length.
        """
        fields = self._fields
        length = fields.length
        if self._method == "HEAD" or self._status in (204, 304):
            return self._begin_bodiless(body, more, close=close)
        if length is not None or not more:
            self._left = len(body) if length is None else length
            self._take(body, more)
            framing = b"\r\ncontent-length: %d" % (len(body) if length is None else length)
        elif self._version == "1.1":
            self._mode = _Mode.CHUNKED
            framing = b"\r\ntransfer-encoding: chunked"
            body = _chunk(body, more)
        else:
            self._mode = _Mode.UNTIL_CLOSE
            framing = b""
            close = True
        return b"%b%b%b%b\r\n\r\n%b" % (self._status_line, fields.lines, framing, self._connection(close), body)

    def go_on(self, body: bytes, more: bool) -> bytes:
        """Return a later message's bytes.

        Raises:
            RuntimeError: If the body does not fit the announced length.
        """
        match self._mode:
            case _Mode.CHUNKED:
                return _chunk(body, more)
            case _Mode.BODILESS:
                return b""
            case _Mode.LENGTH:
                self._take(body, more)
                return body
            case _Mode.UNTIL_CLOSE:
                return body

    def _begin_bodiless(self, body: bytes, more: bool, *, close: bool) -> bytes:
        self._mode = _Mode.BODILESS
        length = self._fields.length
        if length is None and self._method == "HEAD" and body and not more:
            length = len(body)  # the application answered as it answers GET
        # RFC 9110, 8.6: a 204 must not have one.
        framing = b"" if length is None or self._status == 204 else b"\r\ncontent-length: %d" % length
        return b"%b%b%b%b\r\n\r\n" % (self._status_line, self._fields.lines, framing, self._connection(close))

    def _connection(self, close: bool) -> bytes:
        if close:
            return b"\r\nconnection: close"
        return b"\r\nconnection: keep-alive" if self._version == "1.0" else b""

    def _take(self, body: bytes, more: bool) -> None:
        self._left -= len(body)
        if self._left < 0:
            raise RuntimeError(f"the body is {-self._left} bytes longer than its content-length")
        if self._left and not more:
            raise RuntimeError(f"the body is {self._left} bytes shorter than its content-length")


def _chunk(body: bytes, more: bool) -> bytes:
    if more:
        return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
