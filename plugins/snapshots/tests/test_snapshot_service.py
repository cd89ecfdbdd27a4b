"""The role ``Snapshots``: the real one and the fake keep the same promises."""

from __future__ import annotations

import os
import time

import pytest
import trio

from aexl.api import Snapshots
from aexl.errors import Conflict, Invalid
from aexl.testing.snapshots import FakeSnapshots, SnapshotsConformance
from aexl_snapshots.maintenance.local import collect_here
from aexl_snapshots.plugin import SnapshotsPlugin
from aexl_snapshots.repository import Repository
from aexl_snapshots.service import SnapshotService
from aexl_snapshots.worktree import reading


class TestFake(SnapshotsConformance):
    @pytest.fixture
    def snapshots(self):
        return FakeSnapshots()


class TestReal(SnapshotsConformance):
    @pytest.fixture
    def snapshots(self, tmp_path):
        return SnapshotService(tmp_path / "home")


@pytest.fixture
def service(tmp_path):
    return SnapshotService(tmp_path / "home")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    made.mkdir()
    for number in range(200):
        (made / f"{number}.txt").write_text(str(number))
    return made


async def test_an_unchanged_folder_is_not_read_again(service, folder, monkeypatch):
    time.sleep(0.06)  # so that what the files look like can be trusted
    first = await service.capture(str(folder), "one")
    read = []
    real = reading.read_steady
    monkeypatch.setattr(reading, "read_steady", lambda folders, path: read.append(path) or real(folders, path))
    assert await SnapshotService(folder.parent / "home").capture(str(folder), "two") == first
    assert await service.changed_since(first, str(folder)) == []
    (folder / "7.txt").write_text("8")
    assert [change.path for change in await service.changed_since(first, str(folder))] == ["7.txt"]
    assert set(read) == {"7.txt"}


async def test_an_edit_in_the_same_moment_and_of_the_same_size_is_seen(service, folder):
    path = folder / "7.txt"
    seen = set()
    for value in "abcdefghij":
        path.write_text(value)
        seen.add(await service.capture(str(folder), value))
    assert len(seen) == 10


