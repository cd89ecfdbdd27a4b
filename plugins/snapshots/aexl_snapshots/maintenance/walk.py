"""What the heads, tags and pins of a store reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from aexl.api import BlobStore, ObjectId
from aexl.errors import AexlError, Invalid, NotFound, Unavailable
from aexl_snapshots.objects import pack
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.records import KINDS, Record
from aexl_snapshots.stores.objects import StoreObjects, read_record

T = TypeVar("T")

Found = Callable[[ObjectId, str, ObjectId], None]
"""Told of an object that is missing or damaged: its id, what is wrong, and the snapshot that needs it."""


def raise_problem(id: ObjectId, problem: str, snapshot: ObjectId) -> None:
    """Do not go on with a store that is not sound.

    Raises:
        Invalid: Always.
    """
    raise Invalid(f"{problem} (snapshot {snapshot} needs object {id}); run `aexl snapshot check`")


async def read_records(store: BlobStore, where: str) -> dict[str, tuple[Record, str]]:
    """Return every record with its version, by name.

    Raises:
        Invalid: If one is damaged.
    """
    records: dict[str, tuple[Record, str]] = {}
    for kind in KINDS:
        for name in await store.list(f"{kind}/"):
            found = await read_record(store, name, where)
            if found is not None:
                records[name] = found
    return records


@dataclass(slots=True)
class Reached:
    """What is reachable.

    Attributes:
        objects: Ids, parts included.
        snapshots: Those that were seen.
        manifests: Likewise.
        files: The contents of their files.
    """

    objects: set[ObjectId] = field(default_factory=set)
    snapshots: set[ObjectId] = field(default_factory=set)
    files: set[ObjectId] = field(default_factory=set)
    manifests: set[ObjectId] = field(default_factory=set)


async def walk(objects: StoreObjects, roots: Iterable[ObjectId], found: Found = raise_problem) -> Reached:
    """Follow snapshots to everything they need.

    What is missing or damaged is told to ``found``, and the walk goes on around it.

    Raises:
        Unavailable: If the store cannot be reached.
    """
    reached = Reached()
    waiting = list(roots)
    while waiting:
        id = waiting.pop()
        if id in reached.snapshots:
            continue
        reached.snapshots.add(id)
        snapshot = await _try(_read_snapshot(objects, id, reached), found, id, id)
        if snapshot is not None:
            waiting.extend(snapshot.parents)
            await _walk_manifest(objects, id, snapshot.manifest, reached, found)
    return reached


async def _try(work: Awaitable[T], found: Found, id: ObjectId, snapshot: ObjectId) -> T | None:
    """Tell of what is missing or damaged, and go on; a store that cannot be reached is neither."""
    try:
        return await work
    except Unavailable:
        raise
    except AexlError as error:
        found(id, str(error), snapshot)
        return None


async def _read_snapshot(objects: StoreObjects, id: ObjectId, reached: Reached) -> Snapshot:
    await _reach(objects, id, reached)
    return await objects.snapshot(id)


async def _read_manifest(objects: StoreObjects, id: ObjectId, reached: Reached) -> Manifest:
    await _reach(objects, id, reached)
    return await objects.manifest(id)


async def _walk_manifest(
    objects: StoreObjects, snapshot: ObjectId, manifest: ObjectId, reached: Reached, found: Found
) -> None:
    if manifest in reached.manifests:
        return
    reached.manifests.add(manifest)
    for entry in await _try(_read_manifest(objects, manifest, reached), found, manifest, snapshot) or ():
        reached.files.add(entry.id)
        place = objects.find(entry.id)
        if place is not None and place[1].kind == pack.WHOLE and place[1].size == entry.size:  # as nearly all are
            reached.objects.add(entry.id)
            continue
        await _try(_reach_file(objects, entry, reached), found, entry.id, snapshot)


async def _reach_file(objects: StoreObjects, entry: Entry, reached: Reached) -> None:
    await _reach(objects, entry.id, reached)
    size = objects.locate(entry.id)[1].size
    if size != entry.size:
        raise Invalid(f"{entry.path} should have {entry.size} bytes, and object {entry.id} has {size}")


async def _reach(objects: StoreObjects, id: ObjectId, reached: Reached) -> None:
    if id in reached.objects:
        return
    reached.objects.add(id)
    if objects.locate(id)[1].kind == pack.WHOLE:
        return
    for part in await objects.parts(id):
        part_id = ObjectId(part.id.hex())
        reached.objects.add(part_id)
        row = objects.locate(part_id)[1]
        if row.kind != pack.WHOLE or row.size != part.size:
            raise NotFound(f"object {id} at {objects.where} needs the part {part_id}, which is not as it should be")
