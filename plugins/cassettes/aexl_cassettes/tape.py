"""One recorded exchange, and the lines it is written as. Pure.

A file has a line for the request, one for the answer's head, one for each piece
of the body, and one for the end; each is a JSON object. A piece is text where
its bytes are UTF-8, and base64 elsewhere. Times are seconds from the moment the
provider was asked.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from aexl.api import Usage
from aexl.errors import Invalid, ProviderFailed
from aexl_cassettes.requests import Request

FORMAT: Final = 1


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line; ``at`` is Unix time."""

    cassette: int
    at: float
    request: Request


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer's status and headers."""

    status: int
    headers: list[tuple[str, str]]
    after: float


class Piece(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One piece of the body, as text or base64."""

    after: float
    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, data: bytes, after: float) -> Piece:
        """Return the piece for these bytes."""
        try:
            return cls(after=after, text=data.decode())
        except UnicodeDecodeError:
            return cls(after=after, base64=base64.b64encode(data).decode())

    @property
    def data(self) -> bytes:
        """The bytes."""
        if self.text is not None:
            return self.text.encode()
        return base64.b64decode(self.base64 or "", validate=True)


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a provider failed: ``aexl.errors.ProviderFailed`` in words."""

    reason: str
    code: str
    status: int
    charged: Literal["no", "unknown"]

    @classmethod
    def of(cls, error: ProviderFailed) -> Failure:
        """Return the words for an error."""
        return cls(reason=error.reason, code=error.code, status=error.status, charged=error.charged)

    def error(self) -> ProviderFailed:
        """Return the error."""
        return ProviderFailed(self.reason, code=self.code, status=self.status, charged=self.charged)


class End(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The last line: the proper end of the answer and what was learned from it, or a failure."""

    after: float
    finished: bool = False
    usage: Usage | None = None
    upstream_id: str | None = None
    failure: Failure | None = None


class Tape(msgspec.Struct, frozen=True, kw_only=True):
    """A whole exchange; ``head`` is ``None`` where the provider failed before it answered."""

    asked: Asked
    head: Head | None
    pieces: list[Piece]
    end: End

    @property
    def answer(self) -> str:
        """The answer in a word or two."""
        status = str(self.head.status) if self.head else ""
        return f"{status} {self.end.failure.code}".strip() if self.end.failure else status


_asked: Final = msgspec.json.Decoder(Asked)
_head: Final = msgspec.json.Decoder(Head)
_piece: Final = msgspec.json.Decoder(Piece)
_end: Final = msgspec.json.Decoder(End)


def write_tape(tape: Tape) -> bytes:
    """Return the file's content."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in _lines(tape))


def _lines(tape: Tape) -> Iterator[object]:
    yield tape.asked
    if tape.head is not None:
        yield tape.head
        yield from tape.pieces
    yield tape.end


def read_asked(line: bytes) -> Asked:
    """Return the first line of a file.

    Raises:
        Invalid: If it is none.
    """
    try:
        asked = _asked.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"line 1 is not the beginning of a recording: {error}") from error
    if asked.cassette != FORMAT:
        raise Invalid(f"the recording has format {asked.cassette}; this version of aexl reads {FORMAT}")
    return asked


def read_tape(data: bytes) -> Tape:
    """Return what a file's content says.

    Raises:
        Invalid: If it is no whole recording; names the line.
    """
    lines = data.split(b"\n")
    if lines.pop() or len(lines) < 2:
        raise Invalid("the recording is cut off")
    asked = read_asked(lines[0])
    number = 2
    try:
        head = _head.decode(lines[1]) if len(lines) > 2 else None
        pieces = []
        for line in lines[2:-1]:
            number += 1
            piece = _piece.decode(line)
            _ = piece.data  # it is known now, and not in the middle of an answer, that the base64 is good
            pieces.append(piece)
        number = len(lines)
        end = _end.decode(lines[-1])
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error) as error:
        raise Invalid(f"line {number} is not what stands there in a recording: {error}") from error
    if head is None and end.failure is None:
        raise Invalid("the recording has neither an answer nor a failure")
    return Tape(asked=asked, head=head, pieces=pieces, end=end)
