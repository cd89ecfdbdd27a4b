"""Push and fetch: one step, the head last, and only what is new."""

from __future__ import annotations

import os

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from made import commit, contents, sound

from aexl.errors import Conflict, HeadMoved, Invalid, NotFound
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.packs import pack_name
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import Record, next_record
from aexl_snapshots.sync.fetch import fetch
from aexl_snapshots.sync.push import push, push_tag


async def test_what_was_committed_arrives_byte_for_byte(here, there, store):
    files = {"a": b"1", "b/large": os.urandom(100) * 100_000, "empty": b""}
    first = commit(here, files)
    pushed = await push(here, store, "memory", first)
    fetched = await fetch(there, store, "memory", "origin")

    assert (pushed.before, pushed.after, pushed.packs) == (None, first, 1)
    assert fetched.heads == {"main": first}
    assert contents(there, first) == files
    assert there.tracked("origin") == {"main": first}
    await sound(store)


async def test_a_commit_is_one_pack_and_is_sent_as_it_is(here, store):
    commit(here, {f"f{number}": os.urandom(20) for number in range(300)})
    await push(here, store, "memory", here.head())

    assert set(await store.list("packs/")) == {pack_name(id) for id in here.packs.packs}


async def test_only_what_is_new_is_sent(here, there, store):
    first = commit(here, {"large": os.urandom(300_000), "a": b"1"})
    await push(here, store, "memory", first)
    second = commit(here, {"large": contents(here, first)["large"], "a": b"2"})
    pushed = await push(here, store, "memory", second)
    await fetch(there, store, "memory", "origin")
    again = await push(here, store, "memory", second)

    assert pushed.sent < 5_000
    assert (again.sent, again.before) == (0, second)
    assert {id for id, _ in there.log(second)} == {first, second}
    third = commit(here, {"a": b"3"})
    await push(here, store, "memory", third)
    fetched = await fetch(there, store, "memory", "origin")
    assert fetched.received < 5_000
    assert fetched.before == {"main": second}


async def test_many_small_commits_go_over_in_one_pack(here, there, store):
    for number in range(12):
        commit(here, {"a": b"%d" % number})
    await push(here, store, "memory", here.head())
    await fetch(there, store, "memory", "origin")

    assert len(await store.list("packs/")) == 1
    assert len(list(there.log(here.head()))) == 12


async def test_the_head_moves_last(here, store):
    await push(here, store, "memory", commit(here, {"a": b"1"}))
    writes = [name for operation, name in store.seen if operation.startswith("put")]

    assert writes[-1] == "heads/main"
    assert writes[0] == "format"


async def test_a_push_from_behind_is_told_what_to_do(here, there, store):
    await push(here, store, "memory", commit(here, {"a": b"1"}))
    await fetch(there, store, "memory", "origin")
    there.move_head(here.head(), expected=None)
    await push(here, store, "memory", commit(here, {"a": b"2"}))
    mine = commit(there, {"b": b"3"})
    with pytest.raises(HeadMoved, match=r"the head moved.*snapshot pull`, then push again"):
        await push(there, store, "memory", mine)
    await fetch(there, store, "memory", "origin")
    merged = commit(there, {"a": b"2", "b": b"3"}, parents=[mine, here.head()])
    await push(there, store, "memory", merged)
    await fetch(here, store, "memory", "origin")
    assert contents(here, merged) == {"a": b"2", "b": b"3"}


async def test_force_moves_a_head_only_from_where_it_was_seen(here, store):
    first = commit(here, {"a": b"1"})
    second = commit(here, {"a": b"2"})
    await push(here, store, "memory", second)
    for lease in (None, first):
        with pytest.raises(HeadMoved, match="look at what came"):
            await push(here, store, "memory", first, force=True, lease=lease)
    pushed = await push(here, store, "memory", first, force=True, lease=second)

    assert (pushed.before, pushed.after) == (second, first)
    await sound(store)


