"""KILL, ENOSPC, EIO and power cuts at every operation: old or new, sound, and the next run succeeds."""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil

import pytest
from faulty_files import Count, FailAt, FaultyFiles, ForgetfulFiles, Killed
from made import commit, contents

from aexl.errors import AexlError
from aexl_snapshots import tidying
from aexl_snapshots.disk.directory import Directory
from aexl_snapshots.maintenance.check import check
from aexl_snapshots.maintenance.gc import collect
from aexl_snapshots.maintenance.local import check_here, collect_here
from aexl_snapshots.repository import PLACE, Repository
from aexl_snapshots.stores.folder import FolderStore
from aexl_snapshots.sync.fetch import fetch
from aexl_snapshots.sync.push import push

OLD = {"a": b"one", "same": b"same" * 100, "large": bytes(5_000_000)}
NEW = {"a": b"two", "same": b"same" * 100, "new/file": b"three" * 50}


class Work:
    """One operation on a folder that is made anew for each fault."""

    def __init__(self, tmp_path):
        self._folders = (tmp_path / str(number) for number in itertools.count())
        self.root = None
        self.template = tmp_path / "template"

    async def prepare(self):
        """Make the state before; return nothing."""

    async def run(self, files):
        """Do it, over these file operations."""

    async def verify(self, done):
        """Look at the state afterwards: what it may be if it was not done, and must be if it was."""

    async def fresh(self):
        self.root = next(self._folders)
        await self.prepare()


class Commit(Work):
    async def prepare(self):
        repository = Repository.init(self.root)
        self.old = commit(repository, OLD)

    async def run(self, files):
        self.new = commit(Repository.open(self.root, files=files), NEW)

    async def verify(self, done):
        repository = Repository.open(self.root)
        head = repository.head()
        assert head != self.old if done else True
        assert contents(repository, head) == (OLD if head == self.old else NEW)
        assert (await check_here(repository, read_data=True)).findings == []


class Push(Work):
    async def prepare(self):
        self.here = Repository.init(self.root / "here")
        self.old = commit(self.here, OLD)
        store = FolderStore(Directory(self.root / "store"))
        await push(self.here, store, "store", self.old)
        self.new = commit(self.here, NEW)

    async def run(self, files):
        await push(self.here, FolderStore(Directory(self.root / "store", files)), "store", self.new)

    async def verify(self, done):
        store = FolderStore(Directory(self.root / "store"))
        there = Repository.init(self.root / f"there-{done}-{random.random()}")
        fetched = await fetch(there, store, "store", "origin")
        assert fetched.heads["main"] in ({self.new} if done else {self.old, self.new})
        assert contents(there, fetched.heads["main"]) == (NEW if fetched.heads["main"] == self.new else OLD)
        assert (await check(store, "store", read_data=True)).findings == []


class Fetch(Work):
    async def prepare(self):
        here = Repository.init(self.root / "here")
        self.store = FolderStore(Directory(self.root / "store"))
        self.there = Repository.init(self.root / "there")
        self.old = commit(here, OLD)
        await push(here, self.store, "store", self.old)
        await fetch(self.there, self.store, "store", "origin")
        self.new = commit(here, NEW)
        await push(here, self.store, "store", self.new)

    async def run(self, files):
        await fetch(Repository.open(self.root / "there", files=files), self.store, "store", "origin")

    async def verify(self, done):
        there = Repository.open(self.root / "there")
        tracked = there.tracked("origin")["main"]
        assert tracked in ({self.new} if done else {self.old, self.new})
        assert contents(there, tracked) == (NEW if tracked == self.new else OLD)
        assert (await check_here(there, read_data=True)).findings == []


class Gc(Work):
    async def prepare(self):
        if not self.template.exists():
            repository = Repository.init(self.template)
            for number in range(18):
                commit(repository, OLD | {"a": b"%d" % number})
            self.kept = repository.head()
            commit(repository, NEW, move=False, parents=[], head="x")
        shutil.copytree(self.template, self.root)

    async def run(self, files):
        await collect_here(Repository.open(self.root, files=files), grace=0)

    async def verify(self, done):
        repository = Repository.open(self.root)
        assert repository.head() == self.kept
        assert len(list(repository.log(self.kept))) == 18
        assert contents(repository, self.kept) == OLD | {"a": b"17"}
        assert (await check_here(repository, read_data=True)).findings == []
        if done:
            assert len(repository.packs.packs) <= 2


