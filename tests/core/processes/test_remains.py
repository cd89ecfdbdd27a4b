"""What a killed host has left behind is found and ended, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import pytest

from aexl.core.processes import is_alive, remains, tree
from aexl.core.processes.remains import end_remains
from aexl.errors import Conflict, Unavailable

PATH = os.environ["PATH"]


@pytest.fixture
def mark():
    return uuid.uuid4().hex


@pytest.fixture
def started():
    processes = []

    def start(line, **env):
        process = subprocess.Popen(
            ["/bin/sh", "-c", line], env={"PATH": PATH, **env}, start_new_session=True, stdout=subprocess.PIPE
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


async def test_what_carries_the_mark_ends_with_all_that_it_started(started, mark):
    process = started("setsid env -i sleep 600 & echo $!; wait", AEXL_TREE=f"outer:{mark}:own")
    child = int(process.stdout.readline())
    assert await end_remains(mark) == 2
    assert not is_alive(process.pid)
    assert not is_alive(child)
    assert await end_remains(mark) == 0


async def test_a_mark_in_another_variable_or_of_another_tree_is_none_of_it(started, mark):
    other = started("exec sleep 600", NOTE=mark, AEXL_TREE=uuid.uuid4().hex)
    assert await end_remains(mark) == 0
    assert is_alive(other.pid)


async def test_what_takes_no_notice_of_being_asked_is_killed(started, mark, monkeypatch):
    monkeypatch.setattr(remains, "GRACE", 0.05)
    process = started("trap '' TERM; echo ready; while :; do sleep 600; done", AEXL_TREE=mark)
    process.stdout.readline()
    assert await end_remains(mark)
    assert not is_alive(process.pid)


async def test_what_was_stopped_is_asked_too(started, mark):
    process = started("trap 'echo asked; exit' TERM; echo ready; kill -STOP $$; sleep 600", AEXL_TREE=mark)
    assert process.stdout.readline() == b"ready\n"
    assert await end_remains(mark)
    assert process.stdout.readline() == b"asked\n"


async def test_what_does_not_end_is_named(started, mark, monkeypatch):
    for name in ("GRACE", "KILL_LIMIT"):
        monkeypatch.setattr(remains if name == "GRACE" else tree, name, 0.05)
    for module in (remains, tree):
        monkeypatch.setattr(module, "send", lambda entry, number: True)
    monkeypatch.setattr(tree, "send_to_group", lambda group, number: True)
    process = started("exec sleep 600", AEXL_TREE=mark)
    with pytest.raises(Unavailable, match=str(process.pid)):
        await end_remains(mark)


async def test_who_is_part_of_it_cannot_end_it(started, mark, monkeypatch):
    process = started("exec sleep 600", AEXL_TREE=mark)
    monkeypatch.setenv("AEXL_TREE", f"{mark}:inner")
    with pytest.raises(Conflict, match="outside"):
        await end_remains(mark)
    assert is_alive(process.pid)


async def test_without_a_table_nothing_is_known(mark, monkeypatch):
    monkeypatch.setattr(remains, "has_table", lambda: False)
    assert await end_remains(mark) is None


@pytest.mark.slow
async def test_what_a_host_has_started_within_a_mark_is_found_when_the_host_was_killed(tmp_path, mark):
    script = (
        "import os, trio\n"
        "from pathlib import Path\n"
        "from aexl.api import ProcessSpec\n"
        "from aexl.core.processes.running import spawn\n"
        "async def main():\n"
        f"    spec = ProcessSpec(argv=['sleep', '600'], env={{}}, cwd=Path('/'), within={mark!r})\n"
        "    async with spawn(spec) as process:\n"
        "        print(process.pid, flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
        "trio.run(main)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, cwd=tmp_path)
    left = int(killed.stdout)
    assert is_alive(left)
    assert await end_remains(mark) == 1
    assert not is_alive(left)
