"""The seccomp program, put together from the parts that a plan asks for. Pure.

The parts are:

- ``ordinary``: what is not an ordinary call fails; calls that are unknown fail as if the kernel were older.
- ``network``: no sockets at all, and no way to make them without a call of their own (io_uring).
- ``sockets``: the same, but Unix sockets are allowed: for a program whose namespaces hold only its own.
- ``ipc``: no System V or POSIX queues, semaphores and shared memory. ``keys``: no keyrings.
- ``others``: no change of limits, priorities and processors but its own, which Landlock does not see either.
- ``metadata``: no change of modes, owners, times and attributes of files, which Landlock does not see.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from aexl_runtime.sandbox.assembler import (
    ALLOW,
    ARCH,
    ARCHITECTURE,
    KILL,
    NUMBER,
    Branch,
    Jump,
    Label,
    Load,
    Mask,
    Part,
    Return,
    Unless,
    assemble,
    fail_with,
    low_half,
)
from aexl_runtime.sandbox.syscalls import Machine, numbers, ordinary

X32: Final = 0x40000000
"""Set in a number that is meant as x32, a second table of calls with the first one's architecture."""

_AF_UNIX: Final = 1
_NAMESPACES: Final = 0x7E020080
"""The ``CLONE_NEW*`` flags: time, mount, cgroup, uts, ipc, user, pid, net."""
_MFD_NOEXEC_SEAL: Final = 8
_PUSH_INPUT: Final = (0x5412, 0x541C)
"""``TIOCSTI`` and ``TIOCLINUX``: what they put into a terminal, its other reader believes to be typed."""
_FILE_FLAGS: Final = (0x40086602, 0x40046602, 0x401C5820)
"""``FS_IOC_SETFLAGS``, its 32-bit form, and ``FS_IOC_FSSETXATTR``."""
_ASK_PERSONALITY: Final = (0, 0xFFFFFFFF)

_BY_PROCESS: Final = (
    *("prlimit64", "sched_setaffinity", "sched_setparam", "sched_setscheduler", "sched_setattr"),
    *("migrate_pages", "move_pages"),
)
"""Calls whose first argument is a process, 0 for the own one."""
_BY_KIND: Final = {"setpriority": (0, 1), "ioprio_set": (1, 2)}
"""Calls with a kind and a number; these kinds are a process and a group, 0 for the own one, the next one is a user."""

_URING: Final = ("io_uring_setup", "io_uring_enter", "io_uring_register")
_REFUSED: Final[dict[str, tuple[str, ...]]] = {
    "network": ("socket", *_URING),
    "sockets": _URING,
    "ipc": (
        *(
            "shmget",
            "shmat",
            "shmctl",
            "semget",
            "semop",
            "semctl",
            "semtimedop",
            "msgget",
            "msgsnd",
            "msgrcv",
            "msgctl",
        ),
        *("mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr"),
    ),
    "keys": ("add_key", "request_key", "keyctl"),
    "metadata": (
        *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
        *("utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat"),
        *("removexattr", "lremovexattr", "fremovexattr", "removexattrat", "file_setattr"),
    ),
}


@cache
def compile_filter(parts: tuple[str, ...], machine: Machine) -> bytes:
    """Return the program for ``parts``; empty where there is none."""
    return assemble(list(_program(frozenset(parts), machine))) if parts else b""


def _program(parts: frozenset[str], machine: Machine) -> Iterator[Part]:
    known = numbers(machine)
    yield Load(ARCH)
    yield Branch("equal", ARCHITECTURE[machine], "native")
    yield Return(KILL)  # another table of calls, of which nothing below says anything
    yield Label("native")
    yield Load(NUMBER)
    if machine == "x86_64":
        yield Unless("any_bit", X32, "one table")
        yield Return(KILL)
        yield Label("one table")
    for part in sorted(parts):
        for name in _REFUSED.get(part, ()):
            if name in known:
                yield from _refuse(known[name], f"{part} {name}")
    if "sockets" in parts:
        yield from _only(known["socket"], 0, (_AF_UNIX,), errno.EACCES)
    if "others" in parts:
        yield from _own_only(known)
    yield from _terminal(known, parts)
    if "ordinary" in parts:
        yield from _creation(known)
        yield from _only(known["personality"], 0, _ASK_PERSONALITY, errno.EPERM)
        yield from _refuse(known["clone3"], "clone3", errno.ENOSYS)  # its flags cannot be read; clone's can
        yield from _tree(_ranges(sorted(ordinary(machine))), frozenset(known.values()) - ordinary(machine))
    else:
        yield Return(ALLOW)


