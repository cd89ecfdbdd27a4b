"""What follows from what: walks over snapshots and their parents. Pure; snapshots come from a function."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from aexl.api import ObjectId
from aexl_snapshots.objects.snapshot import Snapshot

Read = Callable[[ObjectId], Snapshot]


def ancestors(read: Read, start: Iterable[ObjectId]) -> dict[ObjectId, Snapshot]:
    """Return these snapshots and all they were made from."""
    found: dict[ObjectId, Snapshot] = {}
    waiting = list(start)
    while waiting:
        id = waiting.pop()
        if id not in found:
            found[id] = read(id)
            waiting.extend(found[id].parents)
    return found


def is_ancestor(read: Read, old: ObjectId, new: ObjectId) -> bool:
    """Say whether ``new`` is ``old`` or was made from it."""
    seen: set[ObjectId] = set()
    waiting = [new]
    while waiting:
        id = waiting.pop()
        if id == old:
            return True
        if id not in seen:
            seen.add(id)
            waiting.extend(read(id).parents)
    return False


def merge_base(read: Read, one: ObjectId, other: ObjectId) -> ObjectId | None:
    """Return the latest snapshot that both were made from; ``None`` if they share nothing."""
    common = ancestors(read, [one]).keys() & ancestors(read, [other]).keys()
    older: set[ObjectId] = set()
    for id in common:
        older.update(parent for parent in read(id).parents if parent in common)
    best = common - older
    return max(best, key=lambda each: (read(each).time, each)) if best else None


def log(read: Read, start: Iterable[ObjectId]) -> Iterator[tuple[ObjectId, Snapshot]]:
    """Yield snapshots before their parents, of those that may come next the latest first."""
    heads = list(dict.fromkeys(start))
    known = ancestors(read, heads)
    children = dict.fromkeys(known, 0)
    for snapshot in known.values():
        for parent in snapshot.parents:
            children[parent] += 1
    ready = [(-known[id].time, id) for id in known if not children[id]]
    heapq.heapify(ready)
    while ready:
        _, id = heapq.heappop(ready)
        yield id, known[id]
        for parent in known[id].parents:
            children[parent] -= 1
            if not children[parent]:
                heapq.heappush(ready, (-known[parent].time, parent))


def count_between(read: Read, old: ObjectId | None, new: ObjectId | None) -> tuple[int, int]:
    """Return how many snapshots ``new`` has that ``old`` has not, and the other way round."""
    ours = ancestors(read, [new] if new else []).keys()
    theirs = ancestors(read, [old] if old else []).keys()
    return len(ours - theirs), len(theirs - ours)
