"""Cut a connection's bytes into requests. Pure: no loop, no sockets.

The same bytes give the same requests and the same refusals however they are cut
into pieces. A refusal ends the connection: nothing is read after it.
"""

from __future__ import annotations

import re
from typing import Final

from aexl.core.http.chunked import ChunkedBody
from aexl.core.http.head import CHUNKED, Head
from aexl.core.http.limits import ServerLimits
from aexl.core.http.refusal import Refusal
from aexl.core.http.repeats import Repeats

_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_BLANK_LINES: Final = 4  # before a request; RFC 9112, 2.2 asks to ignore at least one


class RequestReader:
    """Bytes in, heads and body pieces out.

    Holds what one ``feed`` brought beyond an incomplete head, so its caller bounds
    it by not feeding while ``buffered`` is not zero.
    """

    __slots__ = ("_at", "_blank_lines", "_chunks", "_data", "_heads", "_left", "_limits", "_scanned")

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._heads = Repeats(limits)
        self._data = b""
        self._at = 0
        self._scanned = 0
        self._blank_lines = 0
        self._left = 0
        self._chunks: ChunkedBody | None = None

    @property
    def buffered(self) -> int:
        """The bytes that were fed and not yet given out."""
        return len(self._data) - self._at

    @property
    def body_ended(self) -> bool:
        """Whether the whole body of the last head was given out."""
        return not self._left and self._chunks is None

    def body_fits(self, size: int) -> bool:
        """Whether the rest of the body is known to be at most ``size`` bytes."""
        return self._chunks is None and self._left <= size

    def feed(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._at == len(self._data):
            self._data = data
            self._scanned = 0
        else:
            self._data = self._data[self._at :] + data
            self._scanned = max(0, self._scanned - self._at)
        self._at = 0

    def next_head(self) -> Head | None:
        """Return the next request's head, or ``None`` when more bytes are needed.

        Call it only when ``body_ended``.

        Raises:
            Refusal: See ``parse_head``; also 431 or 414 as soon as a head without an end has reached the limit.
        """
        if self._at == len(self._data):
            self._data = b""  # an idle connection keeps no body
            self._at = self._scanned = 0
            return None
        if not self._skip_blank_lines():
            return None
        data, at, limit = self._data, self._at, self._limits.header_bytes
        end = data.find(b"\r\n\r\n", max(at, self._scanned - 3), at + limit)
        if end < 0:
            self._check_partial_head()
            return None
        head = self._heads.read(data[at : end + 4])
        self._at = end + 4
        self._scanned = self._blank_lines = 0
        if head.length == CHUNKED:
            self._chunks = ChunkedBody(self._limits)
        else:
            self._left = head.length
        return head

    def next_body(self) -> bytes:
        """Return what has arrived of the body; empty when more bytes are needed, or it has ended.

        Raises:
            Refusal: See ``ChunkedBody.decode``.
        """
        if self._chunks is not None:
            piece, self._at = self._chunks.decode(self._data, self._at)
            if self._chunks.done:
                self._chunks = None
            return piece
        at = self._at
        piece = self._data[at : at + self._left]
        self._at = at + len(piece)
        self._left -= len(piece)
        return piece

    def _skip_blank_lines(self) -> bool:
        """Go to a request's first byte; return whether there is one."""
        data = self._data
        while self._at < len(data):
            if 65 <= data[self._at] <= 90:  # A to Z, which every method begins with
                return True
            start = data[self._at : self._at + 2]
            if start == b"\r":
                return False
            self._blank_lines += 1
            if start != b"\r\n" or self._blank_lines > _BLANK_LINES:
                raise Refusal(400, "malformed_request", "the request line has no valid method")
            self._at += 2
        return False

    def _check_partial_head(self) -> None:
        data, at, limit = self._data, self._at, self._limits.header_bytes
        if _BARE_LF.search(data, max(at, self._scanned), at + limit):
            raise Refusal(400, "malformed_request", "lines must end with CRLF")
        self._scanned = len(data)
        if len(data) - at < limit:
            return
        if data.find(b"\r\n", at, at + limit) < 0:
            target_limit = self._limits.target_bytes
            raise Refusal(414, "target_too_long", f"the request target is longer than {target_limit} bytes")
        raise Refusal(431, "headers_too_large", f"the request's headers are longer than {limit} bytes")
