r"""Events, and the chain that makes them tamper-evident. Pure; needs no database.

The body of an event is canonical JSON: UTF-8, no blanks, keys sorted, strings and
whole numbers only. Its hash is ``SHA-256(b"aexl-event-v1\0" + previous hash + body)``,
over the exact bytes that are stored; the first event's previous hash is 32 zero
bytes. Sequence numbers begin at 1 and have no gap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from aexl.errors import AexlError

VERSION: Final = 1
DOMAIN: Final = b"aexl-event-v1\0"
GENESIS: Final = bytes(32)
STREAM: Final = 1
"""The one chain of this file; other hosts' chains get other numbers."""

# Strings, whole numbers, and mappings of the same; msgspec has no recursive type for it.
Data = Mapping[str, Any]


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, as its body says; ``time`` is Unix microseconds by the wall clock: a label, not an order."""

    data: dict[str, Any]
    kind: str
    seq: int
    subject: str
    time: int
    v: int


class Broken(AexlError):
    """The chain does not hold; ``seq`` is the first sequence number that is wrong."""

    def __init__(self, seq: int, problem: str) -> None:
        super().__init__(f"event {seq}: {problem}")
        self.seq = seq
        self.problem = problem


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(Event)
_sha256 = hashlib.sha256


def encode(seq: int, time: int, kind: str, subject: str, data: dict[str, Any]) -> bytes:
    """Return the canonical body of an event."""
    return _ENCODER.encode(Event(data, kind, seq, subject, time, VERSION))


def decode(body: bytes) -> Event:
    """Read a stored body.

    Raises:
        msgspec.DecodeError: If it is not an event.
    """
    return _DECODER.decode(body)


def link(previous: bytes, body: bytes) -> bytes:
    """Return the hash of an event: 32 bytes."""
    return _sha256(DOMAIN + previous + body).digest()


class Chain:
    """Checks events one after the other.

    Attributes:
        seq: The last sequence number that was right.
        hash: Its hash.
    """

    __slots__ = ("hash", "seq")

    def __init__(self, seq: int = 0, hash: bytes = GENESIS) -> None:
        self.seq = seq
        self.hash = hash

    def check(self, seq: int, body: bytes, hash: bytes) -> Event:
        """Check the next event and return it.

        Raises:
            Broken: If a number is missing, the hash is another, or the body is not this event's.
        """
        expected = self.seq + 1
        if seq != expected:
            raise Broken(expected, f"is missing: the next one stored is {seq}")
        if _sha256(DOMAIN + self.hash + body).digest() != hash:
            raise Broken(seq, "its hash is not that of its body and the event before it")
        try:
            event = _DECODER.decode(body)
        except msgspec.DecodeError as error:
            raise Broken(seq, f"its body cannot be read: {error}") from error
        if event.seq != seq or event.v != VERSION:
            raise Broken(seq, f"its body says sequence number {event.seq}, version {event.v}")
        self.seq = seq
        self.hash = hash
        return event


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    event: msgspec.Raw
    hash: str


_LINE_DECODER: Final = msgspec.json.Decoder(_Line)


def format_line(body: bytes, hash: bytes) -> bytes:
    """Return an event as a line of an export, without a line end: the body is in it byte for byte."""
    return b'{"event":%b,"hash":"%b"}' % (body, hash.hex().encode())


def check_export(lines: Iterable[bytes]) -> Chain:
    """Check an export from its first event to its last; what was cut off at the end cannot be seen.

    Raises:
        Broken: At the first line that is wrong.
    """
    chain = Chain()
    for line in lines:
        try:
            entry = _LINE_DECODER.decode(line)
            chain.check(chain.seq + 1, bytes(entry.event), bytes.fromhex(entry.hash))
        except (msgspec.DecodeError, ValueError) as error:
            raise Broken(chain.seq + 1, f"its line cannot be read: {error}") from error
    return chain
