"""Collecting what nothing refers to, and gathering small packs.

In this order, so that it may be killed anywhere, and pushes may go on beside it:

1. What is reachable is found.
2. Packs that are mostly garbage, and small ones if there are many, are written anew.
3. The records are swapped, one by one, to name the packs that hold them now.
4. Packs that nothing refers to are marked with the time.
5. Those marked for longer than the grace period are doomed, looked for in the records once more, and removed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from aexl.api import BlobStore, ObjectId, uuid7
from aexl.errors import AexlError, HeadMoved
from aexl_snapshots.loops import each_parallel, in_thread, shielded
from aexl_snapshots.maintenance.lease import GcLease
from aexl_snapshots.maintenance.marks import Marks, change_marks
from aexl_snapshots.maintenance.walk import read_records, walk
from aexl_snapshots.objects import pack
from aexl_snapshots.packs import pack_id, pack_name
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.records import Record, next_record
from aexl_snapshots.stores.objects import StoreObjects

SMALL: Final = 4 * 1024 * 1024
MANY: Final = 16
"""Packs below ``SMALL`` bytes are gathered when there are more than this."""

_GARBAGE: Final = 0.25
"""Share of a pack's bytes that may be garbage."""

_PARALLEL: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a gc did.

    Attributes:
        removed: Packs that are gone, and their bytes.
        waiting: Packs that nothing refers to, kept until their grace period is over.
        gathered: Packs that were written anew.
    """

    removed: int
    removed_bytes: int
    waiting: int
    gathered: int
    packs: int


async def collect(
    store: BlobStore,
    where: str,
    *,
    grace: float,
    roots: Collection[ObjectId] = (),
    keep: Collection[ObjectId] = (),
    meter: Meter | None = None,
) -> Collected:
    """Collect the garbage of a store.

    Args:
        grace: Seconds that something unreachable is kept, counted from the first gc
            that sees it so. Zero removes at once, and is safe only when nobody pushes.
        roots: Snapshots to keep beside what the records point to.
        keep: Objects to keep, such as those that are staged.

    Raises:
        Unavailable: If another gc works there, or the store cannot be reached.
        Invalid: If the store is not sound: nothing is removed from such a one.
    """
    lease = GcLease(store, where, uuid7())
    await lease.take()
    try:
        return await _Gc(store, where, lease, meter or unwatched()).run(grace, roots, keep)
    finally:
        with shielded(10), suppress(AexlError):  # it ends by itself otherwise
            await lease.give_back()


class _Gc:
    def __init__(self, store: BlobStore, where: str, lease: GcLease, meter: Meter) -> None:
        self._store = store
        self._where = where
        self._lease = lease
        self._meter = meter
        self._objects = StoreObjects(store, where)
        self._fresh: set[ObjectId] = set()

    async def run(self, grace: float, roots: Collection[ObjectId], keep: Collection[ObjectId]) -> Collected:
        names = await self._store.list("packs/")
        records = await read_records(self._store, self._where)
        listed: dict[ObjectId, int | None] = {id: None for name in names if (id := pack_id(name))}
        for record, _ in records.values():
            listed.update(record.packs)
        await self._objects.load(sorted(listed.items()))
        everything = await self._reachable({record.snapshot for record, _ in records.values()} | set(roots), keep)
        old = set(self._objects.packs)
        stale = self._stale(everything)
        gathered = await self._rewrite(stale, everything)
        homes = self._homes(everything, stale)
        for name, (record, version) in records.items():
            await self._lease.renew()
            await self._point(name, record, version, homes)
        kept = set(homes.values())
        marks = await self._mark(old - kept)
        removed = await self._remove(marks, grace)
        return Collected(
            removed=len(removed),
            removed_bytes=sum(self._objects.packs[id][1] for id in removed),
            waiting=len(old - kept) - len(removed),
            gathered=gathered,
            packs=len(kept),
        )

    async def _reachable(self, roots: Collection[ObjectId], keep: Collection[ObjectId]) -> set[ObjectId]:
        reached = (await walk(self._objects, sorted(roots))).objects
        for id in keep:
            if id in self._objects and id not in reached:
                reached.add(id)
                reached.update(ObjectId(part.id.hex()) for part in await self._objects.parts(id))
        return reached

    def _stale(self, live: set[ObjectId]) -> set[ObjectId]:
        """Return the packs that shall not be used any more: too much garbage, or small and many."""
        stale = {id for id, (rows, size) in self._objects.packs.items() if _is_wasteful(rows, size, live)}
        used = set(self._homes(live, stale).values())
        small = {id for id in used if self._objects.packs[id][1] < SMALL}
        return stale | (small if len(small) > MANY else set())

    def _homes(self, live: set[ObjectId], stale: set[ObjectId]) -> dict[ObjectId, ObjectId]:
        """Return one pack for each live object, the fewest packs that a simple look finds."""
        homes: dict[ObjectId, ObjectId] = {}
        by_size = sorted(self._objects.packs.items(), key=lambda each: (-len(each[1][0]), each[0]))
        for id, (rows, _) in by_size:
            if id not in stale:
                for row in rows:
                    if (each := pack.object_of(row)) in live:
                        homes.setdefault(each, id)
        return homes

    async def _rewrite(self, stale: set[ObjectId], live: set[ObjectId]) -> int:
        """Write the live objects of these packs, that no other pack has, into new ones."""
        there = self._homes(live, stale)
        wanted = [
            (id, row)
            for id in sorted(stale)
            for row in self._objects.packs[id][0]
            if pack.object_of(row) in live and pack.object_of(row) not in there
        ]
        seen: set[bytes] = set()
        buffer = pack.PackBuffer()
        self._meter.begin("packing", sum(row.stored for _, row in wanted))
        for id, run in _runs(wanted):
            start = run[0].offset
            length = run[-1].offset + run[-1].stored - start
            block = await self._store.get(pack_name(id), start=start, length=length)
            self._meter.add(length)
            for row in run:
                if row.id not in seen:
                    seen.add(row.id)
                    frame = block[row.offset - start : row.offset - start + row.stored]
                    pack.open_frame(row, frame, f"pack {id} at {self._where}")
                    buffer.add(row, frame)
                    if buffer.is_full:
                        await self._put(buffer)
                        buffer = pack.PackBuffer()
        if buffer.rows:
            await self._put(buffer)
        stale -= self._fresh
        return len({id for id, _ in wanted})

    async def _put(self, buffer: pack.PackBuffer) -> None:
        id, data = await in_thread(buffer.finish)
        await self._lease.renew()
        await self._store.put_if_absent(pack_name(id), data)
        self._objects.add(id, buffer.rows, len(data))
        self._fresh.add(id)

    async def _point(self, name: str, record: Record, version: str, homes: dict[ObjectId, ObjectId]) -> None:
        """Let a record name the packs that hold it now; leave one that somebody has moved."""
        reached = (await walk(self._objects, [record.snapshot])).objects
        packs = tuple(sorted((id, self._objects.packs[id][1]) for id in {homes[each] for each in reached}))
        if packs == record.packs:
            return
        gathered = next_record(record, record.snapshot, packs, uuid7(), int(time.time() * 1000))
        with suppress(HeadMoved):
            await self._store.put_if_match(name, gathered.encode(), version=version)

    async def _mark(self, unused: set[ObjectId]) -> Marks:
        now = int(time.time() * 1000)
        referred = await self._referred()

        def mark(marks: Marks) -> Marks:
            marked = {id: marks.marked.get(id, now) for id in sorted(unused - referred)}
            return msgspec.structs.replace(marks, marked=marked)

        return await change_marks(self._store, self._where, mark)

    async def _referred(self) -> set[ObjectId]:
        records = await read_records(self._store, self._where)
        return {id for record, _ in records.values() for id, _ in record.packs}

    async def _remove(self, marks: Marks, grace: float) -> list[ObjectId]:
        now = time.time()
        old = {id for id, since in marks.marked.items() if since / 1000 + grace <= now}
        if not old and not marks.doomed:
            return []
        await self._lease.renew()

        def doom(current: Marks) -> Marks:
            still = tuple(sorted(old & current.marked.keys()))
            marked = {id: since for id, since in current.marked.items() if id not in still}
            return msgspec.structs.replace(current, marked=marked, doomed=still)

        doomed = (await change_marks(self._store, self._where, doom)).doomed
        referred = await self._referred()
        removed = [ObjectId(id) for id in doomed if id not in referred]

        async def delete(id: ObjectId) -> None:
            await self._store.delete(pack_name(id))

        await each_parallel(removed, delete, _PARALLEL)
        await change_marks(self._store, self._where, lambda current: msgspec.structs.replace(current, doomed=()))
        return removed


def _is_wasteful(rows: Sequence[pack.Row], size: int, live: set[ObjectId]) -> bool:
    """Say whether a pack is better written anew, or dropped; a list of parts must not outlive its parts."""
    dead = [row for row in rows if pack.object_of(row) not in live]
    return sum(row.stored for row in dead) > _GARBAGE * size or any(row.kind == pack.PARTS for row in dead)


def _runs(wanted: Sequence[tuple[ObjectId, pack.Row]]) -> Iterator[tuple[ObjectId, Sequence[pack.Row]]]:
    by_pack: dict[ObjectId, list[pack.Row]] = {}
    for id, row in wanted:
        by_pack.setdefault(id, []).append(row)
    for id, rows in by_pack.items():
        for run in pack.runs(rows, SMALL):
            yield id, run
