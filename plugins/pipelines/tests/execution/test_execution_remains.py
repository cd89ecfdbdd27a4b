"""What a run that was killed has left behind is ended before anybody goes on with it, forks it or undoes it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aexl.errors import Conflict
from aexl_pipelines.execution.remains import left_tree
from aexl_pipelines.journal.folders import read_records
from aexl_pipelines.journal.records import Noted
from aexl_pipelines.journal.writing import NAME, open_journal

AEXL = Path(sys.executable).with_name("aexl")
TWO = "pipeline:\n  - {id: one, context: {shell: 'true'}}\n  - {id: two, context: {shell: 'true'}}\n"
ENDED = "ended 1 process that the run had left behind when it was broken off"

OUTER = """\
pipeline:
  - {id: first, context: {shell: 'echo first > first'}}
  - {id: called, pipeline: ./inner.yaml}
"""
INNER = """\
pipeline:
  - id: works
    context:
      shell: |
        test -e again && exit
        setsid sh -c 'echo $$ > daemon; while :; do echo x >> noise; sleep 0.02; done' &
        echo $$ > shell.new; mv shell.new shell
        while :; do echo y >> noise; sleep 0.02; done
"""


@pytest.fixture
def left():
    """Start what carries a mark."""
    started = []

    def start(tree):
        process = subprocess.Popen(["sleep", "600"], env={"AEXL_TREE": f"{tree}:own"}, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def runs(pid):
    """Say whether a process runs; one that has ended and that nobody has collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def break_off(result, records=1):
    """Make a run's journal that of one that was killed before its last records; return its mark."""
    path = result.folder / NAME
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-records]))
    return mark_of(result)


def mark_of(result):
    return left_tree(read_records(result.folder))


def notes(workshop, result):
    return [record.text for record in workshop.records(result) if isinstance(record, Noted)]


async def test_a_resumed_run_ends_what_was_left_behind_first(workshop, left):
    first = await workshop.run(TWO)
    process = left(break_off(first, 2))
    again = await workshop.resume(first.run)
    assert not runs(process.pid)
    assert again.status == "completed"
    assert notes(workshop, again) == [ENDED]


async def test_what_the_resumed_run_has_left_behind_has_a_mark_of_its_own(workshop, left):
    first = await workshop.run(TWO)
    earlier = break_off(first, 2)
    again = await workshop.resume(first.run)
    later = break_off(again)
    assert later not in {"", earlier}
    process = left(later)
    await workshop.resume(first.run)
    assert not runs(process.pid)


async def test_a_fork_ends_what_the_run_that_it_is_of_has_left_behind(workshop, left):
    first = await workshop.run(TWO)
    process = left(break_off(first))
    fork = await workshop.fork(first.run, from_step="two")
    assert not runs(process.pid)
    assert notes(workshop, fork) == [ENDED]


async def test_a_run_that_came_to_an_end_has_left_nothing_behind(workshop):
    first = await workshop.run(TWO)
    assert mark_of(first) == ""


async def test_what_a_run_has_started_that_is_being_driven_is_left_alone(workshop, left):
    first = await workshop.run(TWO)
    process = left(break_off(first))
    journal = open_journal(first.folder)  # as the process that drives it does
    try:
        await workshop.fork(first.run, from_step="two")
        with pytest.raises(Conflict):
            await workshop.resume(first.run)
    finally:
        journal.close()
    assert runs(process.pid)


async def test_a_system_that_does_not_tell_is_said_so(workshop, monkeypatch):
    async def nothing(mark):
        return None

    monkeypatch.setattr(workshop.host, "end_remains", nothing)
    first = await workshop.run(TWO)
    break_off(first)
    [note] = notes(workshop, await workshop.resume(first.run))
    assert "may still be at work" in note


def wait_for(path):
    end = time.monotonic() + 15
    while not path.exists():
        assert time.monotonic() < end, f"there is no {path.name}"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("resume", "last"), ("fork", "last", "--from", "first"), ("undo", "last")])
def test_after_a_kill_nothing_of_the_old_run_writes_beside_the_new_one(tmp_path, words):
    project = tmp_path / "project"
    project.mkdir()
    (project / ".aexl.yaml").write_text(OUTER)
    (project / "inner.yaml").write_text(INNER)
    (project / ".aexlignore").write_text("noise\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AEXL_HOME": str(tmp_path / "home")}
    driver = subprocess.Popen([AEXL, "pipeline", "run", "-q"], cwd=project, env=environ, start_new_session=True)
    try:
        wait_for(project / "shell")
        wait_for(project / "daemon")
    finally:
        driver.kill()
        driver.wait()
    pids = [int((project / name).read_text()) for name in ("shell", "daemon")]
    assert all(map(runs, pids))
    (project / "again").touch()
    if words[0] == "undo":
        words = (*words, "--force")
    done = subprocess.run(
        [AEXL, "pipeline", *words], cwd=project, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    size = (project / "noise").stat().st_size
    assert done.returncode == 0, done.stderr
    assert "that the run had left behind when it was broken off" in done.stderr
    assert not any(map(runs, pids))
    assert (project / "noise").stat().st_size == size
