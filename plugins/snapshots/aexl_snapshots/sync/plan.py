"""What a store lacks of a snapshot, and in which packs it goes there. For a worker thread."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aexl.api import ObjectId
from aexl.errors import Invalid
from aexl_snapshots.objects import pack
from aexl_snapshots.objects.examination import examine
from aexl_snapshots.objects.ids import id_bytes
from aexl_snapshots.packs import Pack, PackSet
from aexl_snapshots.repository import Repository

_AS_IT_IS: Final = 1024 * 1024
"""A pack of this many bytes is sent as it is, if all of it is needed."""

_FEW: Final = 4
"""So are smaller ones, if there are no more than this, and nothing else has to go into a new pack."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A pack to send.

    Attributes:
        id: Its name; ``None`` until ``load`` has made it.
        size: Bytes, or about as many where it is not made yet.
    """

    load: Callable[[], tuple[ObjectId, bytes]]
    size: int
    objects: int


def needed_objects(
    repository: Repository, snapshot: ObjectId, stop: ObjectId | None, has: Callable[[bytes], bool]
) -> set[ObjectId]:
    """Return the objects that ``snapshot`` needs and the store has not, parts included.

    Args:
        stop: A snapshot that the store has with all it was made from.
        has: Says whether the store has an object.

    Raises:
        NotFound: If an object is missing here.
        Invalid: If one is damaged.
    """
    packs = repository.packs
    there = repository_ancestors(repository, stop)
    needed: set[ObjectId] = set()
    seen: set[ObjectId] = set()
    waiting = [snapshot]

    def need(id: ObjectId) -> None:
        if id in seen:
            return
        seen.add(id)
        if has(id_bytes(id)):
            return
        needed.add(id)
        for part in packs.parts(id):
            need(ObjectId(part.id.hex()))

    while waiting:
        each = waiting.pop()
        if each in there or each in seen:
            continue
        need(each)
        seen.add(each)
        found = repository.read_snapshot(each)
        waiting.extend(found.parents)
        if found.manifest not in seen:
            need(found.manifest)
            for entry in repository.read_manifest(found.manifest):
                need(entry.id)
    return needed


def repository_ancestors(repository: Repository, snapshot: ObjectId | None) -> set[ObjectId]:
    """Return a snapshot and all it was made from; nothing if it is not here."""
    if snapshot is None or not repository.has(snapshot):
        return set()
    return {id for id, _ in repository.log(snapshot)}


def plan_uploads(packs: PackSet, needed: Iterable[ObjectId]) -> list[Upload]:
    """Return the packs that hold the needed objects and nothing else."""
    by_pack: dict[str, list[pack.Row]] = {}
    for id in needed:
        found, row = packs.locate(id)
        by_pack.setdefault(found.id, []).append(row)
    whole: list[Pack] = []
    rest: list[tuple[Pack, pack.Row]] = []
    small: list[Pack] = []
    for home, rows in sorted(by_pack.items()):
        found = packs.packs[home]
        if len(rows) != len(found.rows):
            rest += [(found, row) for row in rows]
        elif found.size >= _AS_IT_IS:
            whole.append(found)
        else:
            small.append(found)
    if len(small) <= _FEW and not rest:
        whole += small
    else:
        rest += [(found, row) for found in small for row in found.rows]
    uploads = [Upload(lambda found=found: load_whole(found), found.size, len(found.rows)) for found in whole]  # type: ignore[misc]  # mypy does not infer lambdas with defaults
    return uploads + list(_gathered(rest))


def load_whole(found: Pack) -> tuple[ObjectId, bytes]:
    """Read a pack, checked against its id.

    Raises:
        Invalid: If it is damaged; names the object at fault where it is one.
    """
    data = b"".join(found.blocks())
    if hashlib.sha256(data).hexdigest() != found.id:
        examine(data, found.rows, found.what).refuse()
        raise Invalid(f"{found.what} is damaged outside its objects; `aexl snapshot repair` may help")
    return found.id, data


def _gathered(rows: Sequence[tuple[Pack, pack.Row]]) -> Iterator[Upload]:
    """Divide objects from several packs into new ones, the same each time it is asked."""
    group: list[tuple[Pack, pack.Row]] = []
    size = 0
    for found, row in sorted(rows, key=lambda each: each[1].id):
        if group and (size >= pack.TARGET or len(group) >= pack.TARGET_OBJECTS):
            yield _upload_of(group, size)
            group, size = [], 0
        group.append((found, row))
        size += row.stored
    if group:
        yield _upload_of(group, size)


def _upload_of(group: Sequence[tuple[Pack, pack.Row]], size: int) -> Upload:
    def load() -> tuple[ObjectId, bytes]:
        buffer = pack.PackBuffer()
        for found, row in group:
            frame = found.frame(row)
            pack.open_frame(row, frame, found.what)
            buffer.add(row, frame)
        return buffer.finish()

    return Upload(load, size, len(group))
