"""The home's own store: what is kept of captures, by whom, and how long."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from aexl.api import ObjectId
from aexl.errors import Invalid, NotFound, Unavailable
from aexl_snapshots import kept
from aexl_snapshots.captured import STORE, Place
from aexl_snapshots.maintenance import captures
from aexl_snapshots.maintenance.captures import collect_captures
from aexl_snapshots.maintenance.local import check_here, collect_here
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.repository import Repository
from aexl_snapshots.service import SnapshotService
from aexl_snapshots.worktree.committing import Author, write_snapshot

DAY = 86_400.0


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def service(home):
    return SnapshotService(home)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    made.mkdir()
    (made / "a").write_text("one")
    return made


def store_of(home):
    return Repository.open(home / STORE)


def age(home, folder, seconds):
    """Let the last use of a folder be some time ago."""
    place = Place.of(home, folder)
    then = time.time() - seconds
    for path in place.trees.iterdir():
        os.utime(path, (then, then))
    repository = store_of(home)
    record, version = repository.record(f"heads/{place.head}")
    aged = type(record)(
        snapshot=record.snapshot, packs=record.packs, push=record.push, past=record.past, time=int(then * 1000)
    )
    repository.directory.put_if_match(f"heads/{place.head}", aged.encode(), version)


async def two_captures(service, folder):
    one = await service.capture(str(folder), "one")
    (folder / "a").write_text("two")
    return one, await service.capture(str(folder), "two")


async def test_the_last_capture_stays_and_earlier_ones_go(home, service, folder, tmp_path):
    one, two = await two_captures(service, folder)
    await collect_captures(home, grace=0, days=30)
    await SnapshotService(home).materialize(two, str(tmp_path / "two"), False)
    with pytest.raises(NotFound):
        await SnapshotService(home).materialize(one, str(tmp_path / "one"), False)


async def test_what_a_name_keeps_stays_until_it_is_released(home, service, folder, tmp_path):
    one, _ = await two_captures(service, folder)
    await service.keep("run.1", [one])
    await service.keep("run.2", [one])
    await service.release(["run.2"])
    await collect_captures(home, grace=0, days=30)
    await service.materialize(one, str(tmp_path / "one"), False)
    assert (tmp_path / "one/a").read_text() == "one"
    await service.release(["run.1", "run.none"])
    await collect_captures(home, grace=0, days=30)
    with pytest.raises(NotFound):
        await SnapshotService(home).diff(one, one)


async def test_garbage_that_is_not_whole_any_more_is_not_kept(home, service, folder):
    one, _ = await two_captures(service, folder)
    await collect_captures(home, grace=0, days=30)
    with pytest.raises(NotFound):
        await SnapshotService(home).keep("run.1", [one])
    assert kept.kept(store_of(home)) == {}


async def test_grace_is_for_what_nobody_keeps_yet(home, service, folder, tmp_path):
    one, _ = await two_captures(service, folder)
    await collect_captures(home, grace=DAY, days=30)
    await service.keep("run.1", [one])
    await collect_captures(home, grace=0, days=30)
    await service.materialize(one, str(tmp_path / "one"), False)


@pytest.mark.parametrize(("days", "stays"), [(29.9, True), (30.1, False)])
async def test_a_folder_that_is_not_used_is_forgotten_in_time(home, service, folder, days, stays):
    await service.capture(str(folder), "one")
    age(home, folder, days * DAY)
    await collect_captures(home, grace=0, days=30)
    assert (Place.of(home, folder).head in store_of(home).heads()) is stays
    assert Place.of(home, folder).index.exists() is stays


@pytest.mark.parametrize(("seconds", "stays"), [(90, True), (110, False)])
async def test_a_folder_that_is_gone_is_forgotten_after_the_grace(home, service, folder, seconds, stays):
    await service.capture(str(folder), "one")
    age(home, folder, seconds)
    shutil.rmtree(folder)
    await collect_captures(home, grace=100, days=30)
    assert (Place.of(home, folder).head in store_of(home).heads()) is stays


async def test_an_unchanged_folder_that_is_captured_is_in_use(home, service, folder):
    await service.capture(str(folder), "one")
    age(home, folder, 100 * DAY)
    await service.capture(str(folder), "again")
    await collect_captures(home, grace=0, days=30)
    assert Place.of(home, folder).head in store_of(home).heads()


async def test_a_forgotten_folder_is_captured_anew(home, service, folder, tmp_path):
    one = await service.capture(str(folder), "one")
    age(home, folder, 100 * DAY)
    await collect_captures(home, grace=0, days=30)
    assert store_of(home).heads() == {}
    two = await service.capture(str(folder), "two")
    await service.materialize(two, str(tmp_path / "two"), False)
    assert (tmp_path / "two/a").read_text() == "one"
    assert one != two
    assert (await check_here(store_of(home), read_data=True)).is_sound


async def test_a_home_without_captures_has_nothing_to_collect(home):
    assert (await collect_captures(home, grace=0, days=30)).packs == 0
    assert not home.exists()


async def test_what_is_kept_is_asked_when_nobody_can_write_any_more(home, service, folder):
    await service.capture(str(folder), "one")
    repository = store_of(home)

    def keep():
        with pytest.raises(Unavailable), repository.alone(wait=0):
            pytest.fail("somebody else got in")
        return ()

    await collect_here(repository, grace=0, keep=keep)


async def test_a_damaged_list_stops_gc_and_is_named_by_check(home, service, folder):
    one = await service.capture(str(folder), "one")
    await service.keep("run.1", [one])
    path = store_of(home).path / "kept/run.1"
    path.write_bytes(path.read_bytes().replace(one[:4].encode(), b"0000"))
    with pytest.raises(Invalid, match=r"kept/run\.1"):
        await collect_captures(home, grace=0, days=30)


@pytest.mark.parametrize("name", ["", ".a", "a/b", "-a", "a" * 101, "ä"])
async def test_what_is_no_name_keeps_nothing(service, folder, name):
    one = await service.capture(str(folder), "one")
    with pytest.raises(Invalid, match="cannot keep"):
        await service.keep(name, [one])


async def test_a_name_of_a_hundred_letters_keeps(home, service, folder):
    one = await service.capture(str(folder), "one")
    await service.keep("a" * 100, [one])
    assert kept.kept(store_of(home)) == {"a" * 100: {one}}


async def test_a_server_collects_now_and_then(home, service, folder, monkeypatch, autojump_clock):
    import trio

    from aexl.testing.host import FakeHost

    done = trio.Event()

    async def collect(given, *, grace, days):
        assert (given, grace, days) == (home, DAY, 30)
        done.set()
        raise Unavailable("the disk is full")

    monkeypatch.setattr(captures, "collect_captures", collect)
    async with captures.collecting(FakeHost(data_dir=home)):
        begin = trio.current_time()
        await done.wait()
        assert trio.current_time() - begin == captures.FIRST


async def test_a_projects_own_snapshot_is_written_to_a_new_folder(service, tmp_path):
    project = tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    repository = Repository.init(project)
    [blob] = repository.put_blobs([b"text"])
    manifest = Manifest([Entry("a/b.txt", "exec", 4, blob)])
    made, _ = write_snapshot(repository, manifest, (), "one", Author("ann", tmp_path / "home"))
    out = tmp_path / "cache" / "out"
    out.parent.mkdir()
    await service.extract(str(project / "deep"), made, str(out))
    assert (out / "a/b.txt").read_bytes() == b"text"
    assert (out / "a/b.txt").stat().st_mode & 0o100
    with pytest.raises(NotFound):
        await service.extract(str(project), ObjectId("0" * 64), str(tmp_path / "cache" / "other"))
    assert [path.name for path in out.parent.iterdir()] == ["out"]
