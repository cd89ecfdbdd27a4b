"""Event streams (``text/event-stream``): where events begin and end, and what they say.

A *frame* is everything up to and including a blank line, as it came: an event
with its comments, a comment alone, or nothing but the blank line. Frames joined
are the stream again, byte for byte, so that a proxy forwards, drops or replaces
whole frames and touches nothing else. What a frame says is read only when asked for.

Lines end with LF, CR or CRLF, mixed as you like. A CR is held back until the next
byte (or the end of the stream) shows that no LF belongs to it; so how a stream was
cut into pieces never changes its frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from aexl.errors import Invalid

LIMIT: Final = 1 << 20
"""The most bytes a frame, and so a line, may have unless a framer is told otherwise."""

_BOM: Final = b"\xef\xbb\xbf"
_SMALL: Final = 4096  # so many bytes are read again sooner than asked whether they must be
_LF: Final = 10
_CR: Final = 13
_BLANK: Final = re.compile(rb"\r\n|\n|\r")
_END: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_BREAK: Final = re.compile(r"\r\n|\n|\r")


class TooLong(Invalid):
    """A frame has more bytes than the framer allows.

    ``frames`` are those that were complete before it, in the same piece.
    """

    def __init__(self, limit: int, frames: Sequence[Frame]) -> None:
        super().__init__(f"an event of the stream has more than {limit} bytes")
        self.limit = limit
        self.frames = tuple(frames)


class Frame:
    """One event as it came, read lazily by the rules of the HTML standard.

    Attributes:
        raw: The exact bytes, the blank line included.
    """

    __slots__ = ("_fields", "raw")

    _fields: tuple[bytes | None, bytes, bytes | None, bytes | None]  # not set until it is asked for

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __repr__(self) -> str:
        return f"Frame({self.raw!r})"

    @property
    def data(self) -> bytes | None:
        """The event's data, its lines joined by LF; ``None`` where the frame is not an event.

        Not checked to be UTF-8.
        """
        raw = self.raw
        if raw.endswith(b"\n\n") and b"\r" not in raw:  # the two forms in which nearly every event comes
            if raw.startswith(b"data: "):
                if raw.count(b"\n") == 2:
                    return raw[6:-2]
            elif raw.startswith(b"event: ") and raw.count(b"\n") == 3:
                start = raw.find(b"\ndata: ")
                if start >= 0:
                    return raw[start + 7 : -2]
        return self._read()[0]

    @property
    def event(self) -> str:
        """The event's type; ``message`` where it names none."""
        return self._read()[1].decode("utf-8", "replace") or "message"

    @property
    def id(self) -> str | None:
        """The last event id that this frame sets (perhaps to nothing), or ``None``."""
        value = self._read()[2]
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def retry(self) -> int | None:
        """The reconnection time that this frame sets, in milliseconds, or ``None``."""
        value = self._read()[3]
        return None if value is None else int(value)

    def _read(self) -> tuple[bytes | None, bytes, bytes | None, bytes | None]:
        try:
            return self._fields
        except AttributeError:
            self._fields = _read_fields(self._text())
            return self._fields

    def _text(self) -> bytes:
        return self.raw


class _MarkedFrame(Frame):
    """The first frame of a stream that begins with a byte order mark."""

    __slots__ = ()

    def _text(self) -> bytes:
        return self.raw[len(_BOM) :]


def _read_fields(raw: bytes) -> tuple[bytes | None, bytes, bytes | None, bytes | None]:
    data: list[bytes] = []
    event, last_id, retry = b"", None, None
    for line in raw.splitlines():  # of bytes: breaks at CR, LF and CRLF only
        name, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value
        elif name == b"id":
            if b"\0" not in value:
                last_id = value
        elif name == b"retry" and value.isdigit() and len(value) < 16:  # no sane time is longer, and int() has limits
            retry = value
    return (b"\n".join(data) if data else None), event, last_id, retry


