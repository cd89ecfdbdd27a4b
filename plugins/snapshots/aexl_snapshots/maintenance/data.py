"""Every byte of some packs, read and compared: several packs at a time, in threads or in two processes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial

import msgspec

from aexl.api import ObjectId
from aexl.errors import NotFound
from aexl_snapshots.loops import each_parallel, has_loop, in_thread, run_without_loop
from aexl_snapshots.objects import pack
from aexl_snapshots.objects.examination import examine
from aexl_snapshots.packs import pack_name
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.stores.objects import StoreObjects
from aexl_snapshots.twofold import in_two

_PARALLEL = 4


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a pack.

    Attributes:
        problems: Names of what is damaged or missing, with a sentence for each.
        damaged: The objects among them.
        unproven: Objects in parts that are not all in this pack.
        read: Bytes.
    """

    problems: list[tuple[str, str]]
    damaged: list[str] = []
    unproven: list[str] = []
    read: int = 0


async def read_packs(objects: StoreObjects, packs: Sequence[ObjectId], meter: Meter) -> list[Looked]:
    """Read packs whose indexes are known.

    Raises:
        Unavailable: If the store cannot be reached.
    """
    work = _Reading(objects)
    meter.begin("checking", sum(map(work.size, packs)))
    if not has_loop():
        return work.read_here(packs, meter)
    looked: list[Looked] = []

    async def read(id: ObjectId) -> None:
        looked.append(await work.read(id))
        meter.add(work.size(id))

    await each_parallel(packs, read, _PARALLEL)
    return looked


class _Reading:
    def __init__(self, objects: StoreObjects) -> None:
        self._objects = objects

    def size(self, id: ObjectId) -> int:
        return self._objects.packs[id][1]

    def read_here(self, packs: Sequence[ObjectId], meter: Meter) -> list[Looked]:
        """Read without a loop; the sizes of the packs are spread over both processes."""
        by_size = sorted(packs, key=self.size)
        spread = [*by_size[0::2], *by_size[1::2]]
        answers = in_two(spread, partial(self._read_all, meter), partial(self._read_all, unwatched()), list[Looked])
        mine = len(answers[0])
        meter.add(sum(map(self.size, spread[mine:])))
        return [looked for answer in answers for looked in answer]

    def _read_all(self, meter: Meter, packs: Sequence[ObjectId]) -> list[Looked]:
        looked = []
        for id in packs:
            looked.append(run_without_loop(partial(self.read, id)))
            meter.add(self.size(id))
        return looked

    async def read(self, id: ObjectId) -> Looked:
        try:
            data = await self._objects.store.get(pack_name(id))
        except NotFound as error:
            return Looked(problems=[(pack_name(id), str(error))])
        return await in_thread(self._compare, id, data)

    def _compare(self, id: ObjectId, data: bytes) -> Looked:
        rows, size = self._objects.packs[id]
        what = f"pack {id} at {self._objects.where}"
        seen = examine(data, rows, what)
        problems: list[tuple[str, str]] = [(each, str(error)) for each, error in seen.problems]
        if len(data) != size or (not problems and hashlib.sha256(data).hexdigest() != id):
            problems.append((pack_name(id), f"{what} is damaged outside its objects, or has another length"))
        return Looked(
            problems=problems,
            damaged=[each for each, _ in seen.problems],
            unproven=sorted({pack.object_of(row) for row in rows if row.kind == pack.PARTS} - seen.proven),
            read=len(data),
        )
