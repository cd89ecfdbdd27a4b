"""Confined programs from start to end, with real ones."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aexl_runtime.sandbox import tree
from aexl_runtime.sandbox.cgroups import Group
from aexl_runtime.sandbox.confining import Module, confine
from aexl_runtime.sandbox.entering import enter
from aexl_runtime.sandbox.launch import write
from aexl_runtime.sandbox.ports import Control, Demand, Folders, Layer, Policy
from aexl_runtime.sandbox.probing import probe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these layers"),
]
PREFER = dict.fromkeys(Control, Demand.PREFER)
PYTHON = [sys.executable, "-I", "-S", "-c"]


@pytest.fixture(scope="module")
def probed():
    return probe()


class Run:
    """One confined program, started and waited for."""

    def __init__(self, probed, program, *, order=None, wait=True, **more):
        reader, writer = os.pipe()
        policy = more.pop("policy", Policy(demands=PREFER))
        self.confinement = confine(policy, program, ending_fd=writer, probed=probed, **more)
        argv = list(self.confinement.argv)
        if order is not None:
            argv[argv.index(write(self.confinement.order))] = write(self.confinement.order._replace(**order))
        self.process = subprocess.Popen(
            argv, env=self.confinement.env, pass_fds=self.confinement.pass_fds, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.close(writer)
        self.reader = reader
        if wait:
            self.finish()

    def finish(self):
        self.output, self.errors = self.process.communicate(timeout=30)
        self.status = self.process.returncode
        with os.fdopen(self.reader) as told:
            self.ending = json.loads(told.read() or "{}")


def test_a_program_ends_as_it_would_without_a_sandbox(probed):
    run = Run(probed, [*PYTHON, "import sys; print('said'); sys.exit(7)"])
    assert (run.output, run.status) == ("said\n", 7)
    assert (run.ending["cause"], run.ending["status"]) == ("exit", 7)


@pytest.mark.parametrize("view", ["namespaces", "none"])
def test_a_signal_that_ends_the_program_ends_its_supervisor(probed, view):
    run = Run(
        probed,
        [*PYTHON, "import os, signal; os.kill(os.getpid(), signal.SIGUSR1)"],
        policy=Policy(demands=PREFER, view=view),
    )
    assert run.status == -signal.SIGUSR1
    assert (run.ending["cause"], run.ending["status"]) == ("signal", signal.SIGUSR1)


def test_a_program_that_does_not_exist_is_127(probed):
    run = Run(probed, ["/nowhere/at/all"])
    assert run.status == 127
    assert "cannot be started" in run.errors


def test_a_program_sees_its_declared_variables_and_no_others(probed, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    run = Run(probed, [*PYTHON, "import os; print(*sorted(os.environ))"], env={"DECLARED": "1"})
    assert run.output.split() == ["AEXL_WORK", "DECLARED", "HOME", "LANG", "PATH", "TMPDIR"]


def test_a_secret_is_not_on_the_command_line(probed):
    confinement = confine(Policy(demands=PREFER), ["true"], env={"TOKEN": "hush-hush"}, probed=probed)
    assert confinement.env["TOKEN"] == "hush-hush"
    assert not any("hush-hush" in word for word in confinement.argv)


@pytest.mark.parametrize("view", ["namespaces", "bubblewrap", "none"])
def test_the_work_folder_is_private_writable_and_gone_afterwards(probed, view):
    program = "import os; open('made', 'w').write('x'); print(os.getcwd(), oct(os.stat('made').st_mode & 0o777))"
    run = Run(probed, [*PYTHON, program], policy=Policy(demands=PREFER, view=view))
    folder, mode = run.output.split()
    assert mode == "0o600"
    assert not Path(folder, "made").exists()


@pytest.mark.parametrize("view", ["namespaces", "bubblewrap", "none"])
def test_a_work_folder_of_the_machine_keeps_what_was_made(probed, view, tmp_path):
    tmp_path.chmod(0o777)
    run = Run(
        probed,
        [*PYTHON, "open('made', 'w').write('kept')"],
        folders=Folders(work=str(tmp_path)),
        policy=Policy(demands=PREFER, view=view),
    )
    assert run.status == 0, run.errors
    assert (tmp_path / "made").read_text() == "kept"
    assert "disk" in run.confinement.report.json()["not_enforced"]


@pytest.mark.parametrize("view", ["namespaces", "bubblewrap", "none"])
def test_a_snapshot_is_read_at_its_own_path(probed, view, tmp_path):
    (tmp_path / "handler.py").write_text("print('handled')")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    run = Run(
        probed,
        [sys.executable, "-I", str(tmp_path / "handler.py")],
        folders=Folders(readable=(str(tmp_path),)),
        policy=Policy(demands=PREFER, view=view),
    )
    assert run.output == "handled\n", run.errors


def test_our_own_module_runs_in_the_process_that_was_confined(probed):
    run = Run(probed, Module(name="platform", arguments=("terse",)))
    assert run.status == 0, run.errors
    assert run.output.startswith("Linux-")


def test_a_descriptor_that_is_kept_stays_open_and_another_one_does_not(probed):
    kept, other = os.pipe(), os.pipe()
    program = "import os\nfor fd in map(int, os.sys.argv[1:]):\n  try: os.write(fd, b'x')\n  except OSError: pass"
    confinement = confine(
        Policy(demands=PREFER), [*PYTHON, program.replace("os.sys", "__import__('sys')"), str(kept[1]), str(other[1])],
        keep_fds=(kept[1],), probed=probed,
    )  # fmt: skip
    subprocess.run(confinement.argv, env=confinement.env, pass_fds=(*confinement.pass_fds, other[1]), check=True)
    os.close(kept[1])
    os.close(other[1])
    assert os.read(kept[0], 9) == b"x"
    assert os.read(other[0], 9) == b""
    os.close(kept[0])
    os.close(other[0])


@pytest.mark.parametrize("view", ["namespaces", "bubblewrap", "none"])
def test_exactly_as_many_processes_run_as_the_policy_says(probed, view):
    program = """
