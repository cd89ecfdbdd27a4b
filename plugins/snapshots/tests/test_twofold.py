"""Half of the work in another process: the same answers, the errors told, and no process left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from made import commit
from project import Project

from aexl_snapshots.repository import Repository
from aexl_snapshots.twofold import in_two, may_fork

PROGRAM = """
import os, signal, sys
from aexl.errors import AexlError, Conflict, Invalid
from aexl_snapshots.twofold import in_two, may_fork

os.sched_getaffinity = lambda _pid: {0, 1}

def here(part):
    return [(os.getpid(), each) for each in part]

def refuse(part):
    raise Invalid(f"{part[0]} is damaged")

def end(part):
    os.kill(os.getpid(), signal.SIGKILL)

def wait(part):
    signal.pause()

try:
    CODE
finally:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("nobody is left")
"""


def run(code):
    """Run in a process that has one thread, as a command has."""
    program = PROGRAM.replace("CODE", code.replace("\n", "\n    "))
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20)
    return ran.stdout.split("\n"), ran.stderr


def test_both_halves_are_done_and_answered_in_order_by_two_processes():
    code = "assert may_fork()\n"
    code += "halves = in_two([1, 2, 3, 4, 5], here, here, list[tuple[int, int]])\n"
    code += "print([[each for _, each in half] for half in halves], len({pid for half in halves for pid, _ in half}))"
    assert run(code) == (["[[1, 2], [3, 4, 5]] 2", "nobody is left", ""], "")


def test_what_is_refused_aside_is_refused():
    out, err = run("in_two([1, 2], here, refuse, list[int])")
    assert out == ["nobody is left", ""]
    assert err.splitlines()[-1] == "aexl.errors.Unavailable: 2 is damaged"


def test_a_second_process_that_is_killed_is_told():
    out, err = run("in_two([1, 2], here, end, list[int])")
    assert out == ["nobody is left", ""]
    assert "the process that did half of the work was ended" in err


def test_an_error_here_does_not_wait_for_the_other_process():
    out, err = run("in_two([1, 2], refuse, wait, list[int])")
    assert out == ["nobody is left", ""]
    assert err.splitlines()[-1] == "aexl.errors.Invalid: 1 is damaged"


def test_where_no_more_processes_may_be_started_everything_is_done_here():
    code = "def fork():\n    raise BlockingIOError\nos.fork = fork\n"
    code += "before = os.listdir('/proc/self/fd')\n"
    code += "print([[each for _, each in half] for half in in_two([1, 2], here, here, list[tuple[int, int]])])\n"
    code += "assert os.listdir('/proc/self/fd') == before"
    assert run(code) == (["[[1, 2]]", "nobody is left", ""], "")


@pytest.mark.parametrize("processors", [1, 2])
def test_one_piece_of_work_or_one_processor_needs_one_process(processors, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(processors)))
    assert in_two([1], list, list, list[int]) == [[1]]
    if processors == 1:
        assert in_two([1, 2], list, list, list[int]) == [[1, 2]]


def test_a_process_with_threads_is_not_forked():
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert not may_fork()
        assert in_two([1, 2], list, list, list[int]) == [[1, 2]]
    finally:
        end.set()
        thread.join()


@pytest.mark.slow
def test_many_files_are_cloned_as_they_are_and_the_clone_knows_them(tmp_path):
    files = {f"d{number % 7}/f{number}": b"%d" % number for number in range(1500)}
    origin = Project(tmp_path / "origin", tmp_path / "home")
    commit(Repository.init(origin.folder), files)
    origin.run("remote", "add", "origin", str(tmp_path / "store"))
    origin.run("push")
    origin.run("clone", str(tmp_path / "store"), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", origin.home)
    assert {name: data for name, (data, _) in clone.read().items()} == files
    assert clone.json("status")["clean"] is True


@pytest.mark.slow
def test_damage_is_named_in_whichever_process_it_is_found(tmp_path):
    project = Project(tmp_path / "project", tmp_path / "home")
    project.run("init")
    repository = Repository.find(project.folder)
    for number in range(4):
        commit(repository, {f"f{number}": os.urandom(3000) for _ in range(3)})
    packs = sorted(repository.packs.packs)
    assert len(packs) == 4
    for id in packs:
        path = repository.path / "packs" / f"{id}.pack"
        data = bytearray(path.read_bytes())
        data[40] ^= 1
        path.write_bytes(data)
    report = project.json("check", "--read-data", code=1)
    assert len({finding["name"] for finding in report["findings"]}) >= len(packs)
    assert report["packs"] == 4
