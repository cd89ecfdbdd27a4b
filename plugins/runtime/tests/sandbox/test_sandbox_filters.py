"""What the filters say of each call, on both machines, without a kernel."""

import errno
import signal
from functools import partial
from pathlib import Path

import pytest
from bpf_machine import judge
from hypothesis import given
from hypothesis import strategies as st

from aexl_runtime.sandbox.assembler import ALLOW, ARCHITECTURE, KILL, fail_with
from aexl_runtime.sandbox.filters import X32, compile_filter
from aexl_runtime.sandbox.syscalls import numbers, ordinary

MACHINES = ("x86_64", "aarch64")
EPERM, ENOSYS, EACCES = (fail_with(number) for number in (errno.EPERM, errno.ENOSYS, errno.EACCES))
PARTS = ("ordinary", "network", "sockets", "ipc", "keys", "metadata", "others")


def filtered(machine, *parts):
    return partial(judge, compile_filter(parts, machine), arch=ARCHITECTURE[machine])


@pytest.mark.parametrize("machine", MACHINES)
def test_every_known_call_is_allowed_exactly_when_it_is_ordinary(machine):
    ask = filtered(machine, "ordinary")
    special = {numbers(machine)[name] for name in ("memfd_create", "clone3")}
    for number in set(numbers(machine).values()) - special:
        assert ask(number) == (ALLOW if number in ordinary(machine) else EPERM), number


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(0, 0x3FFFFFFF))
def test_a_call_that_nobody_knows_yet_looks_as_if_the_kernel_were_older(machine, number):
    if number not in numbers(machine).values():
        assert filtered(machine, "ordinary")(number) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("part", PARTS)
def test_a_call_made_as_on_another_machine_ends_the_program(machine, part):
    program = compile_filter((part,), machine)
    for arch in (0x40000003, 0x40000028, ARCHITECTURE[MACHINES[machine == MACHINES[0]]]):
        assert judge(program, 1, arch=arch) == KILL
    if machine == "x86_64":
        assert judge(program, X32 | 1, arch=ARCHITECTURE[machine]) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_and_forks_are_allowed_and_new_namespaces_are_not(machine):
    ask, clone = filtered(machine, "ordinary"), numbers(machine)["clone"]
    assert ask(clone, signal.SIGCHLD) == ALLOW
    assert ask(clone, 0x3D0F00) == ALLOW  # what a thread is made with
    for flag in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert ask(clone, flag | signal.SIGCHLD) == EPERM, hex(flag)
    assert ask(numbers(machine)["clone3"]) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_no_socket_or_unix_sockets_only(machine):
    number = numbers(machine)["socket"]
    for family in range(50):
        assert filtered(machine, "ordinary", "network")(number, family) == EPERM
        assert filtered(machine, "ordinary", "sockets")(number, family) == (ALLOW if family == 1 else EACCES)
    assert filtered(machine, "network")(numbers(machine)["io_uring_setup"]) == EPERM
    assert filtered(machine, "ordinary", "network")(numbers(machine)["socketpair"], 1) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_a_family_is_read_as_the_kernel_reads_it(machine):
    """The kernel takes an int, so the upper half of the word must not hide anything."""
    assert filtered(machine, "sockets")(numbers(machine)["socket"], 0xFFFFFFFF00000002) == EACCES


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_can_be_typed_into_a_terminal(machine):
    ask, ioctl = filtered(machine, "ordinary"), numbers(machine)["ioctl"]
    assert ask(ioctl, 0, 0x5401) == ALLOW
    for request in (0x5412, 0x541C, 0xFFFFFFFF00005412):
        assert ask(ioctl, 0, request) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_only_ones_own_limits_and_priorities_can_be_changed(machine):
    ask, known = filtered(machine, "ordinary", "others"), numbers(machine)
    assert ask(known["prlimit64"], 0) == ALLOW
    assert ask(known["prlimit64"], 4711) == EPERM
    assert [ask(known["setpriority"], kind, 0) for kind in range(4)] == [ALLOW, ALLOW, EPERM, EPERM]
    assert [ask(known["ioprio_set"], kind, 0) for kind in range(4)] == [EPERM, ALLOW, ALLOW, EPERM]
    assert ask(known["setpriority"], 0, 4711) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_a_program_made_in_memory_cannot_be_one_that_runs(machine):
    ask, number = filtered(machine, "ordinary"), numbers(machine)["memfd_create"]
    assert ask(number, 0, 1) == EPERM
    assert ask(number, 0, 1 | 8) == ALLOW  # sealed against being run


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("part", "names"), [("ipc", ("shmget", "mq_open", "semop")), ("keys", ("keyctl", "add_key")),
                                            ("metadata", ("fchmodat", "utimensat", "setxattr"))])  # fmt: skip
def test_a_part_refuses_its_calls_and_no_others(machine, part, names):
    ask, known = filtered(machine, part), numbers(machine)
    assert {ask(known[name]) for name in names} == {EPERM}
    assert {ask(known[name]) for name in ("read", "openat", "clone", "bpf", "socket")} == {ALLOW}


def test_a_plan_without_parts_has_no_program():
    assert compile_filter((), "x86_64") == b""


def test_the_numbers_are_those_of_the_headers_here():
    """Against the kernel's own list, where the compiler's headers are installed."""
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    lines = header.read_text().splitlines()
    listed = {words[1].removeprefix("__NR_"): int(words[2]) for line in lines if len(words := line.split()) == 3}
    ours = numbers("x86_64")
    assert {name: listed[name] for name in ours if name in listed} == {n: ours[n] for n in ours if n in listed}
