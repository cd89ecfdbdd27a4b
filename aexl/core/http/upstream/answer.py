"""Reads the answers that come over one HTTP/1.1 connection, one after another.

llhttp, strict, does the parsing: both ``content-length`` and ``transfer-encoding``,
bad chunks and bare line feeds are errors. What it leaves to its user is here: which
answers have no body, when the end of the connection ends a body, and bounds.
"""

from __future__ import annotations

from typing import Final

import httptools

HEAD_BYTES: Final = 65536
"""The most that the headers of one answer may have, with four bytes for each to end its line."""

SILENT_BYTES: Final = 2 * HEAD_BYTES
"""The most that may come without a byte of a body: heads, trailers, and what is around chunks."""

HEAD_COUNT: Final = 256
"""The most headers of one answer; the largest providers send about thirty."""

_CONTINUE: Final = 100
_SWITCHING: Final = 101
_OK: Final = 200


class BadAnswer(Exception):
    """What the upstream sent is not an answer; says why."""


class AnswerReader:
    """Is fed what was received; ``begin`` makes it ready for the next answer.

    Attributes:
        status: The final answer's status, or 0 until its head is complete.
        headers: Its headers, in order, names in lower case.
        complete: The whole answer has been fed.
        reusable: It is complete, and the connection can carry another exchange.
        problem: Why the answer cannot be read any further.
    """

    __slots__ = (
        "_bodyless",
        "_feed",
        "_informational",
        "_parser",
        "_parts",
        "_silent",
        "complete",
        "headers",
        "problem",
        "reusable",
        "status",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self.begin(bodyless=False)

    def begin(self, *, bodyless: bool) -> None:
        """Expect an answer; ``bodyless`` if it answers HEAD."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.reusable = False
        self.problem: str | None = None
        self._bodyless = bodyless
        self._informational = False
        self._parts: list[bytes] = []
        self._silent = 0  # bytes since the last that were of a body

    def take(self) -> bytes:
        """Return what there is of the body and has not been taken."""
        parts = self._parts
        if not parts:
            return b""
        self._parts = []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def feed(self, data: bytes) -> None:
        """Read what was received; sets ``problem`` where that is not possible."""
        self._silent += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._break_off(error)
        if self._silent > SILENT_BYTES and not self.complete and self.problem is None:
            self.problem = f"it sent more than {SILENT_BYTES} bytes without a byte of a body"

    def end(self) -> None:
        """Hear that the connection has ended: the end of a body that says no length, else a cut."""
        if self.complete:
            self.reusable = False
        elif self.status and self._ends_with_the_connection():
            self.complete = True
        elif self.status:
            self.problem = "it closed the connection before the end of the body"
        else:
            self.problem = "it closed the connection without an answer"

    def _break_off(self, error: httptools.HttpParserError) -> None:
        if self.complete:
            self.reusable = False  # bytes after the end, which are nobody's answer
            return
        ours = error.__context__  # where a method of this class raised it
        self.problem = f"its answer is malformed: {ours if isinstance(ours, BadAnswer) else error}"

    def _ends_with_the_connection(self) -> bool:
        for name, value in self.headers:
            if name == b"content-length":
                return False
            if name == b"transfer-encoding" and value.lower().endswith(b"chunked"):
                return False
        return True

    def _head_bytes(self) -> int:
        """Return the bytes of the headers, which are at most one a header more than came: a blank that was left out."""
        return sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_message_begin(self) -> None:
        if self.complete:
            self.reusable = False
            raise BadAnswer("bytes after its end")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:
            return  # a trailer
        headers = self.headers
        headers.append((name.lower(), value.rstrip(b" \t")))
        if len(headers) > HEAD_COUNT:
            raise BadAnswer(f"its headers are more than {HEAD_COUNT}")

    def on_headers_complete(self) -> None:
        if self._silent > HEAD_BYTES - HEAD_COUNT and self._head_bytes() > HEAD_BYTES:
            raise BadAnswer(f"its headers are more than {HEAD_BYTES} bytes")
        status = self._parser.get_status_code()
        if status == _SWITCHING or status < _CONTINUE:
            raise BadAnswer(f"status {status} answers nothing that was asked")
        if status < _OK:
            self._informational = True
            self.headers = []
            return
        self.status = status
        if self._bodyless:
            self.complete = True  # llhttp would wait for a body, so this connection is not used again

    def on_body(self, part: bytes) -> None:
        if not self.complete:
            self._silent = 0
            self._parts.append(part)

    def on_message_complete(self) -> None:
        if self._informational:
            self._informational = False
        elif not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
