"""Putting a damaged repository together again, with what a remote has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aexl.api import BlobStore, ObjectId
from aexl.errors import Invalid, NotFound
from aexl_snapshots.loops import InThread, in_thread
from aexl_snapshots.maintenance.check import Finding
from aexl_snapshots.maintenance.local import check_here
from aexl_snapshots.maintenance.walk import read_records
from aexl_snapshots.objects import pack
from aexl_snapshots.packs import FOLDER, SUFFIX, Pack, PackSet, pack_name
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.records import KINDS
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.objects import StoreObjects
from aexl_snapshots.writer import Writer

DAMAGED: Final = "damaged"
"""The folder of packs that were replaced; nothing reads it, and it may be removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What a repair did.

    Attributes:
        packs: Damaged packs, now in the folder ``damaged``.
        salvaged: How many of their objects were whole.
        fetched: Objects that the remote gave.
        heads: Heads and tags that were damaged and now point where the remote's do.
        lost: What is still wrong.
    """

    packs: Sequence[ObjectId]
    salvaged: int
    fetched: Sequence[ObjectId]
    heads: Sequence[str]
    lost: Sequence[Finding]


async def repair(repository: Repository, source: BlobStore, where: str, *, meter: Meter | None = None) -> Repaired:
    """Replace what is damaged or missing.

    Args:
        source: A store that has, or had, the same snapshots.
        where: Its URL, for errors.

    Raises:
        Unavailable: If the disk or the store cannot be used.
        Invalid: If the store is damaged as well.
    """
    meter = meter or unwatched()
    async with InThread(repository.alone()):
        packs, salvaged = await in_thread(_replace_packs, repository)
        there = await read_records(source, where)
        objects = StoreObjects(source, where)
        await objects.load(sorted({each for record, _ in there.values() for each in record.packs}))
        damaged = await in_thread(_damaged_records, repository)
        wanted = {name: there[name][0].snapshot for name in damaged if name in there}
        fetched = await _fetch_missing(repository, objects, set(wanted.values()), meter)
        heads = await in_thread(_point, repository, wanted)
    report = await check_here(repository, read_data=True)
    return Repaired(packs=packs, salvaged=salvaged, fetched=fetched, heads=heads, lost=report.findings)


def _replace_packs(repository: Repository) -> tuple[list[ObjectId], int]:
    """Write what is whole of damaged packs into new ones, then move them away."""
    repository.packs = PackSet(repository.path / FOLDER)
    repository.packs.refresh()
    bad: dict[ObjectId, Pack | None] = dict.fromkeys(map(ObjectId, repository.packs.damaged))
    bad |= {ObjectId(id): each for id, each in repository.packs.packs.items() if not _is_whole(each)}
    good = {row.id for id, each in repository.packs.packs.items() if id not in bad for row in each.rows}
    salvaged = 0
    with Writer(repository.directory, lambda each: bytes.fromhex(each) in good, unwatched()) as writer:
        for each in bad.values():
            for row, frame in _whole_objects(each):
                writer.put_frame(row, frame)
                salvaged += 1
    for id in bad:
        if id not in {new for new, _ in writer.packs}:
            repository.directory.move(pack_name(id), f"{DAMAGED}/{id}{SUFFIX}")
    repository.packs = PackSet(repository.path / FOLDER)
    repository.packs.refresh()
    return sorted(bad), salvaged


def _is_whole(each: Pack) -> bool:
    digest = hashlib.sha256()
    for block in each.blocks():
        digest.update(block)
    return digest.hexdigest() == each.id


def _whole_objects(each: Pack | None) -> Iterator[tuple[pack.Row, bytes]]:
    for row in each.rows if each else ():
        frame = each.frame(row) if each else b""
        try:
            pack.open_frame(row, frame, "")
        except Invalid:
            continue
        yield row, frame


def _damaged_records(repository: Repository) -> list[str]:
    damaged = []
    for kind in (*KINDS, "remotes"):
        for name in repository.directory.list(f"{kind}/"):
            try:
                repository.record(name)
            except Invalid:
                damaged.append(name)
                repository.directory.move(name, f"{DAMAGED}/{name.replace('/', '.')}")
    return damaged


async def _fetch_missing(
    repository: Repository, objects: StoreObjects, roots: set[ObjectId], meter: Meter
) -> list[ObjectId]:
    """Bring what the walk misses, until it misses nothing that the store has."""
    fetched: dict[ObjectId, None] = {}
    tried: set[ObjectId] = set()
    meter.begin("pulling")
    while True:
        missing = await in_thread(_missing, repository, roots)
        wanted = [id for id in missing if id not in tried and id in objects]
        tried.update(wanted)
        if not wanted:
            return list(fetched)
        found: list[tuple[pack.Row, bytes]] = []
        for id in wanted:
            home, row = objects.locate(id)
            frame = await objects.frame(home, row)
            pack.open_frame(row, frame, f"pack {home} at {objects.where}")
            found.append((row, frame))
            meter.grow(len(frame))
            meter.add(len(frame))
        await in_thread(_keep, repository, found)
        fetched.update(dict.fromkeys(wanted))


def _keep(repository: Repository, found: Sequence[tuple[pack.Row, bytes]]) -> None:
    with Writer(repository.directory, repository.packs.__contains__, unwatched()) as writer:
        for row, frame in found:
            writer.put_frame(row, frame)
    repository.packs.refresh()


def _missing(repository: Repository, roots: set[ObjectId]) -> list[ObjectId]:
    """Return what is missing of what is reachable, as far as can be seen from here."""
    missing: dict[ObjectId, None] = {}
    seen: set[ObjectId] = set()
    waiting = [*repository.roots(), *roots]
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        seen.add(id)
        if not _is_here(repository, id, missing):
            continue
        snapshot = repository.read_snapshot(id)
        waiting.extend(snapshot.parents)
        if snapshot.manifest not in seen and _is_here(repository, snapshot.manifest, missing):
            for entry in repository.read_manifest(snapshot.manifest):
                _is_here(repository, entry.id, missing)
        seen.add(snapshot.manifest)
    return list(missing)


def _is_here(repository: Repository, id: ObjectId, missing: dict[ObjectId, None]) -> bool:
    if id not in repository.packs:
        missing[id] = None
        return False
    gone = [ObjectId(part.id.hex()) for part in repository.packs.parts(id)]
    gone = [part for part in gone if part not in repository.packs]
    missing.update(dict.fromkeys(gone))
    return not gone


def _point(repository: Repository, wanted: dict[str, ObjectId]) -> list[str]:
    done = []
    for name, snapshot in sorted(wanted.items()):
        try:
            repository.restore_record(name, snapshot)
            done.append(name)
        except NotFound:
            continue  # the check that follows says what is missing
    repository.list_packs_anew()
    return done
