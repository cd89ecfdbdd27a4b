"""Push and fetch: one step, resumable, nothing lost, nothing taken that is not what its id says."""

from __future__ import annotations

import os
import random

import msgspec
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from made import commit, contents

from aexl.errors import Conflict, HeadMoved, Invalid, NotFound, Unavailable
from aexl.testing.blobs import FakeStore, SeededFaults
from aexl_snapshots import tidying
from aexl_snapshots.maintenance.check import check
from aexl_snapshots.objects import frames, pack
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.packs import pack_name
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import Record, next_record
from aexl_snapshots.repository import Repository
from aexl_snapshots.sync.fetch import fetch
from aexl_snapshots.sync.push import push, push_tag


@pytest.fixture
def here(tmp_path):
    return Repository.init(tmp_path / "here")


@pytest.fixture
def there(tmp_path):
    return Repository.init(tmp_path / "there")


@pytest.fixture
def store():
    return FakeStore()


async def sound(store):
    report = await check(store, "memory", read_data=True)
    assert report.findings == []
    return report


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


def evil(store, objects, snapshot):
    """Put a pack of whatever objects into the store, and a head that says so."""
    buffer = pack.PackBuffer()
    for row, frame in objects:
        buffer.add(row, frame)
    id, data = buffer.finish()
    store.blobs[pack_name(id)] = data
    store.blobs["heads/main"] = next_record(None, snapshot, ((id, len(data)),), "x", 1).encode()
    return id


def stored(data, size=None, id=None):
    frame = frames.Compressor()(data)
    return pack.Row(bytes.fromhex(id or object_id(data)), 0, 0, len(frame), len(data) if size is None else size), frame


def snapshot_of(manifest_bytes):
    return Snapshot(manifest=object_id(manifest_bytes)).encode()


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", ".git/hooks/x", "a/../../b", ".aexl/snapshots/heads/main"])
async def test_a_manifest_that_leads_out_of_the_tree_is_not_taken(there, store, path):
    text = b"aexl-manifest 1\nfile " + object_id(b"x").encode() + b" 1 " + path.encode() + b"\n"
    top = snapshot_of(text)
    evil(store, [stored(b"x"), stored(text), stored(top)], object_id(top))
    with pytest.raises(Invalid, match="cannot be taken"):
        await fetch(there, store, "memory", "origin")
    assert (there.tracked("origin"), there.heads()) == ({}, {})


async def test_an_object_under_another_id_is_named(there, store):
    manifest = Manifest([Entry("a", "file", 5, object_id(b"right"))]).encode()
    top = snapshot_of(manifest)
    evil(store, [stored(b"wrong", id=object_id(b"right")), stored(manifest), stored(top)], object_id(top))
    with pytest.raises(Invalid, match=object_id(b"right")):
        await fetch(there, store, "memory", "origin")


async def test_a_size_that_lies_is_named(there, store):
    manifest = Manifest([Entry("a", "file", 6, object_id(b"right"))]).encode()
    top = snapshot_of(manifest)
    evil(store, [stored(b"right"), stored(manifest), stored(top)], object_id(top))
    with pytest.raises(Invalid, match="a should have 6 bytes"):
        await fetch(there, store, "memory", "origin")


async def test_a_missing_object_is_named(there, store):
    manifest = Manifest([Entry("a", "file", 5, object_id(b"right"))]).encode()
    top = snapshot_of(manifest)
    evil(store, [stored(manifest), stored(top)], object_id(top))
    with pytest.raises(Invalid, match=object_id(b"right")):
        await fetch(there, store, "memory", "origin")


async def test_a_pack_of_another_size_than_the_head_says_is_named(there, store):
    top = snapshot_of(b"aexl-manifest 1\n")
    id = evil(store, [stored(b"aexl-manifest 1\n"), stored(top)], object_id(top))
    store.blobs[pack_name(id)] += b"more"
    with pytest.raises(Invalid, match=id):
        await fetch(there, store, "memory", "origin")


async def test_a_pack_that_is_gone_is_named(there, store):
    top = snapshot_of(b"aexl-manifest 1\n")
    id = evil(store, [stored(b"aexl-manifest 1\n"), stored(top)], object_id(top))
    del store.blobs[pack_name(id)]
    with pytest.raises(NotFound, match=id):
        await fetch(there, store, "memory", "origin")


async def test_a_head_that_is_not_a_record_is_named(there, store):
    store.blobs["heads/main"] = msgspec.json.encode({"snapshot": "x"}) + b"\n"
    with pytest.raises(Invalid, match="heads/main"):
        await fetch(there, store, "memory", "origin")


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
