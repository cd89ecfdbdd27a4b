"""Check, gc and repair: what is wrong is named, what is needed stays, what is gone comes back."""

from __future__ import annotations

import os
import time

import msgspec
import pytest
import trio
from made import commit, contents

from aexl.errors import Invalid, NotFound, Unavailable
from aexl.testing.blobs import FakeStore
from aexl_snapshots.maintenance.check import check, parse_subset
from aexl_snapshots.maintenance.gc import MANY, collect
from aexl_snapshots.maintenance.lease import GcLease, Held
from aexl_snapshots.maintenance.local import check_here, collect_here
from aexl_snapshots.maintenance.marks import change_marks, keep_packs, read_marks
from aexl_snapshots.maintenance.repair import repair
from aexl_snapshots.objects import pack
from aexl_snapshots.packs import pack_name
from aexl_snapshots.records import Record
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.folder import FolderStore
from aexl_snapshots.sync.fetch import fetch
from aexl_snapshots.sync.push import push


@pytest.fixture
async def filled(here, store):
    """A repository of three snapshots, and a store that has them."""
    for number in range(3):
        commit(here, {"same": b"same" * 50, "changed": b"%d" % number, "large": bytes([number]) * 5_000_000})
    here.tag("v1", here.resolve("main~1"))
    await push(here, store, "memory", here.head())
    return here


async def names_of(store, **options):
    return {finding.name: finding for finding in (await check(store, "memory", **options)).findings}


async def test_a_sound_store_has_no_findings_and_is_counted(filled, store):
    report = await check(store, "memory", read_data=True)

    assert report.is_sound
    assert (report.snapshots, report.packs) == (3, 3)
    assert report.read == sum(len(data) for name, data in store.blobs.items() if name.startswith("packs/"))


async def test_without_read_data_nothing_but_indexes_and_manifests_is_read(filled, store):
    assert (await check(store, "memory")).read == 0


async def test_a_missing_pack_is_named_with_the_snapshots_that_need_it(filled, store):
    head = filled.packs.locate(filled.head())[0].id
    name = pack_name(head)
    del store.blobs[name]
    found = await names_of(store)

    assert name in found
    assert found[filled.head()].snapshots == [filled.head()]


async def test_a_damaged_object_is_named_with_the_snapshots_that_need_it(filled, store):
    manifest = filled.manifest_of(filled.head())
    same = next(entry.id for entry in manifest if entry.path == "same")
    home, row = filled.packs.locate(same)
    for name in await store.list("packs/"):
        data = bytearray(store.blobs[name])
        at = bytes(data).find(home.frame(row))
        if at >= 0:
            data[at + row.stored // 2] ^= 1
            store.blobs[name] = bytes(data)
    found = await names_of(store, read_data=True)

    assert set(found[same].snapshots) == {id for id, _ in filled.log(filled.head())}


async def test_a_subset_reads_each_pack_in_one_of_its_parts(here, store):
    for number in range(6):
        snapshot = commit(here, {"a": os.urandom(1000 + number)})
        await push(here, store, "memory", snapshot)
    reports = [await check(store, "memory", read_data=True, subset=(part, 3)) for part in (1, 2, 3)]
    whole = await check(store, "memory", read_data=True)

    assert sum(report.read for report in reports) == whole.read
    assert all(report.read < whole.read for report in reports)


@pytest.mark.parametrize(("text", "value"), [("1/1", (1, 1)), ("3/7", (3, 7)), ("10000/10000", (10000, 10000))])
def test_a_subset_is_read(text, value):
    assert parse_subset(text) == value


@pytest.mark.parametrize("text", ["", "1", "0/1", "2/1", "1/10001", "a/b", "1/2/3", "-1/2", "½/1"])
def test_what_is_no_subset_is_refused(text):
    with pytest.raises(Invalid):
        parse_subset(text)


async def test_a_wrong_signature_is_a_finding(here, store):
    commit(here, {"a": b"1"})
    await push(here, store, "memory", here.head())
    found = await names_of(store, trusted=["0" * 64])
    assert "not signed" in found[here.head()].problem


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.long), 13])
async def test_every_flipped_byte_of_a_small_store_is_named_by_check_and_by_pull(here, tmp_path, step):
    store = FakeStore()
    commit(here, {"a": b"text " * 20, "b": b"other"})
    await push(here, store, "memory", here.head())
    await collect(store, "memory", grace=100)
    names = [name for name in store.blobs if name != "gc/lease"]
    known = {pack.object_of(row) for each in here.packs.packs.values() for row in each.rows}
    for name in names:
        sound = store.blobs[name]
        for at in range(0, len(sound), step):
            flipped = bytearray(sound)
            flipped[at] ^= 1 << at % 8
            store.blobs[name] = bytes(flipped)
            found = await names_of(store, read_data=True)
            assert found, f"byte {at} of {name}"
            assert set(found) <= known | {name}
            if name.startswith(("packs/", "heads/")):
                there = Repository.init(tmp_path / f"{name.replace('/', '-')}-{at}")
                with pytest.raises(Invalid) as caught:
                    await fetch(there, store, "memory", "origin")
                assert any(each in str(caught.value) for each in known | {name.removesuffix(".pack").partition("/")[2]})
                assert there.tracked("origin") == {}
        store.blobs[name] = sound
    assert await names_of(store, read_data=True) == {}


