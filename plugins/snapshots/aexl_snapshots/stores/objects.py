"""Objects in a store that is somewhere else: found by the indexes of its packs, read by ranges, each checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

from aexl.api import BlobStore, ObjectId
from aexl.errors import Invalid, NotFound
from aexl_snapshots.loops import each_parallel, in_thread
from aexl_snapshots.objects import manifest as manifests
from aexl_snapshots.objects import pack
from aexl_snapshots.objects import snapshot as snapshots
from aexl_snapshots.objects.ids import id_bytes
from aexl_snapshots.objects.manifest import Manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.packs import PackSet, pack_name
from aexl_snapshots.records import Record
from aexl_snapshots.stores.indexes import IndexCache

T = TypeVar("T")

TAIL: Final = 64 * 1024
"""Bytes asked for first of a pack's end; holds the whole index of a pack of up to 1,200 objects."""

_SMALL: Final = 64 * 1024
_CACHED: Final = 64 * 1024 * 1024
"""Raw bytes of small objects that are kept: manifests share parts, and history is walked more than once.

So many bytes of small packs are kept as well.
"""


async def read_record(store: BlobStore, name: str, where: str) -> tuple[Record, str] | None:
    """Return a record and its version, ``None`` if there is none.

    Raises:
        Invalid: If it is damaged; names it.
    """
    try:
        data, version = await store.get_versioned(name)
    except NotFound:
        return None
    return Record.decode(data, f"{name} at {where}"), version


class End(NamedTuple):
    """What was read of a pack.

    Attributes:
        size: Bytes of the pack.
        data: Its last ``TAIL`` bytes; all of a smaller pack.
    """

    rows: list[pack.Row]
    size: int
    data: bytes

    @property
    def is_all(self) -> bool:
        """Whether the pack is so small that all of it came with its index."""
        return len(self.data) == self.size


async def read_end(store: BlobStore, id: ObjectId, size: int | None, where: str) -> End:
    """Return the rows of a pack, and what came with them.

    Args:
        size: What the record says it has; ``None`` if nobody says.

    Raises:
        NotFound: If there is no such pack.
        Invalid: If it has another size, or is damaged; names it.
    """
    what, name = f"pack {id} at {where}", pack_name(id)
    tail: bytes | None = None
    if size is None:
        begin = await store.get(name, start=0, length=TAIL + 1)
        if len(begin) <= TAIL:
            size, tail = len(begin), begin
        else:
            size = await _measure(store, name)
    start = max(0, size - TAIL)
    if tail is None:
        tail = await store.get(name, start=start, length=min(size, TAIL) + 1)
    if len(tail) != size - start:
        raise Invalid(f"{what} does not have the {size} bytes that it should have")
    footer = pack.decode_footer(tail[-pack.FOOTER_SIZE :], size, what)
    if footer.index_size + pack.FOOTER_SIZE <= len(tail):
        index = tail[-footer.index_size - pack.FOOTER_SIZE : -pack.FOOTER_SIZE]
    else:
        index = await store.get(name, start=footer.offset, length=footer.index_size)
    return End(pack.decode_index(index, footer, what), size, tail)


async def _measure(store: BlobStore, name: str) -> int:
    """Find the size of a blob of more than ``TAIL`` bytes by asking for ranges: stores need not tell it."""
    low, high = TAIL + 1, pack.LARGEST + 1  # a byte before ``low`` exists, none at ``high``
    while low < high:
        middle = (low + high) // 2
        if await store.get(name, start=middle, length=1):
            low = middle + 1
        else:
            high = middle
    return low


