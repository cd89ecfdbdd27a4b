"""Old runs go with their snapshots and copies; what somebody works on stays."""

from __future__ import annotations

import os
import time

import pytest
import trio

from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.journal.writing import open_journal
from aexl_pipelines.trees.keeping import owner
from aexl_pipelines.trees.pruning import old_runs, prune_run

NOW = time.time()


@pytest.fixture
def runs(home, make, project, write_journal):
    """Three runs and what an earlier pruning left, 3, 2, 1 and 9 days old."""
    made = []
    for name, days in (("one", 3), ("two", 2), ("three", 1)):
        folder = trio.run(write_journal, [make.begun(project, name)], name)
        (folder / "copies" / "x").mkdir(parents=True)
        os.utime(folder / "journal.jsonl", (NOW, NOW - days * 86_400))
        made.append(folder)
    rest = home / "runs" / "rest"
    rest.mkdir()
    os.utime(rest, (NOW, NOW - 9 * 86_400))
    return made


async def test_only_runs_in_which_nothing_happened_since_are_old(runs, home):
    assert [each.name for each in old_runs(home, NOW - 1.5 * 86_400)] == ["one", "rest", "two"]
    assert [each.name for each in old_runs(home, NOW - 3 * 86_400)] == ["rest"]
    assert list(old_runs(home / "nowhere", NOW)) == []


async def test_a_run_that_is_driven_is_not_old(runs, home):
    journal = open_journal(runs[0])
    try:
        assert "one" not in [each.name for each in old_runs(home, NOW)]
    finally:
        journal.close()


async def test_a_run_goes_with_its_snapshots(runs, home, project):
    snapshots = FakeSnapshots()
    made = await snapshots.capture(str(project), "x")
    for folder in runs:
        await snapshots.keep(owner(folder.name), [made])
    await prune_run(snapshots, runs[0])
    await prune_run(None, runs[1])
    assert sorted(snapshots.kept) == [owner("three"), owner("two")]
    assert [folder.exists() for folder in runs] == [False, False, True]


def test_the_command_removes_the_old_runs_of_this_project(run, runs, project, home, tmp_path, monkeypatch, service):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run("runs", "--prune", "1d", "--json").json() == {"removed": []}
    monkeypatch.chdir(project)
    assert run("runs", "--prune", "36h", "--json").json() == {"removed": ["one", "two"]}
    assert "Removed 1 run." in run("runs", "--prune", "25h", "--all").out
    assert [each.name for each in (home / "runs").iterdir()] == ["three"]
    assert run("runs", "--prune", "soon").code == 2
