"""How often a store is asked: where every answer takes a while, and twelve ask at once, that is what a push costs."""

from __future__ import annotations

import os
import random

from made import commit

from aexl_snapshots.maintenance.check import check
from aexl_snapshots.packs import FOLDER, pack_name
from aexl_snapshots.stores.objects import TAIL
from aexl_snapshots.sync.fetch import fetch
from aexl_snapshots.sync.push import push


def asked(store, operation, prefix=""):
    return [name for each, name in store.seen if each == operation and name.startswith(prefix)]


async def test_a_small_pack_is_fetched_with_its_index(here, there, store):
    for number in range(3):
        await push(here, store, "memory:", commit(here, {"a": b"%d" % number}))
    store.seen.clear()
    await fetch(there, store, "memory:", "origin")
    packs = asked(store, "get", FOLDER)
    assert (len(packs), len(set(packs))) == (3, 3)


async def test_of_a_larger_pack_the_index_is_asked_for_first(here, there, store):
    await push(here, store, "memory:", commit(here, {"a": random.Random(1).randbytes(2 * TAIL)}))
    store.seen.clear()
    await fetch(there, store, "memory:", "origin")
    assert len(asked(store, "get", FOLDER)) == 2


async def test_after_a_lost_race_one_new_pack_goes_over(here, there, store):
    base = commit(here, {"a": b"0"})
    await push(here, store, "memory:", base)
    await fetch(there, store, "memory:", "origin")
    commit(there, {"mine": b"1"}, parents=[base], move=False)  # which loses
    await push(here, store, "memory:", commit(here, {"a": b"1"}))
    await fetch(there, store, "memory:", "origin")
    again = commit(there, {"mine": b"1"}, parents=[here.head()], move=False)
    store.seen.clear()
    await push(there, store, "memory:", again)
    assert [operation for operation, _ in store.seen] == ["get_versioned", "put_if_absent", "put_if_match"]


async def test_the_index_of_a_pack_that_was_made_for_a_push_is_never_asked_for(here, store):
    commit(here, {"lost": b"lost", "kept": b"kept"}, parents=[], move=False)
    await push(here, store, "memory:", commit(here, {"kept": b"kept"}))
    [made] = [name for name in store.blobs if name.startswith(FOLDER)]
    assert made not in {pack_name(id) for id in here.packs.packs}
    store.seen.clear()
    await push(here, store, "memory:", commit(here, {"kept": b"kept", "more": b"more"}))
    await fetch(here, store, "memory:", "origin")
    assert asked(store, "get", FOLDER) == []


async def test_a_small_pack_that_nothing_names_is_asked_for_once_by_a_check(here, store):
    await push(here, store, "memory:", commit(here, {"a": b"1"}))
    for _ in range(5):
        other = commit(here, {"a": os.urandom(100)}, parents=[], move=False)
        found = here.packs.locate(other)[0]
        await store.put_if_absent(pack_name(found.id), b"".join(found.blocks()))
    store.seen.clear()
    report = await check(store, "memory:")
    assert (report.is_sound, report.packs) == (True, 6)
    assert len(asked(store, "get", FOLDER)) == 6


async def test_a_larger_pack_that_nothing_names_is_measured(here, store):
    for size in (TAIL - 300, TAIL - 200, TAIL, 3 * TAIL):
        other = commit(here, {"a": os.urandom(size)}, parents=[], move=False)
        found = here.packs.locate(other)[0]
        await store.put_if_absent(pack_name(found.id), b"".join(found.blocks()))
    await push(here, store, "memory:", commit(here, {"a": b"1"}))
    report = await check(store, "memory:", read_data=True)
    assert (report.is_sound, report.packs) == (True, 5)
    assert report.read == sum(len(data) for name, data in store.blobs.items() if name.startswith(FOLDER))