def _refuse(number: int, label: str, error: int = errno.EPERM) -> Iterator[Part]:
    yield Unless("equal", number, f"not {label}")
    yield Return(fail_with(error))
    yield Label(f"not {label}")


def _only(number: int, argument: int, values: Sequence[int], error: int) -> Iterator[Part]:
    """Let a call through only with one of ``values``; its other arguments do not matter."""
    yield Unless("equal", number, f"other than {number}")
    yield Load(low_half(argument))
    for value in values:
        yield Branch("equal", value, f"fine {number}")
    yield Return(fail_with(error))
    yield Label(f"fine {number}")
    yield Return(ALLOW)
    yield Label(f"other than {number}")


def _own_only(known: Mapping[str, int]) -> Iterator[Part]:
    for name in _BY_PROCESS:
        yield from _only(known[name], 0, (0,), errno.EPERM)
    for name, kinds in _BY_KIND.items():
        yield Unless("equal", known[name], f"no {name}")
        yield Load(low_half(1))
        yield Unless("equal", 0, f"other {name}")
        yield Load(low_half(0))
        for kind in kinds:
            yield Branch("equal", kind, f"own {name}")
        yield Label(f"other {name}")
        yield Return(fail_with(errno.EPERM))
        yield Label(f"own {name}")
        yield Return(ALLOW)
        yield Label(f"no {name}")


def _terminal(known: Mapping[str, int], parts: frozenset[str]) -> Iterator[Part]:
    refused = (_PUSH_INPUT if "ordinary" in parts else ()) + (_FILE_FLAGS if "metadata" in parts else ())
    if not refused:
        return
    yield Unless("equal", known["ioctl"], "no ioctl")
    yield Load(low_half(1))  # the kernel takes the lower half as the request
    for value in refused:
        yield Branch("equal", value, "refused ioctl")
    yield Return(ALLOW)
    yield Label("refused ioctl")
    yield Return(fail_with(errno.EPERM))
    yield Label("no ioctl")


def _creation(known: Mapping[str, int]) -> Iterator[Part]:
    """No new namespaces, and no programs made out of memory."""
    yield Unless("equal", known["clone"], "no clone")
    yield Load(low_half(0))
    yield Mask(_NAMESPACES)
    yield Branch("equal", 0, "plain clone")
    yield Return(fail_with(errno.EPERM))
    yield Label("plain clone")
    yield Return(ALLOW)
    yield Label("no clone")
    yield Unless("equal", known["memfd_create"], "no memfd")
    yield Load(low_half(1))
    yield Branch("any_bit", _MFD_NOEXEC_SEAL, "sealed memfd")
    yield Return(fail_with(errno.EPERM))
    yield Label("sealed memfd")
    yield Return(ALLOW)
    yield Label("no memfd")


def _ranges(sorted_numbers: Sequence[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in sorted_numbers:
        if ranges and ranges[-1][1] == number:
            ranges[-1] = (ranges[-1][0], number + 1)
        else:
            ranges.append((number, number + 1))
    return ranges


def _tree(allowed: list[tuple[int, int]], forbidden: frozenset[int]) -> Iterator[Part]:
    """Search the number among ranges: EPERM for calls that are known and not ordinary, ENOSYS for unknown ones."""
    edges: list[tuple[int, int]] = []
    spans = [(low, high, ALLOW) for low, high in allowed]
    spans += [(low, high, fail_with(errno.EPERM)) for low, high in _ranges(sorted(forbidden))]
    at = 0
    for low, high, verdict in sorted(spans):
        if low > at:
            edges.append((at, fail_with(errno.ENOSYS)))
        edges.append((low, verdict))
        at = high
    edges.append((at, fail_with(errno.ENOSYS)))
    yield from _search(edges)


def _search(edges: list[tuple[int, int]]) -> Iterator[Part]:
    if len(edges) == 1:
        yield Return(edges[0][1])
        return
    middle = len(edges) // 2
    first = edges[middle][0]
    yield Unless("at_least", first, f"below {first}")
    yield Jump(f"from {first}")
    yield Label(f"below {first}")
    yield from _search(edges[:middle])
    yield Label(f"from {first}")
    yield from _search(edges[middle:])
