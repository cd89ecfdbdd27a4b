"""Sending a snapshot to a store: packs first, the head last, in one step.

Until the head has moved, nothing of a push is visible, so it may be broken off
anywhere; what had been sent is found again. The head is swapped for the version
that was read. Where the answer is lost, the head is read, and our own push
recognised by its id, also behind pushes that came later. Whoever shall hear of each
that lands is told before the swap (``Swap``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aexl.api import BlobStore, ObjectId, uuid7
from aexl.errors import Conflict, HeadMoved, Invalid, NotFound, Unavailable
from aexl_snapshots.layout import CURRENT_FORMAT, FORMAT_NAME, check_format
from aexl_snapshots.loops import InThread, each_parallel, in_thread, pause
from aexl_snapshots.maintenance.marks import keep_packs
from aexl_snapshots.objects import pack
from aexl_snapshots.packs import pack_name
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.records import DEFAULT_HEAD, MOST_PACKS, Record, Swap, next_record, ref_name
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.objects import StoreObjects, read_record
from aexl_snapshots.sync.plan import Upload, needed_objects, plan_uploads, repository_ancestors
from aexl_snapshots.tidying import SETTLED

Announce = Callable[[Swap], None]

PARALLEL: Final = 4
_ATTEMPTS: Final = 10
_SWAPS: Final = 6
_PUTS: Final = 5
_RESUMABLE: Final = 1024 * 1024
"""Bytes of a pack from which it pays to ask whether it is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did.

    Attributes:
        name: What was moved: ``heads/main``, ``tags/v1``.
        push: Names the push.
        before: Where it pointed; ``None`` if it is new, the same as ``after`` if there was nothing to do.
        sent: Bytes of packs that went over.
        packs: How many packs hold it now; with hundreds, ``gc`` gathers them.
    """

    name: str
    push: str
    before: ObjectId | None
    after: ObjectId
    sent: int
    objects: int
    packs: int

    @property
    def moved(self) -> bool:
        """Whether there was anything to do."""
        return self.before != self.after


async def push(
    repository: Repository,
    store: BlobStore,
    where: str,
    snapshot: ObjectId,
    *,
    head: str = DEFAULT_HEAD,
    lease: ObjectId | None = None,
    force: bool = False,
    meter: Meter | None = None,
    parallel: int = PARALLEL,
    announce: Announce | None = None,
) -> Pushed:
    """Let a head of a store point to a snapshot, with all that it needs.

    Args:
        where: The store's URL, for errors.
        lease: With ``force``, where the caller believes the head points now; ``None`` for no head.
        force: The head need not be among what the snapshot was made from; but it must be ``lease``.
        announce: Called in a worker thread before each attempt to swap; what it raises ends the push.

    Raises:
        HeadMoved: If the head is elsewhere; says what to do. What had been sent stays for the next attempt.
        Unavailable: If the store cannot be reached.
        Invalid: If an object here, or the head there, is damaged.
    """
    work = _Push(repository, store, where, ref_name("heads", head), meter or unwatched(), parallel, announce)
    async with InThread(repository.writing()):
        return await work.run(snapshot, lease, force=force)


async def push_tag(
    repository: Repository,
    store: BlobStore,
    where: str,
    tag: str,
    *,
    meter: Meter | None = None,
    parallel: int = PARALLEL,
    announce: Announce | None = None,
) -> Pushed:
    """Send a tag and all that it needs.

    Args:
        announce: As for ``push``.

    Raises:
        NotFound: If there is no such tag here.
        Conflict: If the store has another one of that name.
    """
    tags = await in_thread(repository.tags)
    if tag not in tags:
        raise NotFound(f"there is no tag {tag}")
    name = ref_name("tags", tag)
    there = await read_record(store, name, where)
    if there is not None and there[0].snapshot != tags[tag]:
        raise Conflict(f"{where} has a tag {tag} already, for {there[0].snapshot}; tags do not move")
    work = _Push(repository, store, where, name, meter or unwatched(), parallel, announce)
    async with InThread(repository.writing()):
        return await work.run(tags[tag], None, force=True)


class _Push:
    def __init__(
        self,
        repository: Repository,
        store: BlobStore,
        where: str,
        name: str,
        meter: Meter,
        parallel: int,
        announce: Announce | None,
    ) -> None:
        self._repository = repository
        self._store = store
        self._where = where
        self._name = name
        self._meter = meter
        self._parallel = parallel
        self._announce = announce
        self._push = uuid7()
        self._began = time.monotonic()
        self._sent = 0
        self._objects = 0
        self._made: dict[ObjectId, int] = {}
        self._found: set[ObjectId] = set()

    async def run(self, snapshot: ObjectId, lease: ObjectId | None, *, force: bool) -> Pushed:
        first: ObjectId | None = None
        for attempt in range(_ATTEMPTS):
            before, version = await read_record(self._store, self._name, self._where) or (None, None)
            at = before.snapshot if before else None
            first = at if attempt == 0 else first
            if before is not None and before.holds_push(self._push):
                return self._pushed(first, snapshot, before)
            if before is not None and at == snapshot:
                return self._pushed(at, snapshot, before)
            await self._check(at, snapshot, lease, force=force)
            record = await self._send(before, snapshot)
            await self._tell(before, record)
            if await self._swap(record, version, at):
                return self._pushed(first, snapshot, record)
        raise Unavailable(f"{self._name} at {self._where} changes all the time; try again")

    async def _tell(self, before: Record | None, record: Record) -> None:
        if self._announce is None:
            return
        swap = Swap(
            push=self._push,
            name=self._name,
            before=before.snapshot if before else None,
            after=record.snapshot,
            replaces=before.push if before else "",
            bytes=self._sent,
            time=record.time,
        )
        await in_thread(self._announce, swap)

    def _pushed(self, before: ObjectId | None, after: ObjectId, record: Record) -> Pushed:
        return Pushed(
            name=self._name,
            push=self._push,
            before=before,
            after=after,
            sent=self._sent,
            objects=self._objects,
            packs=len(record.packs),
        )

    async def _check(self, at: ObjectId | None, snapshot: ObjectId, lease: ObjectId | None, *, force: bool) -> None:
        if force:
            if at != lease:
                raise HeadMoved(
                    f"{self._name} at {self._where} is at {at or 'nothing'}, not at {lease or 'nothing'} as when you last "
                    "looked; run `aexl snapshot pull`, look at what came, and force again if you still mean it"
                )
            return
        if at is None:
            return
        follows = await in_thread(lambda: at in repository_ancestors(self._repository, snapshot))
        if not follows:
            raise HeadMoved(
                f"the head moved: {self._name} at {self._where} is at {at}, which {snapshot} was not made from; "
                "run `aexl snapshot pull`, then push again"
            )

    async def _send(self, before: Record | None, snapshot: ObjectId) -> Record:
        """Send what the store lacks; return the record that makes it visible."""
        base = before or await self._neighbour()
        here = self._repository
        known = StoreObjects(self._store, self._where, parallel=self._parallel, here=here.packs, cache=here.indexes)
        packs = base.packs if base else ()
        await known.load(packs)
        has = {row.id for rows, _ in known.packs.values() for row in rows}
        uploads = await in_thread(lambda: self._plan(snapshot, base.snapshot if base else None, has), abandon=True)
        if before is None:
            await self._begin()
        self._meter.begin("pushing", sum(upload.size for upload in uploads))
        made: list[tuple[ObjectId, int]] = []

        async def send(upload: Upload) -> None:
            id, data = await in_thread(upload.load)
            await self._put(id, data)
            await in_thread(self._know, id, data)
            made.append((id, len(data)))
            self._meter.add(upload.size)

        await each_parallel(uploads, send, self._parallel)
        self._objects = sum(upload.objects for upload in uploads)
        await self._check_sent(made)
        reused = {id for id, _ in packs} if before is None else set()
        await keep_packs(self._store, self._where, reused | self._found)
        everything = tuple({*packs, *made})
        if len(everything) > MOST_PACKS:
            raise Invalid(
                f"{self._where} has {len(everything)} packs, more than {MOST_PACKS}; run `aexl snapshot gc` there"
            )
        return next_record(before, snapshot, everything, self._push, int(time.time() * 1000))

    def _plan(self, snapshot: ObjectId, stop: ObjectId | None, has: set[bytes]) -> list[Upload]:
        needed = needed_objects(self._repository, snapshot, stop, has.__contains__)
        return plan_uploads(self._repository.packs, needed)

    def _know(self, id: ObjectId, data: bytes) -> None:
        """Keep the index of a pack that is there and not here: the next push or fetch would ask for it."""
        if id not in self._repository.packs.packs:
            self._repository.indexes.keep(id, len(data), pack.read_rows(data, f"pack {id}"))

    async def _neighbour(self) -> Record | None:
        """Return another head or tag of the store, whose packs a new one may share."""
        for prefix in ("heads/", "tags/"):
            for name in await self._store.list(prefix):
                found = await read_record(self._store, name, self._where)
                if found is not None and name != self._name:
                    return found[0]
        return None

    async def _begin(self) -> None:
        if not await self._put_again(FORMAT_NAME, CURRENT_FORMAT):
            check_format(await self._store.get(FORMAT_NAME), self._where)

    async def _put(self, id: ObjectId, data: bytes) -> None:
        if self._made.get(id) == len(data):
            return
        if len(data) >= _RESUMABLE and await self._is_there(id, data):
            self._found.add(id)
        elif await self._put_again(pack_name(id), data):
            self._sent += len(data)
            self._made[id] = len(data)
        else:
            self._found.add(id)

    async def _put_again(self, name: str, data: bytes) -> bool:
        """Put what has the same bytes whoever puts it, some times over if a request or an answer is lost."""
        for attempt in range(_PUTS - 1):
            with suppress(Unavailable):
                return await self._store.put_if_absent(name, data)
            await pause(0.05 * 2**attempt)
        return await self._store.put_if_absent(name, data)

    async def _check_sent(self, made: Sequence[tuple[ObjectId, int]]) -> None:
        """After a long time, see that what was sent is still there: whoever tidies the store may take it for left over.

        Raises:
            Unavailable: If it is not.
        """
        if time.monotonic() - self._began < SETTLED / 2:
            return
        for id, size in made:
            if not await self._store.get(pack_name(id), start=size - 1, length=1):
                raise Unavailable(f"pack {id} is no longer at {self._where}, where it was sent; push again")

    async def _is_there(self, id: ObjectId, data: bytes) -> bool:
        """Say whether an earlier, interrupted push sent this pack."""
        try:
            tail = await self._store.get(pack_name(id), start=len(data) - pack.FOOTER_SIZE, length=pack.FOOTER_SIZE + 1)
        except NotFound:
            return False
        return tail == data[-pack.FOOTER_SIZE :]

    async def _swap(self, record: Record, version: str | None, at: ObjectId | None) -> bool:
        """Move the head; ``False`` if only its packs were gathered meanwhile, and it is worth another try."""
        data = record.encode()
        delay = 0.05
        for attempt in range(_SWAPS):
            try:
                await self._store.put_if_match(self._name, data, version=version)
                return True
            except (HeadMoved, Unavailable) as error:
                failed = error
            found: tuple[Record, str] | None = None
            with suppress(Unavailable):
                found = await read_record(self._store, self._name, self._where)
                if found is not None and found[0].holds_push(self._push):
                    return True
                if (found[1] if found else None) != version:
                    return await self._lost(found[0] if found else None, at)
            if isinstance(failed, Unavailable) and attempt == _SWAPS - 1:
                raise failed
            await pause(delay)
            delay = min(2 * delay, 2.0)
        raise Unavailable(f"{self._name} at {self._where} could not be moved; try again")

    async def _lost(self, now: Record | None, at: ObjectId | None) -> bool:
        if now is not None and now.snapshot == at:
            return False
        raise HeadMoved(
            f"the head moved: somebody pushed {now.snapshot if now else 'its removal'} to {self._name} at {self._where} "
            "meanwhile; run `aexl snapshot pull`, then push again"
        )
