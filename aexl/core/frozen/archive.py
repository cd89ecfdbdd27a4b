"""The archive in a frozen program's own file, as PyInstaller 6 writes it.

The file ends with the entries' data, a table of them and a cookie that tells
where these begin (behind it stand only the sections of the program's own format).
This module is imported before most others: it imports only what is there anyway.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, NamedTuple

_MAGIC: Final = b"MEI\014\013\012\013\016"
_COOKIE: Final = struct.Struct("!8sIIII64s")
_ENTRY: Final = struct.Struct("!IIIIBc")
_ALIGNED: Final = 16
_BLOCK: Final = 64 * 1024

DENSE_SUFFIX: Final = ".aexl-xz"
"""What the names of files end with that are packed with LZMA as well: large ones that are seldom needed."""

EXTRACTED: Final = frozenset({b"b", b"x", b"n"})
"""Kinds of entries that are files: binaries, data, symbolic links. The others are read in place."""


class Entry(NamedTuple):
    """One thing in an archive.

    ``place`` counts from the beginning of the file; ``length`` is what it takes there, ``size`` what it has unpacked.
    """

    name: str
    kind: bytes
    place: int
    length: int
    size: int
    packed: bool


class Archive:
    """The archive of a file.

    Raises:
        ValueError: If the file has none.
        OSError: If it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is not imported this early
            end = _find_cookie(file)
            file.seek(end)
            _, size, table_place, table_length, self.python, self.library = _COOKIE.unpack(file.read(_COOKIE.size))
            begin = end + _COOKIE.size - size
            file.seek(begin + table_place)
            self.entries = list(_entries(file.read(table_length), begin))

    def read(self, entry: Entry) -> bytes:
        """Return the content of an entry."""
        with open(self.path, "rb") as file:  # noqa: PTH123 - as above
            file.seek(entry.place)
            data = file.read(entry.length)
        return zlib.decompress(data) if entry.packed else data

    def extract(self, entries: Iterable[Entry], folder: str, *, prefix: str = "") -> None:
        """Write entries as files, each at once or not at all: other processes may be doing the same.

        Args:
            prefix: What their names begin with in the archive only.
        """
        for entry in entries:
            name, data = entry.name.removeprefix(prefix), self.read(entry)
            if name.endswith(DENSE_SUFFIX):
                import lzma  # few programs need it, and it may have to be unpacked itself

                name, data = name.removesuffix(DENSE_SUFFIX), lzma.decompress(data)
            place = os.path.join(folder, name)  # noqa: PTH118 - as above
            os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120 - as above
            unfinished = f"{place}.{os.getpid()}"
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(unfinished, place)  # noqa: PTH105 - as above

    def write_part(self, file: BinaryIO, entries: Iterable[Entry]) -> None:
        """Write an archive with some of the entries."""
        table = b""
        size = 0
        with open(self.path, "rb") as own:  # noqa: PTH123 - as above
            for entry in entries:
                own.seek(entry.place)
                file.write(own.read(entry.length))
                table += _pack(entry, size)
                size += entry.length
        file.write(table)
        whole = size + len(table) + _COOKIE.size
        file.write(_COOKIE.pack(_MAGIC, whole, size, len(table), self.python, self.library))


def _find_cookie(file: BinaryIO) -> int:
    place = end = file.seek(0, os.SEEK_END)
    while place > max(0, end - 16 * _BLOCK):
        place = max(0, place - _BLOCK)
        file.seek(place)
        found = file.read(_BLOCK + _COOKIE.size).rfind(_MAGIC)
        if found >= 0:
            return place + found
    raise ValueError("there is no archive in this file")


def _entries(table: bytes, begin: int) -> Iterator[Entry]:
    place = 0
    while place < len(table):
        whole, offset, length, size, packed, kind = _ENTRY.unpack_from(table, place)
        name = table[place + _ENTRY.size : place + whole].rstrip(b"\0").decode()
        yield Entry(name, kind, begin + offset, length, size, bool(packed))
        place += whole


def _pack(entry: Entry, place: int) -> bytes:
    name = entry.name.encode() + b"\0"
    whole = _ENTRY.size + len(name)
    whole += -whole % _ALIGNED
    head = _ENTRY.pack(whole, place, entry.length, entry.size, entry.packed, entry.kind)
    return (head + name).ljust(whole, b"\0")
