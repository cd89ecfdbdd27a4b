"""Small packs that small commits leave: gathered on the way, and found by whoever reads meanwhile."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from made import commit, contents

from aexl_snapshots import tidying
from aexl_snapshots.packs import MOST_OPEN
from aexl_snapshots.repository import Repository


def grow_old(repository):
    for path in (repository.path / "packs").iterdir():
        os.utime(path, (1, 1))


def test_many_small_commits_are_gathered_on_the_way(here, monkeypatch):
    monkeypatch.setattr(tidying, "MANY", 10)
    here = Repository.open(here.root)
    snapshots = []
    for number in range(40):
        snapshots.append(commit(here, {"a": b"%d" % number, "same": b"same"}))
        grow_old(here)
    there = Repository.open(here.root)

    assert len(there.packs.packs) < 30
    assert [id for id, _ in there.log(there.head())] == snapshots[::-1]
    assert contents(there, snapshots[0]) == {"a": b"0", "same": b"same"}
    assert {id for id, _ in there.record("heads/main")[0].packs} <= set(there.packs.packs)


def test_young_packs_are_left_alone_and_few_as_well(here):
    for number in range(tidying.MANY + 5):
        commit(here, {"a": b"%d" % number})
    assert len(here.packs.packs) == tidying.MANY + 5
    grow_old(here)
    assert tidying.tidy(here) == tidying.MANY + 5
    assert tidying.tidy(here) == 0


def test_somebody_who_reads_finds_what_was_gathered(here):
    first = commit(here, {"a": b"first"})
    reader = Repository.open(here.root)
    for number in range(tidying.MANY):
        commit(here, {"a": b"%d" % number})
    grow_old(here)
    with here.alone():
        tidying.tidy(here)
    reader.packs._handles._open.clear()
    assert contents(reader, first) == {"a": b"first"}


def test_more_packs_than_files_may_be_open_are_read(here):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    snapshots = [commit(here, {"a": b"%d" % number}) for number in range(MOST_OPEN + 40)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 10, before[1]))
    try:
        assert [contents(here, id)["a"] for id in snapshots] == [b"%d" % number for number in range(MOST_OPEN + 40)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
