"""The packs in a folder, read: which objects there are, and their bytes, each checked.

Safe to use from several threads. Packs that appear while it is open are found
when something is missing, and so is where the objects of a pack went that gc has
gathered into another one.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aexl.api import ObjectId
from aexl.errors import Invalid, NotFound
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.objects import pack
from aexl_snapshots.objects.ids import id_bytes, is_id

SUFFIX: Final = ".pack"
FOLDER: Final = "packs"
_BLOCK: Final = 1024 * 1024

MOST_OPEN: Final = 64
"""Files of packs that are kept open."""


def pack_name(id: str) -> str:
    """Return the name of a pack in a store."""
    return f"{FOLDER}/{id}{SUFFIX}"


def pack_id(name: str) -> ObjectId | None:
    """Return which pack a name is of; ``None`` if of none."""
    id = name.removeprefix(f"{FOLDER}/").removesuffix(SUFFIX)
    return ObjectId(id) if is_id(id) and name == pack_name(id) else None


class _Handle:
    """An open file, closed when nobody refers to it any more: a reader in another thread may still do."""

    def __init__(self, path: Path) -> None:
        self.descriptor = -1
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class _Handles:
    """The files that were read last, kept open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, _Handle] = OrderedDict()
        self._block: tuple[Path | None, int, bytes] = None, 0, b""
        self._next: tuple[Path | None, int] = None, 0

    def read_frame(self, path: Path, offset: int, length: int) -> bytes:
        """Return some bytes of a file; where one piece follows the other, read many at once."""
        of, start, block = self._block
        if of == path and start <= offset and offset + length <= start + len(block):
            return block[offset - start : offset - start + length]
        follows, self._next = self._next == (path, offset), (path, offset + length)
        if not follows or length > _BLOCK // 4:
            return os.pread(self.get(path).descriptor, length, offset)
        block = os.pread(self.get(path).descriptor, _BLOCK, offset)
        self._block, self._next = (path, offset, block), (path, offset + len(block))
        return block[:length]

    def get(self, path: Path) -> _Handle:
        with self._lock:
            handle = self._open.pop(path, None)
            if handle is None:
                handle = _Handle(path)
            self._open[path] = handle
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        return handle


class Pack:
    """One pack in a folder; its file is opened when it is read.

    Raises:
        NotFound: If it is not there.
        Invalid: If it is damaged; names it.
    """

    def __init__(self, id: ObjectId, path: Path, handles: _Handles | None = None) -> None:
        self.id = id
        self.path = path
        self.what = f"pack {id}"
        self._handles = handles or _Handles()
        with disk_errors(path):
            self.size = os.fstat(self._handles.get(path).descriptor).st_size
        tail = self.read(max(0, self.size - pack.FOOTER_SIZE), pack.FOOTER_SIZE)
        footer = pack.decode_footer(tail, self.size, self.what)
        self.rows = pack.decode_index(self.read(footer.offset, footer.index_size), footer, self.what)

    def read(self, offset: int, length: int) -> bytes:
        """Return some bytes of the file.

        Raises:
            NotFound: If gc has removed it.
            Unavailable: If the disk fails.
        """
        with disk_errors(self.path):
            handle = self._handles.get(self.path)
            return os.pread(handle.descriptor, length, offset)

    def frame(self, row: pack.Row) -> bytes:
        """Return an object's frame as it is stored."""
        with disk_errors(self.path):
            return self._handles.read_frame(self.path, row.offset, row.stored)

    def blocks(self, most: int = 1024 * 1024) -> Iterator[bytes]:
        """Yield all bytes of the file, in order."""
        at = 0
        while block := self.read(at, most):
            yield block
            at += len(block)