async def test_an_edit_that_hides_its_time_is_seen(service, folder):
    path = folder / "7.txt"
    time.sleep(0.06)
    first = await service.capture(str(folder), "one")
    before = path.stat()
    path.write_text("8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await service.capture(str(folder), "two") != first


async def test_links_and_ignored_files_are_left_out_and_stay(service, folder):
    (folder / "link").symlink_to("7.txt")
    (folder / ".aexlignore").write_text("*.log\n")
    (folder / "a.log").write_text("log")
    one = await service.capture(str(folder), "one")
    (folder / "7.txt").unlink()
    await service.capture(str(folder), "two")
    await service.materialize(one, str(folder), False)
    assert (folder / "a.log").read_text() == "log"
    assert (folder / "link").read_text() == "7"


async def test_names_that_cannot_be_kept_are_refused(service, folder):
    (folder / "A.txt").touch()
    (folder / "a.txt").touch()
    with pytest.raises(Invalid, match=r"a\.txt"):
        await service.capture(str(folder), "one")


async def test_texts_that_both_sides_changed_are_merged_by_lines(service, folder, tmp_path):
    text = folder / "7.txt"
    text.write_text("".join(f"{n}\n" for n in range(10)))
    base = await service.capture(str(folder), "base")
    text.write_text(text.read_text().replace("1\n", "one\n"))
    ours = await service.capture(str(folder), "ours")
    await service.materialize(base, str(folder), False)
    text.write_text(text.read_text().replace("8\n", "eight\n"))
    theirs = await service.capture(str(folder), "theirs")
    merged = await service.merge(base, ours, theirs)
    assert merged.conflicts == ()
    await service.materialize(merged.snapshot, str(folder), False)
    assert text.read_text() == "0\none\n2\n3\n4\n5\n6\n7\neight\n9\n"


async def test_several_tasks_capture_several_folders_at_once(service, tmp_path):
    folders = [tmp_path / f"f{n}" for n in range(4)]
    for folder in folders:
        folder.mkdir()
        (folder / "a").write_text(folder.name)
    made = {}

    async def capture(folder):
        made[folder] = await service.capture(str(folder), "one")

    async with trio.open_nursery() as nursery:
        for folder in folders:
            nursery.start_soon(capture, folder)
    assert len(set(made.values())) == 4
    for folder, snapshot in made.items():
        assert await service.changed_since(snapshot, str(folder)) == []


async def test_a_cancelled_capture_leaves_everything_as_it_was(service, folder):
    with trio.CancelScope() as scope:
        scope.cancel()
        await service.capture(str(folder), "one")
    one = await service.capture(str(folder), "one")
    assert await service.changed_since(one, str(folder)) == []


async def test_a_capture_that_is_cancelled_on_its_way_can_be_made_again(service, folder):
    for number in range(2000):
        (folder / f"more{number}").write_text(f"{number}" * 100)
    for seconds in (0.001, 0.01, 0.03):
        with trio.move_on_after(seconds):
            await service.capture(str(folder), "one")
    one = await service.capture(str(folder), "one")
    assert await service.changed_since(one, str(folder)) == []


def test_the_plugin_plays_the_role(fake_host):
    service, _ = SnapshotsPlugin().aexl_services(fake_host)
    assert service.role is Snapshots
    assert isinstance(service.instance, Snapshots)


async def test_a_folder_in_the_way_is_named(service, folder):
    one = await service.capture(str(folder), "one")
    (folder / "7.txt").unlink()
    (folder / "7.txt").mkdir()
    (folder / "7.txt" / "mine").write_text("work")
    with pytest.raises(Conflict, match=r"7\.txt/mine"):
        await service.materialize(one, str(folder), False)


async def test_what_git_ignores_is_left_out_where_there_is_no_ignore_file_of_ours(service, folder):
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "a.log").write_text("1")
    (folder / "sub").mkdir()
    (folder / "sub" / ".aexlignore").write_text("x\n")
    (folder / "sub" / ".gitignore").write_text("y\n")
    for name in ("x", "y", "b.log"):
        (folder / "sub" / name).write_text("1")
    one = await service.capture(str(folder), "one")
    assert await service.read(one, "a.log", 9) is None
    assert await service.read(one, "sub/b.log", 9) is None
    assert await service.read(one, "sub/x", 9) is None
    assert await service.read(one, "sub/y", 9) == b"1"


async def test_a_folder_that_went_back_to_what_gc_has_removed_is_stored_again(service, folder, tmp_path):
    time.sleep(0.06)  # so that what the files look like can be trusted
    one = await service.capture(str(folder), "one")
    (folder / "7.txt").write_text("other")
    two = await service.capture(str(folder), "two")
    await service.materialize(one, str(folder), False)
    repository = Repository.open(tmp_path / "home" / "store")
    await collect_here(repository, grace=0)
    three = await SnapshotService(tmp_path / "home").capture(str(folder), "three")
    assert three not in (one, two)
    await SnapshotService(tmp_path / "home").materialize(three, str(tmp_path / "new"), False)
    assert (tmp_path / "new" / "7.txt").read_text() == "7"


async def test_the_home_is_no_part_of_a_folder_that_it_lies_in(folder):
    (folder / "deep").mkdir()
    (folder / "link").symlink_to(folder / "deep")
    service = SnapshotService(folder / "link" / "home")
    before = await service.capture(str(folder), "before")
    book = folder / "deep" / "home" / "ledger.db"
    book.write_text("booked")
    (folder / "7.txt").write_text("8")
    after = await service.capture(str(folder), "after")
    assert [change.path for change in await service.diff(before, after)] == ["7.txt"]
    assert [change.path for change in await service.changed_since(before, str(folder))] == ["7.txt"]
    await service.materialize(before, str(folder), True)
    assert ((folder / "7.txt").read_text(), book.read_text()) == ("7", "booked")


async def test_the_home_itself_has_nothing_to_capture(service, folder):
    await service.capture(str(folder), "elsewhere")
    (folder.parent / "home" / "ledger.db").write_text("booked")
    home = str(folder.parent / "home")
    found = await service.capture(home, "the home")
    assert (await service.read(found, "ledger.db", 100), await service.changed_since(found, home)) == (None, [])