async def test_what_is_reachable_stays(filled, store):
    before = {id: contents(filled, id) for id, _ in filled.log(filled.head())}
    await collect(store, "memory", grace=0)
    there = Repository.init(filled.root / "clone")
    await fetch(there, store, "memory", "origin")

    assert {id: contents(there, id) for id, _ in there.log(filled.head())} == before


async def test_what_is_unreachable_goes_after_the_grace_period_and_not_before(here, store):
    first = commit(here, {"a": os.urandom(3000)})
    second = commit(here, {"a": os.urandom(5000)})
    await push(here, store, "memory", second)
    await push(here, store, "memory", first, force=True, lease=second)
    third = commit(here, {"a": os.urandom(70_000)}, parents=[first], move=False, head="x")
    await push(here, store, "memory", third)
    await push(here, store, "memory", first, force=True, lease=third)

    waiting = await collect(store, "memory", grace=1000)
    assert (waiting.removed, waiting.waiting) == (0, 2)
    again = await collect(store, "memory", grace=1000)
    assert (again.removed, again.waiting) == (0, 2)
    done = await collect(store, "memory", grace=0)
    assert (done.removed, done.waiting, done.packs) == (2, 0, 1)
    assert (await check(store, "memory", read_data=True)).is_sound
    assert sum(len(data) for name, data in store.blobs.items() if name.startswith("packs/")) < 5000


async def test_a_mark_ends_where_the_grace_period_says(here, store, monkeypatch):
    now = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    store.blobs[pack_name("0" * 64)] = b""
    del store.blobs[pack_name("0" * 64)]
    buffer = pack.PackBuffer()
    id, data = buffer.finish()
    store.blobs[pack_name(id)] = data
    for later, removed in ((0, 0), (99.9, 0), (100, 1)):
        now[0] = 1_000_000.0 + later
        assert (await collect(store, "memory", grace=100)).removed == removed


async def test_many_small_packs_are_gathered(here, store):
    for number in range(MANY + 1):
        snapshot = commit(here, {"a": os.urandom(100), "n": b"%d" % number})
        await push(here, store, "memory", snapshot)
    collected = await collect(store, "memory", grace=0)

    assert (collected.gathered, collected.packs, collected.removed) == (MANY + 1, 1, MANY + 1)
    assert len(await store.list("packs/")) == 1
    assert (await check(store, "memory", read_data=True)).is_sound
    pushed = await push(here, store, "memory", commit(here, {"a": b"more"}))
    assert pushed.packs == 2


async def test_a_few_small_packs_are_left_alone(here, store):
    for _ in range(MANY):
        await push(here, store, "memory", commit(here, {"a": os.urandom(100)}))
    assert (await collect(store, "memory", grace=0)).gathered == 0


async def test_pins_tags_and_staged_objects_stay(here):
    first = commit(here, {"a": os.urandom(2000)})
    second = commit(here, {"a": os.urandom(2000)}, parents=[], move=False, head="x")
    third = commit(here, {"a": os.urandom(2000)}, parents=[], move=False, head="x")
    here.tag("v1", second)
    here.pin("run", third)
    [staged, large] = here.put_blobs([os.urandom(500), os.urandom(9_000_000)])
    [gone] = here.put_blobs([os.urandom(600)])
    await collect_here(here, grace=0, keep=lambda: [staged, large])

    for id in (first, second, third):
        assert contents(here, id)
    assert here.read(staged)
    assert len(here.read(large)) == 9_000_000
    assert not here.has(gone)
    here.unpin("run")
    await collect_here(here, grace=0)
    assert not here.has(third)
    assert (await check_here(here, read_data=True)).is_sound


async def test_what_a_remote_had_stays(here, store, tmp_path):
    await push(here, store, "memory", commit(here, {"a": b"1"}))
    there = Repository.init(tmp_path / "there")
    there.add_remote("origin", "memory:")
    await fetch(there, store, "memory", "origin")
    await collect_here(there, grace=0)

    assert contents(there, here.head()) == {"a": b"1"}


async def test_gc_refuses_a_store_that_is_not_sound(filled, store):
    del store.blobs[(await store.list("packs/"))[0]]
    with pytest.raises(NotFound, match="pack"):
        await collect(store, "memory", grace=0)


async def test_one_gc_at_a_time(here, store, autojump_clock):
    await push(here, store, "memory", commit(here, {"a": b"1"}))
    other = GcLease(store, "memory", "other")
    await other.take()
    with pytest.raises(Unavailable, match="another gc works at memory"):
        await collect(store, "memory", grace=0)
    await other.give_back()
    await collect(store, "memory", grace=0)