async def test_of_two_pushes_at_once_one_wins_and_the_other_is_told(here, there, store):
    await push(here, store, "memory", commit(here, {"a": b"0"}))
    await fetch(there, store, "memory", "origin")
    there.move_head(here.head(), expected=None)
    ours, theirs = commit(here, {"a": b"1"}), commit(there, {"a": b"2"})
    results = []

    async def run(repository, snapshot):
        try:
            await push(repository, store, "memory", snapshot)
            results.append("won")
        except HeadMoved as error:
            results.append("moved, pull" if "pull" in str(error) else "moved")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, here, ours)
        nursery.start_soon(run, there, theirs)
    assert sorted(results) == ["moved, pull", "won"]
    await sound(store)


async def test_a_push_beside_gc_is_planned_anew(here, store):
    first = commit(here, {"a": os.urandom(1000)})
    await push(here, store, "memory", first)
    second = commit(here, {"a": os.urandom(1000)})

    def gather(operation, name):
        if operation == "put_if_match" and name == "heads/main":
            store.fault = lambda _operation, _name: None
            now = Record.decode(store.blobs[name], name)
            gathered = next_record(now, now.snapshot, now.packs, "gc", 9)
            store.blobs[name] = gathered.encode()

    store.fault = gather
    await push(here, store, "memory", second)
    await sound(store)


async def test_tags_are_sent_and_do_not_move(here, there, store):
    first, second = commit(here, {"a": b"1"}), commit(here, {"a": b"2"})
    here.tag("v1", first)
    await push(here, store, "memory", second)
    await push_tag(here, store, "memory", "v1")
    await push_tag(here, store, "memory", "v1")
    there.tag("v1", commit(there, {"other": b"3"}))
    fetched = await fetch(there, store, "memory", "origin")

    assert fetched.tags == {"v1": first}
    assert fetched.clashes == ["v1"]
    with pytest.raises(Conflict, match="tags do not move"):
        await push_tag(there, store, "memory", "v1")
    with pytest.raises(NotFound):
        await push_tag(here, store, "memory", "v9")
    assert len(await store.list("packs/")) <= 2


async def test_a_second_head_shares_the_packs_of_the_first(here, store):
    first = commit(here, {"large": os.urandom(200_000)})
    await push(here, store, "memory", first)
    pushed = await push(here, store, "memory", first, head="release")

    assert pushed.sent == 0
    assert sorted(await store.list("heads/")) == ["heads/main", "heads/release"]
    await sound(store)


async def test_a_head_that_does_not_exist_is_named(there, store):
    with pytest.raises(NotFound, match="heads/nope"):
        await fetch(there, store, "memory", "origin", heads=["nope"])


async def test_who_is_trusted_must_have_signed_what_is_pulled(here, there, store):
    key = Ed25519PrivateKey.generate()
    first = commit(here, {"a": b"1"})
    await push(here, store, "memory", first)
    public = key.public_key().public_bytes_raw().hex()
    with pytest.raises(Invalid, match=f"{first}.*not signed"):
        await fetch(there, store, "memory", "origin", trusted=[public])
    assert there.tracked("origin") == {}
    signed = Snapshot(manifest=here.read_snapshot(first).manifest).sign(key)
    [id] = here.put_blobs([signed.encode()])
    await push(here, store, "memory", id, force=True, lease=first)
    fetched = await fetch(there, store, "memory", "origin", trusted=[public])
    assert fetched.heads == {"main": id}


async def test_progress_reaches_its_total(here, there, store):
    reports = []
    commit(here, {f"f{number}": os.urandom(50_000) for number in range(20)})
    await push(here, store, "memory", here.head(), meter=Meter(reports.append))
    assert (reports[-1].phase, reports[-1].done) == ("pushing", reports[-1].total)
    await fetch(there, store, "memory", "origin", meter=Meter(reports.append))
    assert (reports[-1].phase, reports[-1].done) == ("pulling", reports[-1].total)
