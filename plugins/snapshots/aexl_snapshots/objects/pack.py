"""The format of packs: header, frames, index, footer. Pure.

::

    header   16 bytes   "AEXLPACK", version 1 and 0 as u32
    frames              one after the other, without gaps
    index               per object, sorted by id: id, kind u8, offset u64, stored u32, size u64
    footer   56 bytes   offset of the index u64, count u32, 0 as u32, SHA-256 of the index, "AEXLPEND"

Numbers are big-endian. A pack is named by the SHA-256 of all its bytes. Of an
object of kind 0 the frame is its bytes; of kind 1 the frame is a list of other
objects, ids and sizes, whose bytes follow one another.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from aexl.api import ObjectId
from aexl.errors import Invalid
from aexl_snapshots.objects import frames
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.manifest import MAX_FILE

HEADER: Final = b"AEXLPACK" + struct.pack(">II", 1, 0)
_END: Final = b"AEXLPEND"
_FOOTER: Final = struct.Struct(">QII32s8s")
_ROW: Final = struct.Struct(">32sBQIQ")
_PART: Final = struct.Struct(">32sI")

FOOTER_SIZE: Final = _FOOTER.size
TARGET: Final = 16 * 1024 * 1024
"""A writer begins a new pack when one has this many bytes of frames."""

TARGET_OBJECTS: Final = 65_536
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a pack that a reader accepts."""

MOST_OBJECTS: Final = 262_144
MOST_PARTS: Final = 65_536

WHOLE: Final = 0
PARTS: Final = 1


class Row(NamedTuple):
    """Where an object is in a pack.

    Attributes:
        kind: ``WHOLE`` or ``PARTS``.
        offset: Of the frame, from the pack's first byte.
        stored: Bytes of the frame.
        size: Raw bytes of the object, of all parts together if it has some.
    """

    id: bytes
    kind: int
    offset: int
    stored: int
    size: int


class Part(NamedTuple):
    """A piece of an object."""

    id: bytes
    size: int


class Footer(NamedTuple):
    """The end of a pack."""

    offset: int
    objects: int
    digest: bytes

    @property
    def index_size(self) -> int:
        """Bytes of the index."""
        return index_size(self.objects)


def index_size(objects: int) -> int:
    """Return the bytes of an index of so many objects."""
    return objects * _ROW.size


def encode_index(rows: Iterable[Row], offset: int) -> bytes:
    """Return index and footer for rows in any order; ``offset`` is where the index begins."""
    ordered = sorted(rows)
    index = b"".join(_ROW.pack(*row) for row in ordered)
    return index + _FOOTER.pack(offset, len(ordered), 0, hashlib.sha256(index).digest(), _END)


class PackBuffer:
    """One pack made in memory, in order."""

    def __init__(self) -> None:
        self._data = bytearray(HEADER)
        self.rows: list[Row] = []

    @property
    def is_full(self) -> bool:
        """It is time to begin another one."""
        return len(self._data) >= TARGET or len(self.rows) >= TARGET_OBJECTS

    def add(self, row: Row, frame: bytes) -> None:
        """Append an object as another pack has it."""
        self.rows.append(row._replace(offset=len(self._data), stored=len(frame)))
        self._data += frame

    def finish(self) -> tuple[ObjectId, bytes]:
        """Return the pack's id and bytes."""
        data = bytes(self._data) + encode_index(self.rows, len(self._data))
        return object_id(data), data


def decode_footer(data: bytes, size: int, what: str) -> Footer:
    """Read a pack's last 56 bytes.

    Args:
        size: Bytes of the whole pack.

    Raises:
        Invalid: If they are not a footer of a pack of this size.
    """
    if len(data) != FOOTER_SIZE or not len(HEADER) + FOOTER_SIZE <= size <= LARGEST:
        raise Invalid(f"{what} has {size} bytes, which no pack has: it is cut off or not a pack")
    offset, count, zero, digest, end = _FOOTER.unpack(data)
    footer = Footer(offset, count, digest)
    if end != _END or zero != 0 or count > MOST_OBJECTS or offset + footer.index_size + FOOTER_SIZE != size:
        raise Invalid(f"{what} does not end as a pack does: it is damaged or cut off")
    return footer