class Framer:
    """Cuts a stream into frames as its pieces arrive.

    Holds at most ``limit`` bytes and the piece it was just fed.

    Args:
        limit: The most bytes of one frame, its blank line included.
    """

    __slots__ = ("_failed", "_limit", "_pending", "_scanned", "_skip", "_started")

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._pending = bytearray()
        self._scanned = 0  # there is no end of a frame before this index of _pending
        self._skip = 0  # length of the byte order mark, until the first frame is out
        self._started = False  # whether it is known if there is a byte order mark
        self._failed = False

    @property
    def remainder(self) -> bytes:
        """What was fed and is in no frame yet."""
        return bytes(self._pending)

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that ``data`` completes.

        Raises:
            TooLong: If a frame has more bytes than the limit; the framer is of no use any more.
        """
        if self._failed:
            raise TooLong(self._limit, ())
        pending = self._pending
        if pending:
            pending += data
            if len(pending) > _SMALL and not self._may_end(data):
                return []
            data = bytes(pending)
            pending.clear()
        if not self._started and not self._start(data):
            pending += data
            return []
        return self._split(data)

    def close(self) -> list[Frame]:
        """Return the frame that was held back for the LF that might have followed, if there is one.

        What ``remainder`` still has afterwards is an event that was cut off.
        """
        data = self.remainder
        match = self._match(data, 0, self._scanned)
        if match is None or match.end() != len(data) or self._failed:
            return []
        self._pending.clear()
        return [_MarkedFrame(data) if self._skip else Frame(data)]

    def _start(self, data: bytes) -> bool:
        """Learn whether the stream begins with a byte order mark; say whether that is known."""
        if data.startswith(_BOM):
            self._skip = len(_BOM)
        elif _BOM.startswith(data):
            return False
        self._started = True
        return True

    def _may_end(self, data: bytes) -> bool:
        """Say whether the pending bytes, to which ``data`` was added, must be looked at; in constant time per byte."""
        pending = self._pending
        if not self._started:
            return True
        if b"\n" in data or b"\r" in data or pending[len(pending) - len(data) - 1] == _CR:
            if self._frame_end(pending, 0, self._scanned) >= 0:
                return True
            self._scanned = max(0, len(pending) - 3)
        if len(pending) > self._limit:
            self._fail([])
        return False

    def _frame_end(self, data: bytes | bytearray, start: int, scanned: int) -> int:
        """Return the index after the frame that begins at ``start``, or -1."""
        match = self._match(data, start, scanned)
        if match is None or (match.end() == len(data) and data[-1] == _CR):
            return -1
        return match.end()

    def _match(self, data: bytes | bytearray, start: int, scanned: int) -> re.Match[bytes] | None:
        begin = start + self._skip
        return _BLANK.match(data, begin) or _END.search(data, max(begin, scanned))

    def _split(self, data: bytes) -> list[Frame]:
        if data.find(b"\n\n") == len(data) - 2 > 0 and b"\r" not in data and data[0] != _LF and not self._skip:
            if len(data) > self._limit:
                self._fail([])
            return [Frame(data)]  # one whole event: how most pieces arrive
        frames: list[Frame] = []
        start = 0
        if self._skip and data:
            start = self._first(data, frames)
            if self._skip:
                return frames
        if b"\r" not in data:
            start = self._split_at(b"\n\n", data, start, frames)
        elif data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n"):
            start = self._split_at(b"\r\n\r\n", data, start, frames)
        else:
            start = self._split_mixed(data, start, frames)
        if start < len(data):
            self._keep(data[start:] if start else data, frames)
        return frames

    def _first(self, data: bytes, frames: list[Frame]) -> int:
        """Take the frame that begins with the byte order mark off ``data``; return where the next begins."""
        end = self._frame_end(data, 0, 0)
        if end < 0:
            self._keep(data, frames)
            return 0
        if end > self._limit:
            self._fail(frames)
        frames.append(_MarkedFrame(data[:end]))
        self._skip = 0
        return end

    def _split_at(self, separator: bytes, data: bytes, start: int, frames: list[Frame]) -> int:
        """Split where all lines end alike: by searching for a byte string, which is what makes a framer quick."""
        find, first, size, length = data.find, separator[0], len(separator), len(data)
        unchecked = length - start <= self._limit
        while start < length:
            if data[start] == first:
                end = start + size // 2
            else:
                end = find(separator, start) + size
                if end < size:
                    break
            if not unchecked and end - start > self._limit:
                self._fail(frames)
            frames.append(Frame(data[start:end]))
            start = end
        return start

    def _split_mixed(self, data: bytes, start: int, frames: list[Frame]) -> int:
        while start < len(data):
            end = self._frame_end(data, start, start)
            if end < 0:
                break
            if end - start > self._limit:
                self._fail(frames)
            frames.append(Frame(data[start:end]))
            start = end
        return start

    def _keep(self, rest: bytes, frames: list[Frame]) -> None:
        if len(rest) > self._limit:
            self._fail(frames)
        self._pending += rest
        self._scanned = max(0, len(rest) - 3)

    def _fail(self, frames: list[Frame]) -> None:
        self._failed = True
        raise TooLong(self._limit, frames)


def encode(data: str, *, event: str | None = None) -> bytes:
    """Return an event that says ``data``; each of its lines becomes a ``data`` line.

    Args:
        data: What to say.
        event: The event's type, without line breaks; none is written if ``None``.
    """
    head = f"event: {event}\n" if event is not None else ""
    lines = "".join(f"data: {line}\n" for line in _BREAK.split(data))
    return f"{head}{lines}\n".encode()
