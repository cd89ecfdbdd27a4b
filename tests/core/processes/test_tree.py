"""Finding and ending exactly the right processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import trio

from aexl.api import ProcessSpec
from aexl.core.processes import is_alive, table, tree
from aexl.core.processes.running import spawn
from aexl.core.processes.table import read_entry, read_table, send, send_to_group


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def test_the_table_has_us_with_our_parent_session_and_group():
    entry = read_table()[os.getpid()]
    assert (entry.parent, entry.group, entry.session) == (os.getppid(), os.getpgrp(), os.getsid(0))
    assert not entry.ended


def test_a_name_with_parentheses_and_blanks_is_read_past(tmp_path):
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "600"]) as process:
        entry = read_entry(process.pid)
        process.kill()
    assert entry is not None
    assert entry.parent == os.getpid()


def test_a_number_that_was_used_again_is_not_signalled(sleeper):
    entry = read_entry(sleeper.pid)
    assert not send(entry._replace(start=entry.start - 1), signal.SIGKILL)
    assert sleeper.poll() is None
    assert send(entry, signal.SIGKILL)
    assert sleeper.wait(5) == -9


def test_a_kernel_without_process_handles_is_served_too(sleeper, monkeypatch):
    def refuse(pid):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(table.os, "pidfd_open", refuse)
    entry = read_entry(sleeper.pid)
    assert not send(entry._replace(start=entry.start - 1), signal.SIGKILL)
    assert send(entry, signal.SIGTERM)
    assert sleeper.wait(5) == -15
    assert not send(entry, signal.SIGTERM)


def test_who_has_ended_cannot_be_signalled(sleeper):
    entry = read_entry(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert not send(entry, signal.SIGKILL)
    assert not send_to_group(sleeper.pid, signal.SIGKILL)
    assert read_entry(sleeper.pid) is None


def test_one_that_ended_and_was_not_collected_is_not_alive(sleeper):
    assert is_alive(sleeper.pid)
    os.kill(sleeper.pid, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(sleeper.pid)


def test_without_a_table_alive_means_that_it_can_be_signalled(sleeper, monkeypatch):
    monkeypatch.setattr(table, "has_table", lambda: False)
    assert is_alive(sleeper.pid)
    assert is_alive(1)
    sleeper.kill()
    sleeper.wait()
    assert not is_alive(sleeper.pid)


@pytest.mark.parametrize("inherit", [False, True])
async def test_without_a_table_the_group_is_ended(tmp_path, monkeypatch, inherit):
    """What macOS gets. Only the program itself can be meant where the group is ours."""
    monkeypatch.setattr(tree, "has_table", lambda: False)
    note = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {note}.new; mv {note}.new {note}; wait"
    env = {"PATH": os.environ["PATH"]}
    spec = ProcessSpec(argv=["/bin/sh", "-c", script], env=env, cwd=tmp_path, inherit=inherit, cancel=())
    with trio.fail_after(10):
        async with spawn(spec) as process:
            while not note.exists():
                await trio.sleep(0.005)
    child = int(note.read_text())
    assert await process.wait() == -9
    if inherit:
        assert is_alive(child)
        os.kill(child, signal.SIGKILL)
    else:
        assert not is_alive(child)


async def test_a_host_that_cannot_adopt_finds_orphans_by_their_mark(tmp_path, monkeypatch):
    """Where the system has no subreapers, orphans go to init; the mark is looked for everywhere."""
    monkeypatch.setattr(tree, "become_subreaper", lambda: False)
    script = "setsid sleep 600 & echo $!"
    spec = ProcessSpec(argv=["/bin/sh", "-c", script], env={"PATH": os.environ["PATH"]}, cwd=tmp_path)
    async with spawn(spec) as process:
        pid = int(await process.lines.receive())
        await process.wait()
    assert not is_alive(pid)


async def test_processes_that_cannot_be_ended_are_given_up_and_named(monkeypatch, sleeper, caplog):
    monkeypatch.setattr(tree, "KILL_LIMIT", 0.05)
    monkeypatch.setattr(tree, "send", lambda entry, number: True)
    monkeypatch.setattr(tree, "send_to_group", lambda group, number: True)
    await tree.Tree(sleeper.pid, "mark", own_session=True).kill()
    assert str(sleeper.pid) in caplog.text


def test_the_host_itself_is_never_in_a_tree(monkeypatch):
    """Not even when its own environment has the mark of a tree inside its own."""
    found = tree.Tree(os.getpid() + 10**6, "outer:inner", own_session=False)
    assert os.getpid() not in [entry.pid for entry in found.look()]


@pytest.mark.slow
def test_a_host_inside_a_tree_ends_with_it_and_so_does_its_own_tree(tmp_path):
    """``kill -9`` on an inner host leaves its programs to the outer one, who knows them by the outer mark."""
    inner = (
        "import os, trio\n"
        "from pathlib import Path\n"
        "from aexl.api import ProcessSpec\n"
        "from aexl.core.processes.running import spawn\n"
        "async def main():\n"
        "    spec = ProcessSpec(argv=['sleep', '600'], env={'PATH': os.environ['PATH']}, cwd=Path('/'))\n"
        "    async with spawn(spec) as process:\n"
        "        print(process.pid, flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
        "trio.run(main)\n"
    )

    async def main():
        env = {"PATH": os.environ["PATH"]}
        async with spawn(ProcessSpec(argv=[sys.executable, "-c", inner], env=env, cwd=tmp_path)) as process:
            pid = int(await process.lines.receive())
            assert await process.wait() == -9
            assert is_alive(pid)
        return pid

    assert not is_alive(trio.run(main))
