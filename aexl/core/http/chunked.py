"""Take the chunked framing off a request body. Pure: no loop, no sockets.

The grammar of RFC 9112, 7.1 and nothing beside it: CRLF only, no space around a
size, no sign, no ``0x``. Chunk extensions and trailers are read and dropped, and
both are bounded.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from aexl.core.http.head import body_too_large
from aexl.core.http.limits import ServerLimits
from aexl.core.http.refusal import Refusal

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
LINE_BYTES: Final = 4096
"""The longest size line, with its CRLF: what Go's net/http allows."""
EXTENSION_BYTES: Final = 16384
"""All size lines' bytes beyond the sixteen that a chunk may cost, as in Go's net/http since CVE-2023-39326."""


class _State(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()
    DONE = auto()


class ChunkedBody:
    """An incremental decoder of one body."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._state = _State.SIZE
        self._left = 0
        self._total = 0
        self._line = b""
        self._excess = 0
        self._trailer_bytes = 0
        self._trailers = 0
        self._refusal: Refusal | None = None

    @property
    def done(self) -> bool:
        """Whether the body and its trailers have ended."""
        return self._state is _State.DONE

    def decode(self, data: bytes, at: int) -> tuple[bytes, int]:
        """Decode from ``data[at:]``; return what came out and where it stopped.

        It stops before the end only where the body ends.

        Raises:
            Refusal: 400 for wrong framing, 413 for too long a body, 431 for too long trailers. What was decoded
                before is returned first, so that the same bytes mean the same however they were cut.
        """
        if self._refusal is not None:
            raise self._refusal
        pieces: list[bytes] = []
        try:
            while at < len(data) and self._state is not _State.DONE:
                if self._state is _State.DATA:
                    piece = data[at : at + self._left]
                    pieces.append(piece)
                    at += len(piece)
                    self._left -= len(piece)
                    if not self._left:
                        self._state = _State.DATA_END
                else:
                    at = self._take_line(data, at)
        except Refusal as refusal:
            if not pieces:
                raise
            self._refusal = refusal
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), at

    def _take_line(self, data: bytes, at: int) -> int:
        limit = self._line_limit() - len(self._line)
        end = data.find(b"\n", at, at + limit)
        if end < 0:
            self._line += data[at : at + limit]
            if self._state is _State.DATA_END and not b"\r\n".startswith(self._line):
                raise _bad_chunk("a chunk's data must be followed by CRLF")
            if len(data) - at >= limit:
                raise self._line_too_long()
            return len(data)
        line = self._line + data[at : end + 1]
        self._line = b""
        if not line.endswith(b"\r\n"):
            raise _bad_chunk("lines must end with CRLF")
        self._see_line(line[:-2])
        return end + 1

    def _line_limit(self) -> int:
        match self._state:
            case _State.DATA_END:
                return 2
            case _State.TRAILERS:
                return self._limits.header_bytes - self._trailer_bytes
            case _:
                return LINE_BYTES

    def _line_too_long(self) -> Refusal:
        match self._state:
            case _State.DATA_END:
                return _bad_chunk("a chunk's data must be followed by CRLF")
            case _State.TRAILERS:
                return _trailers_too_large()
            case _:
                return _bad_chunk("a chunk's size line is too long")

    def _see_line(self, line: bytes) -> None:
        match self._state:
            case _State.SIZE:
                self._see_size(line)
            case _State.DATA_END:
                if line:
                    raise _bad_chunk("a chunk's data must be followed by CRLF")
                self._state = _State.SIZE
            case _:
                self._see_trailer(line)

    def _see_size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise _bad_chunk("a chunk does not begin with its size in hexadecimal digits")
        self._excess += max(0, len(line) - 16)
        if self._excess > EXTENSION_BYTES:
            raise _bad_chunk("the body's chunk extensions are too long")
        size = int(match[1], 16)
        self._total += size
        if self._total > self._limits.body_bytes:
            raise body_too_large(self._limits)
        self._left = size
        self._state = _State.DATA if size else _State.TRAILERS

    def _see_trailer(self, line: bytes) -> None:
        if not line:
            self._state = _State.DONE
            return
        if _TRAILER_LINE.fullmatch(line) is None:
            raise _bad_chunk("a trailer is not a valid header line")
        self._trailers += 1
        self._trailer_bytes += len(line) + 2
        # Two bytes stay for the empty line that ends them.
        if self._trailers > self._limits.headers or self._trailer_bytes + 2 > self._limits.header_bytes:
            raise _trailers_too_large()


def _bad_chunk(problem: str) -> Refusal:
    return Refusal(400, "malformed_body", problem)


def _trailers_too_large() -> Refusal:
    return Refusal(431, "trailers_too_large", "the body's trailers are too many or too long")