import os, signal
count = 1
try:
    while True:
        if os.fork() == 0:
            signal.pause()
        count += 1
except BlockingIOError:
    print(count, flush=True)
"""
    policy = Policy(demands=PREFER, pids=9, view=view)
    run = Run(probed, [*PYTHON, program], policy=policy)
    if not run.confinement.report.holds(Control.PIDS):
        pytest.skip("the limit counts other processes too here, and the report says so")
    assert run.output == "9\n"


def test_a_time_limit_ends_everything_and_says_so(probed):
    started = time.monotonic()
    policy = Policy(demands=PREFER, wall_seconds=0.3)
    run = Run(probed, [*PYTHON, "import os, time; os.fork(); time.sleep(60)"], policy=policy)
    assert (run.status, run.ending["cause"]) == (124, "wall")
    assert 0.3 <= run.ending["wall_seconds"] < 10
    assert time.monotonic() - started < 20


def test_a_memory_limit_is_named_where_the_kernel_ended_the_program(probed):
    policy = Policy(demands={**PREFER, Control.DISK: Demand.OFF}, memory_bytes=64 << 20)
    run = Run(probed, [*PYTHON, "import os; os.fork(); os.fork(); x = b'x' * (50 << 20); import time; time.sleep(2)"],
              policy=policy)  # fmt: skip
    if not run.confinement.report.holds(Control.MEMORY):
        pytest.skip("memory cannot be held here, and the report says so")
    assert run.ending["cause"] == "memory"


def test_a_layer_that_fails_after_all_means_that_nothing_runs(probed):
    run = Run(probed, [*PYTHON, "print('ran')"], order={"groups": {"/nowhere": {"pids.max": "1"}}})
    assert (run.output, run.status, run.ending["cause"]) == ("", 125, "refused")
    assert "/nowhere" in run.ending["detail"]


def test_a_layer_that_fails_inside_means_that_nothing_runs(probed):
    run = Run(probed, [*PYTHON, "print('ran')"], order={"limits": {"NO_SUCH": 1}})
    assert (run.output, run.status, run.ending["cause"]) == ("", 125, "refused")


@pytest.mark.parametrize("view", ["namespaces", "bubblewrap", "none"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_program_ends_with_its_supervisor(probed, view, number):
    """With bubblewrap or namespaces even if the supervisor is killed; else only if it is asked to end."""
    if view == "none" and number == signal.SIGKILL:
        pytest.skip("only the program itself follows then: the host ends the rest of the tree")
    program = "import time; print('up', flush=True); time.sleep(60)"
    run = Run(probed, [*PYTHON, program], policy=Policy(demands=PREFER, view=view), wait=False)
    assert run.process.stdout.readline() == "up\n"
    run.process.send_signal(number)
    run.finish()  # its output ends, so nobody holds it any more
    assert run.ending.get("cause") == (None if number == signal.SIGKILL else "abandoned")


def test_a_program_whose_starter_is_gone_is_ended(probed):
    """The starter is a process between us and the supervisor that dies without a word."""
    reader, writer = os.pipe()
    program = "import time; print('up', flush=True); time.sleep(60)"
    confinement = confine(Policy(demands=PREFER), [*PYTHON, program], probed=probed)
    starter = os.fork()
    if starter == 0:
        subprocess.Popen(confinement.argv, env=confinement.env, stdout=writer, stderr=writer)
        signal.pause()
    os.close(writer)
    assert os.read(reader, 999) == b"up\n"
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    started = time.monotonic()
    assert os.read(reader, 999) == b""  # everybody who held the pipe has ended
    assert time.monotonic() - started < 15
    os.close(reader)


def test_a_forked_worker_is_confined_and_its_answer_comes_back(probed):
    reader, writer = os.pipe()
    confinement = confine(Policy(demands=PREFER), env={"A": "1"}, keep_fds=(writer,), probed=probed)
    child = os.fork()
    if child == 0:
        enter(confinement.order)
        os.write(writer, json.dumps([os.environ["A"], os.getpid(), str(Path.cwd())]).encode())
        os._exit(3)
    os.close(writer)
    with os.fdopen(reader) as answers:
        variable, pid, folder = json.loads(answers.read())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert variable == "1"
    if "pid" in confinement.order.namespaces:
        assert (pid, folder) == (2, "/tmp/work")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have groups here")
def test_nothing_is_left_of_a_control_group(probed):
    if not probed.has(Layer.CGROUPS):
        pytest.skip("no control groups can be had here")
    run = Run(probed, [*PYTHON, "pass"])
    for parent in run.confinement.order.groups:
        assert not list(Path(parent).glob(f"aexl-{run.process.pid}-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have groups here")
def test_an_empty_group_of_a_supervisor_that_was_killed_is_removed_by_the_next_one(probed):
    if not probed.has(Layer.CGROUPS):
        pytest.skip("no control groups can be had here")
    parent = Path(probed.groups["pids"])
    left = parent / "aexl-4194305-1"  # above the largest number that a process can have
    left.mkdir()
    group = Group({str(parent): {"pids.max": "5"}})
    group.make()
    group.remove(ending=True)
    assert not left.exists()


@pytest.mark.parametrize("view", ["namespaces", "bubblewrap"])
def test_who_takes_over_the_first_process_of_the_namespace_gains_nothing(probed, view):
    program = "print(*(line.split()[1] for line in open('/proc/1/status') if line[:4] in ('Secc', 'NoNe', 'CapE')))"
    bare = probed._replace(problems={**probed.problems, Layer.LANDLOCK: "left out by the test"})
    run = Run(bare, [*PYTHON, program], policy=Policy(demands=PREFER, view=view))
    capabilities, no_new_privileges, seccomp, filters = run.output.split()
    assert (int(capabilities, 16), no_new_privileges, seccomp) == (0, "1", "2")
    assert int(filters) >= 1


def test_the_first_process_of_the_namespace_cannot_be_looked_into(probed):
    program = """
for name in ("mem", "environ", "fd/3", "root"):
    try:
        open(f"/proc/1/{name}", "rb").read(1)
        print(name)
    except OSError:
        pass
"""
    run = Run(probed, [*PYTHON, program], policy=Policy(demands=PREFER, view="namespaces"))
    assert (run.output, run.status) == ("", 0), run.errors


def test_all_descendants_are_found_with_and_without_lists_of_children(monkeypatch):
    program = "import os, time; os.fork(); os.fork(); print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen([*PYTHON, program], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        for _ in range(4):
            assert process.stdout.readline() == "up\n"
        searched = tree._found_among_all(process.pid)
        lists = {seen.pid: [str(child.pid) for child in searched if child.parent == seen.pid] for seen in searched}
        lists[process.pid] = [str(child.pid) for child in searched if child.parent == process.pid]
        monkeypatch.setattr(tree.os.path, "exists", lambda _: True)
        monkeypatch.setattr(tree, "_children", lists.__getitem__)  # as a kernel that keeps them would say
        listed = tree.descendants(process.pid)
        monkeypatch.undo()
        assert {seen.pid for seen in listed} == {seen.pid for seen in searched}
        assert len(listed) == 3
        assert all(seen.memory_bytes > 0 for seen in listed)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
