"""The kernel's own interface, where Python has none. Thin: each function is one call, and raises ``OSError``.

Numbers are the same on x86_64 and aarch64 but for those of the system calls, which come from ``syscalls``.
"""

from __future__ import annotations

import ctypes
import os
import struct
from functools import cache
from typing import Final

from aexl.errors import Unavailable
from aexl_runtime.sandbox.syscalls import Machine, numbers

NEW: Final = {
    "user": 0x10000000,
    "mount": 0x00020000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
}

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

ATTR_RDONLY: Final = 1
ATTR_NOSUID: Final = 2
ATTR_NODEV: Final = 4
_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_OPEN_TREE_CLONE: Final = 1
_MOVE_FROM_EMPTY_PATH: Final = 4

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_SECCOMP_SET_FILTER: Final = 1
_CAPABILITY_VERSION: Final = 0x20080522


@cache
def machine() -> Machine:
    """Return this processor's name.

    Raises:
        Unavailable: If there are no tables for it.
    """
    name = os.uname().machine
    if name == "x86_64":
        return "x86_64"
    if name == "aarch64":
        return "aarch64"
    raise Unavailable(f"the sandbox has no table of system calls for {name!r} processors")


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library


def system_call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make a system call; integers go as machine words, bytes and buffers as pointers."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return _checked(_library().syscall(ctypes.c_long(numbers(machine())[name]), *words), name)


def _checked(answer: int, name: str) -> int:
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return answer


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    """Change an attribute of this process."""
    return system_call("prctl", option, first, second, 0, 0)


def unshare(*namespaces: str) -> None:
    """Leave namespaces for new ones; a new pid namespace begins with the next child."""
    flags = 0
    for name in namespaces:
        flags |= NEW[name]
    system_call("unshare", flags)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount a file system, or change a mount."""
    system_call("mount", source.encode(), target.encode(), kind.encode(), flags, options.encode() or None)


def unmount(target: str) -> None:
    """Take a mount away once nobody uses it any more."""
    system_call("umount2", target.encode(), MNT_DETACH)


def clone_tree(path: str) -> int:
    """Return a descriptor of a copy of the mounts at and under ``path``, which are not in the tree yet."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    return system_call("open_tree", _AT_FDCWD, path.encode(), flags)


def restrict_tree(descriptor: int, attributes: int) -> None:
    """Set attributes on all mounts of a copy."""
    record = struct.pack("<QQQQ", attributes, 0, 0, 0)
    system_call("mount_setattr", descriptor, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, record, len(record))


def place_tree(descriptor: int, target: str) -> None:
    """Mount a copy at ``target``."""
    system_call("move_mount", descriptor, b"", _AT_FDCWD, target.encode(), _MOVE_FROM_EMPTY_PATH)


def enter_root(folder: str) -> None:
    """Make the mount at ``folder`` the root of this mount namespace, and let go of everything else."""
    os.chdir(folder)
    system_call("pivot_root", b".", b".")
    unmount(".")  # the old root, which now lies over the new one
    os.chdir("/")


def limit_capabilities() -> None:
    """Give up all that a program could get by being started as root; as far as this process may."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            return  # there are no more, or this process may not: then it is not root and has nothing to pass on


def drop_capabilities() -> None:
    """Give up all capabilities that this process has."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("<Ii", _CAPABILITY_VERSION, 0)
    system_call("capset", header, bytes(24))


def install_filter(program: bytes) -> None:
    """Put a seccomp program on this process and all it starts; cannot be undone."""
    code = ctypes.create_string_buffer(program, len(program))
    record = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    system_call("seccomp", _SECCOMP_SET_FILTER, 0, record)


def close_descriptors(keep: tuple[int, ...]) -> None:
    """Close all descriptors but 0, 1, 2 and ``keep``."""
    low = 3
    for descriptor in [*sorted({d for d in keep if d >= low}), 1 << 31]:
        if low < descriptor:
            system_call("close_range", low, descriptor - 1, 0)
        low = descriptor + 1