class StoreObjects:
    """The objects of some packs of a store.

    Args:
        here: Packs that are on this machine too, whose rows are known without asking, by id.
        cache: Where indexes are kept that were asked for.

    Attributes:
        packs: The packs, their rows and bytes.
    """

    def __init__(
        self,
        store: BlobStore,
        where: str,
        *,
        parallel: int = 8,
        here: PackSet | None = None,
        cache: IndexCache | None = None,
    ) -> None:
        self.store = store
        self.where = where
        self.packs: dict[ObjectId, tuple[Sequence[pack.Row], int]] = {}
        self._parallel = parallel
        self._here = here
        self._kept = cache
        self._where: dict[bytes, tuple[ObjectId, pack.Row]] = {}
        self._cache: dict[ObjectId, bytes | list[pack.Part]] = {}
        self._cached = 0
        self._whole: dict[ObjectId, bytes] = {}
        self._room = _CACHED

    async def load(self, packs: Iterable[tuple[ObjectId, int | None]]) -> None:
        """Read the indexes of packs that are not known yet.

        Raises:
            NotFound: If one is not there (any more).
            Invalid: If one is damaged.
        """
        wanted = [each for each in packs if each[0] not in self.packs]
        if self._here is not None or self._kept is not None:
            wanted = await in_thread(self._recall_all, wanted)
        await each_parallel(wanted, self._load_one, self._parallel)

    async def _load_one(self, pack_size: tuple[ObjectId, int | None]) -> None:
        id, known = pack_size
        end = await read_end(self.store, id, known, self.where)
        if self._kept is not None:
            await in_thread(self._kept.keep, id, end.size, end.rows)
        if end.is_all and self._room >= end.size:
            self._room -= end.size
            self._whole[id] = end.data
        self.add(id, end.rows, end.size)

    def _recall_all(self, packs: Sequence[tuple[ObjectId, int | None]]) -> list[tuple[ObjectId, int | None]]:
        """Add the packs whose rows need not be asked for; return the others."""
        others = []
        here = self._here.packs if self._here is not None else {}
        for id, size in packs:
            mine = here.get(id)
            rows: Sequence[pack.Row] | None = mine.rows if mine is not None and mine.size == size else None
            if rows is None and self._kept is not None and size is not None:
                rows = self._kept.read(id, size)
            if rows is None or size is None:
                others.append((id, size))
            else:
                self.add(id, rows, size)
        return others

    def add(self, id: ObjectId, rows: Sequence[pack.Row], size: int) -> None:
        """Know a pack's rows."""
        self.packs[id] = rows, size
        for row in rows:
            self._where.setdefault(row.id, (id, row))

    def drop(self, id: ObjectId) -> None:
        """Forget a pack; objects that are in it only are unknown again."""
        rows, _ = self.packs.pop(id)
        self._whole.pop(id, None)
        for row in rows:
            if self._where.get(row.id, ("", None))[0] == id:
                del self._where[row.id]
        for other, (others, _) in self.packs.items():
            for row in others:
                self._where.setdefault(row.id, (other, row))

    def find(self, id: ObjectId) -> tuple[ObjectId, pack.Row] | None:
        """Return which pack an object is in, and where."""
        return self._where.get(id_bytes(id))

    def __contains__(self, id: ObjectId) -> bool:
        return id_bytes(id) in self._where

    def locate(self, id: ObjectId) -> tuple[ObjectId, pack.Row]:
        """Return which pack an object is in, and where.

        Raises:
            NotFound: If it is in none.
        """
        found = self.find(id)
        if found is None:
            raise NotFound(f"the object {id} is in no pack at {self.where}")
        return found

    async def frame(self, pack_id: ObjectId, row: pack.Row) -> bytes:
        """Return a frame as it is stored; without asking, if all of its pack came with the index."""
        if whole := self._whole.get(pack_id):
            return whole[row.offset : row.offset + row.stored]
        return await self.store.get(pack_name(pack_id), start=row.offset, length=row.stored)

    async def opened(self, id: ObjectId) -> bytes | list[pack.Part]:
        """Return an object's checked bytes, or its parts."""
        if (cached := self._cache.get(id)) is not None:
            return cached
        found, row = self.locate(id)
        data = pack.open_frame(row, await self.frame(found, row), f"pack {found} at {self.where}")
        if row.size <= _SMALL:
            if self._cached + row.size > _CACHED:
                self._cache.clear()
                self._cached = 0
            self._cache[id] = data
            self._cached += row.size
        return data

    async def parts(self, id: ObjectId) -> list[pack.Part]:
        """Return an object's parts; none if it is whole."""
        if self.locate(id)[1].kind == pack.WHOLE:
            return []
        parts = await self.opened(id)
        assert isinstance(parts, list)
        return parts

    async def check_parts(self, id: ObjectId) -> None:
        """Hold an object in parts to its id, a part at a time.

        Raises:
            Invalid: If its bytes have another hash.
            NotFound: If a part is missing.
        """
        digest = hashlib.sha256()
        for part in await self.parts(id):
            data = await self.opened(ObjectId(part.id.hex()))
            if isinstance(data, list) or len(data) != part.size:
                raise Invalid(f"object {id} at {self.where} is damaged: its part {part.id.hex()} is not one")
            digest.update(data)
        if digest.hexdigest() != id:
            raise Invalid(f"object {id} at {self.where} is damaged: its parts are not its bytes")

    async def read(self, id: ObjectId, most: int) -> bytes:
        """Return an object's bytes, checked.

        Raises:
            NotFound: If it is in no pack.
            Invalid: If it is damaged, or has more than ``most`` bytes.
        """
        size = self.locate(id)[1].size
        if size > most:
            raise Invalid(f"object {id} at {self.where} has {size} bytes; at most {most} are expected here")
        data = await self.opened(id)
        if isinstance(data, list):
            pieces = [await self.opened(ObjectId(part.id.hex())) for part in data]
            data = b"".join(piece for piece in pieces if isinstance(piece, bytes))
            if hashlib.sha256(data).hexdigest() != id:
                raise Invalid(f"object {id} at {self.where} is damaged: its parts are not its bytes")
        return data

    async def snapshot(self, id: ObjectId) -> Snapshot:
        """Return a snapshot."""
        return Snapshot.decode(await self.read(id, snapshots.MAX_BYTES))

    async def manifest(self, id: ObjectId) -> Manifest:
        """Return a manifest."""
        return Manifest.decode(await self.read(id, manifests.MAX_BYTES))
