"""Getting snapshots from a store: packs first, checked byte by byte; then what points to them.

A pack that was fetched whole stays, so that a fetch that was broken off goes on
where it was. Nothing outside the repository is touched, and nothing in it points
to a snapshot of which anything is missing or wrong.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexl.api import BlobStore, ObjectId
from aexl.errors import Conflict, HeadMoved, Invalid, NotFound
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.layout import FORMAT_NAME, check_format
from aexl_snapshots.loops import InThread, each_parallel, in_thread, shielded
from aexl_snapshots.objects import pack
from aexl_snapshots.objects.examination import examine
from aexl_snapshots.packs import pack_name
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.records import Record
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.objects import read_end, read_record
from aexl_snapshots.sync.proof import Proof, proven_snapshots

PARALLEL: Final = 4
_BLOCK: Final = 4 * 1024 * 1024
_ATTEMPTS: Final = 5
_WHOLE: Final = 0.5
"""A pack of which this share is needed is fetched whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a fetch brought.

    Attributes:
        heads: Where the store's heads point now.
        before: Where they pointed when the store was last asked.
        tags: The store's tags; those that are new have been made here.
        clashes: Tags that mean another snapshot here; they stay as they are.
        received: Bytes of packs that came over.
    """

    heads: Mapping[str, ObjectId]
    before: Mapping[str, ObjectId]
    tags: Mapping[str, ObjectId]
    clashes: Sequence[str]
    received: int


async def fetch(
    repository: Repository,
    store: BlobStore,
    where: str,
    remote: str,
    *,
    heads: Sequence[str] | None = None,
    tags: bool = True,
    trusted: Sequence[str] = (),
    meter: Meter | None = None,
    parallel: int = PARALLEL,
) -> Fetched:
    """Bring what a store's heads and tags point to, and remember where they point.

    Args:
        remote: The name under which ``Repository.tracked`` remembers the heads.
        heads: Only these; all of them if ``None``.
        trusted: Public keys; if any are given, each new snapshot must be signed by one of them.

    Raises:
        NotFound: If there are no snapshots, a head that was named does not exist, or an object is missing; names it.
        Invalid: If an object is damaged or breaks the format's rules; names it.
        Unavailable: If the store cannot be reached.
    """
    work = _Fetch(repository, store, where, meter or unwatched(), parallel, tuple(trusted))
    async with InThread(repository.writing()):
        return await work.run(remote, heads, tags=tags)


class _Fetch:
    def __init__(
        self,
        repository: Repository,
        store: BlobStore,
        where: str,
        meter: Meter,
        parallel: int,
        trusted: tuple[str, ...],
    ) -> None:
        self._repository = repository
        self._store = store
        self._where = where
        self._meter = meter
        self._parallel = parallel
        self._trusted = trusted
        self._received = 0
        self._proven: set[ObjectId] = set()

    async def run(self, remote: str, heads: Sequence[str] | None, *, tags: bool) -> Fetched:
        records: dict[str, Record] = {}
        for attempt in range(_ATTEMPTS):
            names = [f"heads/{head}" for head in heads] if heads is not None else list(await self._store.list("heads/"))
            names += await self._store.list("tags/") if tags else []
            if not names:
                await self._check_begun()
            records = {name: await self._record(name) for name in names}
            try:
                await self._bring(list(records.values()))
                break
            except NotFound:
                # gc may have gathered packs since the records were read; they are gone for good if not
                if attempt == _ATTEMPTS - 1 or {name: await self._record(name) for name in names} == records:
                    raise
        return await in_thread(self._remember, remote, records)

    async def _check_begun(self) -> None:
        try:
            check_format(await self._store.get(FORMAT_NAME), self._where)
        except NotFound as error:
            raise NotFound(f"there are no snapshots at {self._where}; the first push begins them") from error

    async def _record(self, name: str) -> Record:
        found = await read_record(self._store, name, self._where)
        if found is None:
            raise NotFound(f"{self._where} has no {name}")
        return found[0]

    async def _bring(self, found: Sequence[Record]) -> None:
        wanted = sorted({each for record in found for each in record.packs})
        here = self._repository.packs
        await in_thread(here.refresh)
        missing = [(id, size) for id, size in wanted if id not in here.packs]
        proven = await in_thread(proven_snapshots, self._repository)
        new = {record.snapshot for record in found} - proven
        if not new:
            return
        self._meter.begin("pulling", sum(size for _, size in missing))
        await each_parallel(missing, self._bring_pack, self._parallel)
        await in_thread(here.refresh)
        proof = Proof(self._repository, self._where, proven, self._proven, self._trusted)
        for snapshot in sorted(new):
            await in_thread(proof.accept, snapshot)

    async def _bring_pack(self, pack_size: tuple[ObjectId, int]) -> None:
        id, size = pack_size
        rows, data = await self._read_index(id, size)
        here = self._repository.packs
        needed = [row for row in rows if pack.object_of(row) not in here]
        weight = sum(row.stored for row in needed)
        if weight >= _WHOLE * size or size <= _BLOCK:
            if needed:
                await self._bring_whole(id, size, rows, data)
            else:
                self._meter.add(size)
        else:
            await self._bring_some(id, needed)
            self._meter.add(size - weight)

    async def _read_index(self, id: ObjectId, size: int) -> tuple[Sequence[pack.Row], bytes]:
        """Return a pack's rows; where it is so small that all of it came with them, its bytes, too."""
        kept = self._repository.indexes
        rows = await in_thread(kept.read, id, size)
        if rows is not None:
            return rows, b""
        end = await read_end(self._store, id, size, self._where)
        await in_thread(kept.keep, id, size, end.rows)
        return end.rows, end.data if end.is_all else b""

    async def _bring_whole(self, id: ObjectId, size: int, rows: Sequence[pack.Row], data: bytes) -> None:
        directory = self._repository.directory
        path, descriptor = await in_thread(directory.start_file)
        adopted = False
        try:
            try:
                for start in range(0, size, _BLOCK):
                    wanted = min(_BLOCK, size - start)
                    block = data or await self._store.get(pack_name(id), start=start, length=wanted)
                    await in_thread(self._write, path, descriptor, block)
                    self._received += len(block)
                    self._meter.add(len(block))
                await in_thread(self._finish, path, descriptor, id, size, rows)
            finally:
                os.close(descriptor)
            with shielded():
                await in_thread(directory.adopt, path, pack_name(id))
            adopted = True
        finally:
            if not adopted:
                directory.discard(path)

    def _write(self, path: Path, descriptor: int, block: bytes) -> None:
        with disk_errors(path):
            self._repository.directory.files.write(descriptor, block)

    def _finish(self, path: Path, descriptor: int, id: ObjectId, size: int, rows: Sequence[pack.Row]) -> None:
        what = f"pack {id} at {self._where}"
        with disk_errors(path):
            data = os.pread(descriptor, size + 1, 0)
            seen = examine(data, rows, what, self._repository.packs.hand_over)
            seen.refuse()
            if hashlib.sha256(data).hexdigest() != id:
                raise Invalid(f"{what} is damaged outside its objects, or cut off")
            self._proven |= seen.proven
            self._repository.directory.files.fsync(descriptor)

    async def _bring_some(self, id: ObjectId, needed: Sequence[pack.Row]) -> None:
        runs: list[tuple[Sequence[pack.Row], bytes]] = []
        for run in pack.runs(needed, _BLOCK):
            length = run[-1].offset + run[-1].stored - run[0].offset
            runs.append((run, await self._store.get(pack_name(id), start=run[0].offset, length=length)))
            self._received += length
            self._meter.add(length)
        await in_thread(self._keep, f"pack {id} at {self._where}", runs)

    def _keep(self, what: str, runs: Sequence[tuple[Sequence[pack.Row], bytes]]) -> None:
        with self._repository.writer() as writer:
            for run, block in runs:
                for row in run:
                    begin = row.offset - run[0].offset
                    frame = block[begin : begin + row.stored]
                    pack.open_frame(row, frame, what)
                    writer.put_frame(row, frame)

    def _remember(self, remote: str, records: Mapping[str, Record]) -> Fetched:
        heads = {
            name.removeprefix("heads/"): each.snapshot for name, each in records.items() if name.startswith("heads/")
        }
        tags = {name.removeprefix("tags/"): each.snapshot for name, each in records.items() if name.startswith("tags/")}
        before = dict(self._repository.tracked(remote))
        for head, snapshot in heads.items():
            self._repository.track(remote, head, snapshot)
        clashes = []
        for tag, snapshot in tags.items():
            try:
                self._repository.tag(tag, snapshot)
            except (Conflict, HeadMoved):
                clashes.append(tag)
        return Fetched(heads=heads, before=before, tags=tags, clashes=clashes, received=self._received)