class PackSet:
    """The packs of a folder, found by the objects in them; looked for when the first one is asked for.

    The objects of packs that are ``damaged`` count as missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._packs: dict[str, Pack] = {}
        self._where: dict[bytes, tuple[Pack, int]] = {}
        self._damaged: dict[str, str] = {}
        self._handles = _Handles()
        self._looked = False
        self._at_hand: dict[bytes, bytes] = {}
        self._room = 0

    def _look(self) -> None:
        if not self._looked:
            self.refresh()

    @property
    def damaged(self) -> dict[str, str]:
        """Packs that cannot be used, and why."""
        self._look()
        return self._damaged

    def refresh(self) -> None:
        """Look for packs that have come or gone."""
        with self._lock:
            try:
                found = {id for entry in os.scandir(self._folder) if (id := pack_id(f"{FOLDER}/{entry.name}"))}
            except FileNotFoundError:
                found = set()
            gone = self._packs.keys() - found
            if gone:
                self._packs = {id: each for id, each in self._packs.items() if id not in gone}
                self._where = {id: place for id, place in self._where.items() if place[0].id not in gone}
            self._open(found - self._packs.keys() - self._damaged.keys())
            self._looked = True

    def _open(self, new: set[ObjectId]) -> None:
        packs, where = dict(self._packs), dict(self._where)  # readers go on with the old ones; no lock on their path
        for id in sorted(new):
            try:
                packs[id] = Pack(id, self._folder / f"{id}{SUFFIX}", self._handles)
            except Invalid as error:
                self._damaged[id] = str(error)
            except NotFound:
                continue  # gc has just removed it
            else:
                where.update({row.id: (packs[id], index) for index, row in enumerate(packs[id].rows)})
        self._packs, self._where = packs, where

    def expect(self, most: int) -> None:
        """Say that objects which come now will be read soon, most of them once.

        Args:
            most: Raw bytes to keep of what is handed over; the rest is read from its pack.
        """
        self._room = most

    def hand_over(self, id: bytes, data: bytes) -> None:
        """Give an object's checked bytes to whoever reads it next, if somebody is expected to."""
        if self._room >= len(data):
            with self._lock:
                self._room -= len(data)
                self._at_hand[id] = data

    @property
    def packs(self) -> Mapping[str, Pack]:
        """The packs that are known, by id."""
        self._look()
        return dict(self._packs)

    def find(self, id: ObjectId) -> tuple[Pack, pack.Row] | None:
        """Return where an object is, as far as is known; ``refresh`` first if it may be new."""
        self._look()
        place = self._where.get(id_bytes(id))
        return (place[0], place[0].rows[place[1]]) if place else None

    def __contains__(self, id: ObjectId) -> bool:
        self._look()
        return id_bytes(id) in self._where

    def ids(self) -> Iterator[ObjectId]:
        """Yield every object that is known, in no order."""
        self._look()
        for id in self._where:
            yield ObjectId(id.hex())

    def locate(self, id: ObjectId) -> tuple[Pack, pack.Row]:
        """Return where an object is.

        Raises:
            NotFound: If it is in no pack.
        """
        found = self.find(id)
        if found is None:
            self.refresh()
            found = self.find(id)
        if found is None:
            damaged = "".join(f"; {reason}" for reason in self.damaged.values())
            raise NotFound(
                f"the object {id} is in no pack of {self._folder}{damaged}; "
                "`aexl snapshot repair --from REMOTE` may find it"
            )
        return found

    def size(self, id: ObjectId) -> int:
        """Return an object's raw bytes, as the index has it."""
        return self.locate(id)[1].size

    def opened(self, id: ObjectId) -> tuple[Pack, bytes | list[pack.Part]]:
        """Return where an object is, and its checked bytes or its parts.

        Raises:
            NotFound: If it is in no pack.
            Invalid: If it is damaged.
        """
        found, row = self.locate(id)
        if self._at_hand and (data := self._at_hand.pop(row.id, None)) is not None:
            return found, data
        try:
            frame = found.frame(row)
        except NotFound:  # gathered into another pack a moment ago
            self.refresh()
            found, row = self.locate(id)
            frame = found.frame(row)
        return found, pack.open_frame(row, frame, found.what)

    def parts(self, id: ObjectId) -> list[pack.Part]:
        """Return the parts an object is stored in; none if it is whole."""
        if self.locate(id)[1].kind == pack.WHOLE:
            return []
        parts = self.opened(id)[1]
        return parts if isinstance(parts, list) else []

    def stream(self, id: ObjectId) -> Iterator[bytes]:
        """Yield an object's bytes in pieces of at most 4 MiB; the last one only after all were checked.

        Raises:
            NotFound: If it, or a part of it, is in no pack.
            Invalid: If its bytes are not those of its id.
            Unavailable: If the disk fails.
        """
        found, data = self.opened(id)
        if isinstance(data, bytes):
            yield data
            return
        digest, last = hashlib.sha256(), b""
        for part in data:
            if last:
                yield last
            last = self._part(part, f"object {id} in {found.what}")
            digest.update(last)
        if digest.hexdigest() != id:
            raise Invalid(f"object {id} in {found.what} is damaged: its parts are not its bytes")
        yield last

    def _part(self, part: pack.Part, what: str) -> bytes:
        data = self.opened(ObjectId(part.id.hex()))[1]
        if isinstance(data, list):
            raise Invalid(f"{what}: its part {part.id.hex()} is a part and has parts itself")
        if len(data) != part.size:
            raise Invalid(f"{what}: its part {part.id.hex()} has {len(data)} bytes, not {part.size}")
        return data

    def read(self, id: ObjectId, most: int) -> bytes:
        """Return an object's bytes, checked.

        Args:
            most: Bytes; a larger object is refused before it is read.

        Raises:
            NotFound: If it is in no pack.
            Invalid: If it is damaged or too large.
        """
        size = self.size(id)
        if size > most:
            raise Invalid(f"object {id} has {size} bytes; at most {most} are expected here")
        return b"".join(self.stream(id))