async def test_a_gc_that_was_killed_keeps_nobody_out_for_long(store):
    held = Held(owner="dead", until=int((time.time() - 61) * 1000))
    store.blobs["gc/lease"] = msgspec.json.encode(held)
    await GcLease(store, "memory", "me").take()
    store.blobs["gc/lease"] = b"damaged"
    await GcLease(store, "memory", "me").take()
    store.blobs["gc/lease"] = msgspec.json.encode(Held(owner="alive", until=int((time.time() - 50) * 1000)))
    with pytest.raises(Unavailable):
        await GcLease(store, "memory", "me").take()


async def test_a_gc_that_lost_its_lease_stops(store):
    one, other = GcLease(store, "memory", "one"), GcLease(store, "memory", "other")
    await one.take()
    store.blobs["gc/lease"] = msgspec.json.encode(Held(owner="gone", until=0))
    await other.take()
    with pytest.raises(Unavailable, match="another gc has begun"):
        await one.renew()


async def test_a_push_takes_the_mark_from_what_it_uses_again(here, store):
    snapshot = commit(here, {"a": os.urandom(2_000_000)})
    store.fault = lambda operation, name: "lost request" if operation == "put_if_match" else None
    with trio.move_on_after(0.5):
        await push(here, store, "memory", snapshot)
    store.fault = lambda _operation, _name: None
    await collect(store, "memory", grace=1000)
    [marked] = (await read_marks(store, "memory"))[0].marked
    await push(here, store, "memory", snapshot)

    assert (await read_marks(store, "memory"))[0].marked == {}
    assert (await collect(store, "memory", grace=0)).removed == 0
    assert pack_name(marked) in store.blobs
    assert (await check(store, "memory", read_data=True)).is_sound


async def test_a_push_that_comes_too_late_is_told(store):
    id = "1" * 64
    await change_marks(store, "memory", lambda marks: msgspec.structs.replace(marks, doomed=(id,)))
    with pytest.raises(Unavailable, match="gc is removing"):
        await keep_packs(store, "memory", [id])
    await keep_packs(store, "memory", ["2" * 64])


async def test_a_doomed_pack_that_a_head_took_meanwhile_is_not_removed(here, store):
    snapshot = commit(here, {"a": os.urandom(100)})
    await push(here, store, "memory", snapshot)
    record = store.blobs.pop("heads/main")

    def save(operation, name):
        if operation == "put_if_match" and name == "gc/marks":
            store.blobs["heads/main"] = record

    store.fault = save
    await collect(store, "memory", grace=0)
    store.fault = lambda _operation, _name: None
    assert Record.decode(store.blobs["heads/main"], "heads/main").snapshot == snapshot
    assert (await check(store, "memory", read_data=True)).is_sound


async def test_damaged_marks_are_named(store):
    store.blobs["gc/marks"] = b"{}"
    with pytest.raises(Invalid, match="gc/marks"):
        await read_marks(store, "memory")


def damage(repository):
    """Flip a byte in the middle of every pack."""
    for path in sorted((repository.path / "packs").iterdir()):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)


async def test_a_repository_is_repaired_from_a_remote(filled, store):
    before = {id: contents(filled, id) for id, _ in filled.log(filled.head())}
    damage(filled)
    broken = Repository.open(filled.root)
    assert not (await check_here(broken, read_data=True)).is_sound
    done = await repair(broken, store, "memory")

    assert done.lost == []
    assert len(done.packs) == 3
    assert {id: contents(broken, id) for id in before} == before
    again = Repository.open(filled.root)
    assert (await check_here(again, read_data=True)).is_sound
    assert {id: contents(again, id) for id in before} == before
    assert len(list((filled.path / "damaged").iterdir())) == 3


async def test_a_damaged_head_and_a_pack_that_is_gone_come_back(filled, store):
    before = contents(filled, filled.head())
    snapshot = filled.head()
    (filled.path / "heads" / "main").write_bytes(b"nonsense")
    for path in list((filled.path / "packs").iterdir()):
        path.unlink()
    broken = Repository.open(filled.root)
    (filled.path / "tags" / "v1").unlink()
    done = await repair(broken, store, "memory")

    assert (done.lost, done.heads) == ([], ["heads/main"])
    assert broken.head() == snapshot
    assert contents(broken, snapshot) == before


async def test_what_the_remote_does_not_have_is_named(filled):
    other = FakeStore()
    damage(filled)
    done = await repair(Repository.open(filled.root), other, "memory")

    assert done.lost
    assert done.fetched == []


async def test_a_sound_repository_is_left_as_it_is(filled, store):
    before = {path: path.read_bytes() for path in (filled.path / "packs").iterdir()}
    done = await repair(filled, store, "memory")

    assert (done.packs, done.fetched, done.lost) == ([], [], [])
    assert {path: path.read_bytes() for path in (filled.path / "packs").iterdir()} == before


async def test_unfinished_files_of_the_dead_are_removed(here):
    commit(here, {"a": b"1"})
    (here.path / "tmp" / "left").write_bytes(b"x")
    await collect_here(here, grace=1000)
    assert list((here.path / "tmp").iterdir()) == []


async def test_check_of_a_folder_reads_what_is_there(filled):
    report = await check(FolderStore(filled.directory), "here", read_data=True)
    assert (report.is_sound, report.packs, report.snapshots) == (True, 3, 3)
