"""The lines of a journal: one record each, with its number and a checksum over all records so far. Pure.

A line is ``{"n":…,"sum":"…","record":{…}}``. It is written whole and made durable
before the next one begins, so after a crash only the last line can be torn: it is
cut. A line that is wrong with a sound one behind it is damage, and is said to be.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from aexl.errors import Invalid
from aexl_pipelines.journal.records import Record

MOST: Final = 256 * 1024 * 1024
"""Bytes of a journal."""


class _Line(msgspec.Struct, frozen=True):
    n: int
    sum: str
    record: msgspec.Raw


_encoder = msgspec.json.Encoder(enc_hook=str)
_lines = msgspec.json.Decoder(_Line)
_records: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class Position(NamedTuple):
    """Where a journal stands: the next record's number, the checksum so far, the bytes that are sound."""

    number: int = 0
    sum: int = 0
    size: int = 0


class Written(NamedTuple):
    """A record as it stands in a journal."""

    number: int
    record: Record


def encode_line(record: Record, position: Position) -> tuple[bytes, Position]:
    """Return the line of a record, and where the journal stands behind it."""
    data = _encoder.encode(record)
    total = zlib.crc32(data, position.sum)
    line = b'{"n":%d,"sum":"%08x","record":%b}\n' % (position.number, total, data)
    return line, Position(position.number + 1, total, position.size + len(line))


BEGIN: Final = Position()


def decode_lines(data: bytes, start: Position = BEGIN) -> Iterator[tuple[Written, Position]]:
    """Yield what stands in a piece of a journal that begins at ``start``, up to where it is torn.

    Raises:
        Invalid: If a line is damaged that is not the last one, or has a record that is not known.
    """
    position, at = start, 0
    while (end := data.find(b"\n", at)) >= 0:
        line = data[at : end + 1]
        found = _decode(line, position)
        if found is None:
            if end + 1 < len(data):
                raise Invalid(f"the journal is damaged at its record {position.number}: the lines behind it are not")
            return
        yield found
        position, at = found[1], end + 1


def _decode(line: bytes, position: Position) -> tuple[Written, Position] | None:
    try:
        read = _lines.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    total = zlib.crc32(read.record, position.sum)
    if read.n != position.number or read.sum != f"{total:08x}":
        return None
    try:
        record = _records.decode(read.record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the journal's record {read.n} is of another version of aexl: {error}") from error
    return Written(read.n, record), Position(read.n + 1, total, position.size + len(line))


def as_json(record: msgspec.Struct) -> bytes:
    """Return a record as one line of JSON, without a line end."""
    return _encoder.encode(record)