class Tidy(Work):
    async def prepare(self):
        if not self.template.exists():
            repository = Repository.init(self.template)
            for number in range(6):
                self.kept = commit(repository, OLD | {"a": b"%d" % number})
        shutil.copytree(self.template, self.root)
        for path in (self.root / PLACE / "packs").iterdir():
            os.utime(path, (1, 1))

    async def run(self, files):
        repository = Repository.open(self.root, files=files)
        with repository.alone():
            tidying.tidy(repository)

    async def verify(self, done):
        repository = Repository.open(self.root)
        assert repository.head() == self.kept
        assert contents(repository, self.kept) == OLD | {"a": b"5"}
        assert (await check_here(repository, read_data=True)).findings == []
        if done:
            assert len(repository.packs.packs) <= 1 + tidying.MANY


@pytest.fixture(autouse=True)
def few_packs_are_many(monkeypatch):
    monkeypatch.setattr(tidying, "MANY", 3)


WORKS = [Commit, Push, Fetch, Gc, Tidy]
FAULTS = {
    "kill": (Killed, True),
    "full disk": (lambda: OSError(errno.ENOSPC, "No space left on device"), True),
    "full disk for good": (lambda: OSError(errno.ENOSPC, "No space left on device"), False),
    "failing disk": (lambda: OSError(errno.EIO, "Input/output error"), True),
}


async def forget_lease(work):
    """A gc that was killed has its lease for some minutes; let it be over."""
    (work.root / PLACE / "gc" / "lease").unlink(missing_ok=True)


async def run_with(work, files):
    """Run it; return whether it said that it succeeded."""
    done = False
    try:
        await work.run(files)
        done = True
    except* (AexlError, Killed):
        pass
    return done


async def break_at_every(work, fault, once, points=None, first=1):
    """Break it at ``points`` of its operations, or at all of them."""
    count = Count()
    await work.fresh()
    await work.run(FaultyFiles(count))
    await work.verify(done=True)
    assert count.seen > 5
    for number in range(first, count.seen + 1, -(-count.seen // points) if points else 1):
        await work.fresh()
        done = await run_with(work, FaultyFiles(FailAt(number, fault, once=once)))
        await work.verify(done=done)
        await forget_lease(work)
        await work.run(FaultyFiles(Count()))
        await work.verify(done=True)
    return count.seen


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", WORKS)
async def test_a_fault_at_some_operations_leaves_old_or_new(tmp_path, kind, fault):
    error, once = FAULTS[fault]
    await break_at_every(kind(tmp_path), error, once, 2, first=1 + list(FAULTS).index(fault))


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", WORKS)
async def test_a_fault_at_every_operation_leaves_old_or_new(tmp_path, kind, fault):
    error, once = FAULTS[fault]
    await break_at_every(kind(tmp_path), error, once)


async def cut_power(tmp_path, seeds, step):
    """Cut the power after each operation of a commit; return how many disks that gave."""
    root = tmp_path / "disk"
    files = ForgetfulFiles()
    repository = Repository.init(root, files=files)
    old = commit(repository, OLD)
    begin = len(files.states)
    new = commit(repository, NEW)
    tried = 0
    for at in range(begin - 1, len(files.states), step):
        for seed in range(seeds):
            survivor = tmp_path / f"{at}-{seed}"
            files.survivors(at, random.Random(f"{at}-{seed}"), root, survivor)
            found = Repository.open(survivor)
            head = found.head()
            assert head in ({new} if at == len(files.states) - 1 else {old, new})
            assert contents(found, head) == (OLD if head == old else NEW)
            assert (await check_here(found, read_data=True)).findings == []
            commit(found, {"b": b"more"})
            tried += 1
    return tried


@pytest.mark.slow
async def test_a_power_cut_during_a_commit_leaves_old_or_new(tmp_path):
    assert await cut_power(tmp_path, seeds=3, step=1) >= 30


@pytest.mark.long
async def test_many_power_cuts_during_a_commit_leave_old_or_new(tmp_path):
    assert await cut_power(tmp_path, seeds=100, step=1) >= 1000


def test_an_error_of_the_disk_is_a_sentence_with_the_path(tmp_path):
    Repository.init(tmp_path)
    full = FaultyFiles(FailAt(1, lambda: OSError(errno.ENOSPC, "No space left on device"), once=False))
    with pytest.raises(AexlError, match=r"tmp.*No space left on device; free some space") as caught:
        commit(Repository.open(tmp_path, files=full), OLD)
    assert caught.value.exit_code == 6


async def test_gc_of_a_store_can_be_run_by_anybody(tmp_path):
    work = Push(tmp_path)
    await work.fresh()
    store = FolderStore(Directory(work.root / "store"))
    await collect(store, "store", grace=0)
    await work.run(None)
    await work.verify(done=True)
