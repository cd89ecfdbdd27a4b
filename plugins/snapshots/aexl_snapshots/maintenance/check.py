"""Whether a store is sound: that all that is reachable is there, and that every stored byte is what it should be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aexl.api import BlobStore, ObjectId
from aexl.errors import AexlError, Invalid, NotFound, Unavailable
from aexl_snapshots.layout import FORMAT_NAME, check_format
from aexl_snapshots.loops import each_parallel, in_thread
from aexl_snapshots.maintenance.data import read_packs
from aexl_snapshots.maintenance.marks import read_marks
from aexl_snapshots.maintenance.walk import Reached, walk
from aexl_snapshots.packs import pack_id, pack_name
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.records import KINDS, Record
from aexl_snapshots.stores.objects import StoreObjects, read_record

_PARALLEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong with a store.

    Attributes:
        name: What is damaged or missing: an object's id, ``packs/…``, ``heads/…``.
        problem: A sentence.
        snapshots: Which snapshots need it; those that do not say may be whole.
    """

    name: str
    problem: str
    snapshots: Sequence[ObjectId] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check saw.

    Attributes:
        findings: What is wrong; a store without any is sound, as far as was looked.
        read: Bytes of packs that were read and compared.
    """

    findings: Sequence[Finding]
    packs: int
    objects: int
    snapshots: int
    read: int

    @property
    def is_sound(self) -> bool:
        """Nothing is wrong."""
        return not self.findings


def parse_subset(text: str) -> tuple[int, int]:
    """Return ``n/m`` as numbers.

    Raises:
        Invalid: If it is not one, with 1 <= n <= m <= 10,000.
    """
    n, slash, m = text.partition("/")
    if not slash or not n.isdecimal() or not m.isdecimal() or not 1 <= int(n) <= int(m) <= 10_000:
        raise Invalid(f"{text!r} is not n/m: with 1/7 to 7/7, seven checks read everything once")
    return int(n), int(m)


async def check(
    store: BlobStore,
    where: str,
    *,
    read_data: bool = False,
    subset: tuple[int, int] = (1, 1),
    extra: Collection[ObjectId] = (),
    trusted: Sequence[str] = (),
    meter: Meter | None = None,
) -> Report:
    """Look through a store; change nothing.

    Args:
        read_data: Also read every pack and compare every byte.
        subset: Of the packs, read the n-th of m parts only; which part a pack is in, its id says.
        extra: Snapshots that must be whole too, beside what the records point to.
        trusted: Public keys; if any are given, each snapshot must be signed by one of them.

    Raises:
        Unavailable: If the store cannot be reached.
    """
    return await _Check(store, where, meter or unwatched(), tuple(trusted)).run(extra, subset if read_data else None)


class _Check:
    def __init__(self, store: BlobStore, where: str, meter: Meter, trusted: tuple[str, ...]) -> None:
        self._store = store
        self._where = where
        self._meter = meter
        self._trusted = trusted
        self._findings: dict[tuple[str, str], set[ObjectId]] = {}
        self._objects = StoreObjects(store, where)
        self._read = 0

    def _note(self, name: str, error: str, *snapshots: ObjectId) -> None:
        self._findings.setdefault((name, error), set()).update(snapshots)

    async def run(self, extra: Collection[ObjectId], subset: tuple[int, int] | None) -> Report:
        records = await self._check_records()
        await self._check_packs(records)
        roots = {record.snapshot for record in records} | set(extra)
        reached = await walk(self._objects, roots, self._note)
        await self._check_signatures(reached)
        if subset is not None:
            damaged = await self._check_data(subset)
            await self._name_snapshots(reached, damaged)
        findings = [
            Finding(name=name, problem=problem, snapshots=sorted(snapshots))
            for (name, problem), snapshots in sorted(self._findings.items())
        ]
        return Report(
            findings=findings,
            packs=len(self._objects.packs),
            objects=len(reached.objects),
            snapshots=len(reached.snapshots),
            read=self._read,
        )

    async def _check_records(self) -> list[Record]:
        records = []
        try:
            check_format(await self._store.get(FORMAT_NAME), self._where)
        except (Invalid, NotFound) as error:
            self._note(FORMAT_NAME, str(error))
        for kind in KINDS:
            for name in await self._store.list(f"{kind}/"):
                try:
                    found = await read_record(self._store, name, self._where)
                except Invalid as error:
                    self._note(name, str(error))
                else:
                    records += [found[0]] if found else []
        try:
            await read_marks(self._store, self._where)
        except Invalid as error:
            self._note("gc/marks", str(error))
        return records

    async def _check_packs(self, records: Sequence[Record]) -> None:
        sizes: dict[ObjectId, int | None] = {}
        for name in await self._store.list("packs/"):
            id = pack_id(name)
            if id is None:
                self._note(name, f"{name} is not a pack's name")
            else:
                sizes[id] = None
        for record in records:
            sizes.update(record.packs)

        async def load(pack_size: tuple[ObjectId, int | None]) -> None:
            try:
                await self._objects.load([pack_size])
            except (Invalid, NotFound) as error:
                self._note(pack_name(pack_size[0]), str(error))

        await each_parallel(sorted(sizes.items()), load, _PARALLEL)

    async def _check_signatures(self, reached: Reached) -> None:
        for id in sorted(reached.snapshots):
            try:
                snapshot = await self._objects.snapshot(id)
            except Unavailable:
                raise
            except AexlError:
                continue  # the walk has said so
            try:
                await in_thread(snapshot.verify, self._trusted)
            except Invalid as error:
                self._note(id, str(error), id)

    async def _check_data(self, subset: tuple[int, int]) -> set[ObjectId]:
        number, of = subset
        chosen = sorted(id for id in self._objects.packs if int(id[:8], 16) % of == number - 1)
        damaged: set[ObjectId] = set()
        in_parts: set[ObjectId] = set()
        for seen in await read_packs(self._objects, chosen, self._meter):
            for name, problem in seen.problems:
                self._note(name, problem)
            damaged.update(map(ObjectId, seen.damaged))
            in_parts.update(map(ObjectId, seen.unproven))
            self._read += seen.read
        for id in sorted(in_parts - damaged):
            try:
                await self._objects.check_parts(id)
            except (Invalid, NotFound) as error:
                damaged.add(id)
                self._note(id, str(error))
        return damaged

    async def _name_snapshots(self, reached: Reached, damaged: set[ObjectId]) -> None:
        """Say which snapshots need the objects that are damaged."""
        if not damaged:
            return
        users: dict[ObjectId, set[ObjectId]] = {id: set() for id in damaged}
        for id in reached.snapshots:
            for each in await self._needs(id):
                if each in users:
                    users[each].add(id)
        for (name, _), snapshots in self._findings.items():
            snapshots.update(users.get(ObjectId(name), ()))

    async def _needs(self, snapshot: ObjectId) -> set[ObjectId]:
        needs = {snapshot}
        try:
            manifest = (await self._objects.snapshot(snapshot)).manifest
            needs.add(manifest)
            needs.update(entry.id for entry in await self._objects.manifest(manifest))
            for id in list(needs):
                needs.update(ObjectId(part.id.hex()) for part in await self._objects.parts(id))
        except Unavailable:
            raise
        except AexlError:
            return needs  # what can be known of it
        return needs