def decode_index(data: bytes, footer: Footer, what: str) -> list[Row]:
    """Read the index, sorted by id.

    Raises:
        Invalid: If it is damaged, or does not account for every byte of the frames.
    """
    if len(data) != footer.index_size or hashlib.sha256(data).digest() != footer.digest:
        raise Invalid(f"the index of {what} is damaged")
    rows = [Row(*row) for row in _ROW.iter_unpack(data)]
    last = b""
    for row in rows:
        if row.id <= last or row.kind not in (WHOLE, PARTS) or row.stored > frames.LARGEST_STORED:
            raise Invalid(f"the index of {what} breaks the format's rules at {row.id.hex()}")
        if row.size > (frames.LARGEST if row.kind == WHOLE else MAX_FILE):
            raise Invalid(f"the index of {what} says that {row.id.hex()} has {row.size} bytes")
        last = row.id
    end = len(HEADER)
    for row in sorted(rows, key=_offset):
        if row.offset != end:
            raise Invalid(f"the index of {what} leaves a gap or an overlap before {row.id.hex()}")
        end += row.stored
    if end != footer.offset:
        raise Invalid(f"the index of {what} leaves a gap after its last object")
    return rows


def read_rows(data: bytes, what: str) -> list[Row]:
    """Return the index of a whole pack.

    Raises:
        Invalid: If it is damaged.
    """
    footer = decode_footer(data[-FOOTER_SIZE:], len(data), what)
    return decode_index(data[footer.offset : -FOOTER_SIZE], footer, what)


def _offset(row: Row) -> int:
    return row.offset


def encode_parts(parts: Sequence[Part]) -> bytes:
    """Return a list of parts as the frame of kind ``PARTS`` has it."""
    return b"".join(_PART.pack(*part) for part in parts)


def decode_parts(frame: bytes | memoryview, size: int, what: str) -> list[Part]:
    """Read the frame of kind ``PARTS``.

    Args:
        size: Raw bytes of the whole object.

    Raises:
        Invalid: If it breaks a rule.
    """
    data = frames.expand(frame, min(frames.raw_size(frame, what), frames.LARGEST), what)
    if len(data) % _PART.size or not 0 < len(data) <= MOST_PARTS * _PART.size:
        raise Invalid(f"{what}: its list of parts has {len(data)} bytes")
    parts = [Part(*part) for part in _PART.iter_unpack(data)]
    if any(not 0 < part.size <= frames.LARGEST for part in parts) or sum(part.size for part in parts) != size:
        raise Invalid(f"{what}: its parts do not have the {size} bytes that the index says")
    return parts


def open_frame(row: Row, frame: bytes | memoryview, what: str) -> bytes | list[Part]:
    """Return what a frame holds: the checked bytes of a whole object, or the list of its parts.

    Args:
        what: Where the frame is from, for the error, which names the object.

    Raises:
        Invalid: If it is damaged.
    """
    what = f"object {row.id.hex()} in {what}"
    if len(frame) != row.stored:
        raise Invalid(f"{what} is cut off: {len(frame)} of {row.stored} bytes are there")
    if row.kind == PARTS:
        return decode_parts(frame, row.size, what)
    data = frames.expand(frame, row.size, what)
    if hashlib.sha256(data).digest() != row.id:
        raise Invalid(f"{what} is damaged: its bytes have another hash")
    return data


def runs(rows: Iterable[Row], most: int) -> Iterator[list[Row]]:
    """Yield neighbouring rows, sorted by offset, that can be read at once in at most ``most`` bytes."""
    run: list[Row] = []
    for row in sorted(rows, key=_offset):
        if run and (row.offset != run[-1].offset + run[-1].stored or row.offset + row.stored - run[0].offset > most):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def object_of(row: Row) -> ObjectId:
    """Return the id that a row is for."""
    return ObjectId(row.id.hex())
