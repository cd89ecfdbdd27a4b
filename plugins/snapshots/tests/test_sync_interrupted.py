"""Pushes and fetches that are broken off, or lose what they say or hear: nothing is lost, and they go on."""

from __future__ import annotations

import os
import random

import pytest
import trio
from made import commit, contents, sound

from aexl.errors import Unavailable
from aexl.testing.blobs import SeededFaults
from aexl_snapshots import tidying
from aexl_snapshots.objects import pack
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.records import Record, next_record
from aexl_snapshots.sync.fetch import fetch
from aexl_snapshots.sync.push import push


async def test_an_interrupted_push_goes_on_where_it_was(here, store, monkeypatch):
    monkeypatch.setattr(pack, "TARGET", 1_500_000)
    snapshot = commit(here, {f"f{number}": os.urandom(700_000) for number in range(10)})
    left = iter([None] * 3)
    store.fault = lambda operation, name: next(left, "lost request") if operation == "put_if_absent" else None
    with pytest.raises(Unavailable):
        await push(here, store, "memory", snapshot)
    there_already = set(await store.list("packs/"))
    assert there_already
    assert await store.list("heads/") == []
    store.fault = lambda _operation, _name: None
    store.seen.clear()
    pushed = await push(here, store, "memory", snapshot)

    sent = {name for operation, name in store.seen if operation == "put_if_absent"} - {"format"}
    assert {name for name in sent & there_already if len(store.blobs[name]) > 1024 * 1024} == set()
    assert pushed.sent < 7_000_000
    await sound(store)


async def test_a_cancelled_push_leaves_the_head_and_can_be_repeated(here, store):
    first = commit(here, {"a": b"1"})
    with trio.CancelScope() as scope:
        store.fault = lambda operation, name: scope.cancel() if name.startswith("packs/") else None
        await push(here, store, "memory", first)
    assert scope.cancelled_caught
    assert await store.list("heads/") == []
    store.fault = lambda _operation, _name: None
    await push(here, store, "memory", first)
    await sound(store)


async def test_a_lost_answer_after_a_landed_swap_is_success(here, store, autojump_clock):
    lost = iter(["lost answer"])
    store.fault = lambda operation, _name: next(lost, None) if operation == "put_if_match" else None
    pushed = await push(here, store, "memory", commit(here, {"a": b"1"}))

    assert pushed.before is None
    assert [operation for operation, _ in store.seen].count("put_if_match") == 1


async def test_a_lost_answer_is_recognised_behind_later_pushes(here, store, autojump_clock):
    first = commit(here, {"a": b"1"})

    def fault(operation, name):
        if operation == "put_if_match" and name == "heads/main":
            return "lost answer"
        if operation == "get_versioned" and name in store.blobs:  # somebody else was quick
            now = Record.decode(store.blobs[name], name)
            later = next_record(now, object_id(b"theirs"), now.packs, "another push", 9)
            store.blobs[name] = later.encode()
        return None

    store.fault = fault
    assert (await push(here, store, "memory", first)).after == first


async def test_a_lost_request_is_sent_again(here, store, autojump_clock):
    lost = iter(["lost request"] * 3)
    store.fault = lambda operation, _name: next(lost, None) if operation == "put_if_match" else None
    await push(here, store, "memory", commit(here, {"a": b"1"}))
    await sound(store)


async def test_a_store_that_is_gone_is_said(here, store, autojump_clock):
    store.fault = lambda operation, _name: "lost request" if operation == "put_if_match" else None
    with pytest.raises(Unavailable, match="lost"):
        await push(here, store, "memory", commit(here, {"a": b"1"}))


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_lost_in_a_store_that_loses_answers(here, there, store, autojump_clock, seed):
    store.fault = SeededFaults(seed, 0.1)

    async def persist(work):
        while True:
            try:
                return await work()
            except Unavailable:
                await trio.sleep(1)

    for number in range(5):
        snapshot = commit(here, {"a": b"%d" % number, "r": os.urandom(1000)})
        await persist(lambda snapshot=snapshot: push(here, store, "memory", snapshot))
    await persist(lambda: fetch(there, store, "memory", "origin"))
    store.fault = lambda _operation, _name: None
    assert there.tracked("origin") == {"main": here.head()}
    assert len(list(there.log(here.head()))) == 5
    await sound(store)


async def test_an_interrupted_fetch_goes_on_and_nothing_points_to_half_of_it(here, there, store, monkeypatch):
    monkeypatch.setattr(pack, "TARGET", 1_500_000)
    snapshot = commit(here, {f"f{number}": os.urandom(700_000) for number in range(8)})
    await push(here, store, "memory", snapshot)
    left = iter([None] * 5)
    store.fault = lambda operation, _name: next(left, "lost request") if operation == "get" else None
    with pytest.raises(Unavailable):
        await fetch(there, store, "memory", "origin", parallel=1)
    had = len(there.packs.packs)
    there.packs.refresh()
    assert there.tracked("origin") == {}
    assert list((there.path / "tmp").iterdir()) == []
    store.fault = lambda _operation, _name: None
    fetched = await fetch(there, store, "memory", "origin")

    assert (had, fetched.received < 5_600_000) == (0, True)
    assert contents(there, snapshot) == contents(here, snapshot)


async def test_of_a_large_pack_that_is_mostly_here_only_the_rest_is_fetched(here, there, store, monkeypatch):
    files = {f"f{number:03}": random.Random(number).randbytes(60_000) for number in range(100)}
    commit(there, files)
    snapshot = commit(here, files | {"new": os.urandom(70_000)})
    await push(here, store, "memory", snapshot)
    fetched = await fetch(there, store, "memory", "origin")

    assert fetched.received < 100_000
    assert len(contents(there, snapshot)) == 101


async def test_indexes_of_packs_that_are_not_here_are_asked_for_once(here, there, store, monkeypatch):
    for number in range(6):
        await push(here, store, "memory", commit(here, {"a": b"%d" % number}))
    await fetch(there, store, "memory", "origin")
    there.indexes.clear()
    for path in (there.path / "packs").iterdir():
        os.utime(path, (1, 1))
    monkeypatch.setattr(tidying, "MANY", 3)
    with there.alone():
        assert tidying.tidy(there) == 6
    there.move_head(here.head(), expected=None)
    asked = []
    for number in range(2):
        snapshot = commit(there, {"b": b"%d" % number})
        store.seen.clear()
        await push(there, store, "memory", snapshot)
        asked.append([name for operation, name in store.seen if operation == "get"])
    assert (len(asked[0]), asked[1]) == (6, [])


async def test_a_damaged_kept_index_is_asked_for_again(here, there, store):
    first = commit(here, {"a": os.urandom(9_000_000), "b": b"x"})
    await push(here, store, "memory", first)
    [(id, size)] = Record.decode(store.blobs["heads/main"], "main").packs
    there.indexes.keep(id, size, here.packs.packs[id].rows)
    assert there.indexes.read(id, size) == here.packs.packs[id].rows
    assert there.indexes.read(id, size + 1) is None
    path = there.path / "indexes" / id
    path.write_bytes(path.read_bytes()[:-3] + b"bad")
    assert there.indexes.read(id, size) is None
    await fetch(there, store, "memory", "origin")
    assert contents(there, first) == contents(here, first)
