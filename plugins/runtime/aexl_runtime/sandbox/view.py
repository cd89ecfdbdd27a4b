"""A file tree of a program's own, made in a new mount namespace.

It holds copies of the mounts that the program may read, read-only, a private file system at ``/tmp``, five
devices, and ``/proc`` with the processes of its own namespace and nothing else. The machine's tree is gone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Final

from aexl_runtime.sandbox import kernel
from aexl_runtime.sandbox.paths import DEVICES, is_system_link

WORK: Final = "/tmp/work"  # noqa: S108  # in the private file system, not in the machine's
_BASE: Final = "/tmp"  # noqa: S108  # any folder will do: what lies under it is copied before
_SCRATCH: Final = "/tmp"  # noqa: S108
_SAFE: Final = kernel.MS_NOSUID | kernel.MS_NODEV


def build(
    readable: Sequence[str], *, work: str | None, scratch_bytes: int | None, owner: int | None, processes: bool
) -> None:
    """Make the tree and move into it.

    Args:
        readable: Paths to be seen at the same places; one that does not exist is passed over.
        work: A folder of the machine to be seen at the same place, writable.
        scratch_bytes: Size of the private file system; ``None`` for the kernel's own limit.
        owner: User and group of the private work folder.
        processes: ``/proc`` is mounted where the machine allows it; this must be a new pid namespace's.

    Raises:
        OSError: If the kernel does not allow it.
    """
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    links = {path: os.readlink(path) for path in readable if is_system_link(path)}
    read_only = kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV
    copies = [(path, _copy(path, read_only)) for path in readable if path not in links and os.path.exists(path)]
    if work is not None:
        copies.append((work, _copy(work, kernel.ATTR_NOSUID | kernel.ATTR_NODEV)))
    devices = [(path, _copy(path, kernel.ATTR_NOSUID)) for path in DEVICES]
    kernel.mount("aexl", _BASE, "tmpfs", _SAFE, "size=1m,mode=755")
    kernel.enter_root(_BASE)
    _mount_scratch(scratch_bytes, owner)
    for path, target in links.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)
    for path, descriptor in [*copies, *devices]:
        _place(path, descriptor)
    _finish_devices()
    if processes:
        mount_processes()
    kernel.mount("none", "/", "", kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | _SAFE)


def mount_processes() -> None:
    """Lay ``/proc`` of this pid namespace over what is there.

    Where the machine masks parts of its own ``/proc``, as containers do, the kernel refuses to show a new one
    to a user's namespace; then an empty folder stands there.
    """
    os.makedirs("/proc", exist_ok=True)
    flags = _SAFE | kernel.MS_NOEXEC
    try:
        kernel.mount("proc", "/proc", "proc", flags | kernel.MS_RDONLY, "subset=pid")
    except OSError:
        try:
            kernel.mount("proc", "/proc", "proc", flags | kernel.MS_RDONLY)
        except PermissionError:
            kernel.mount("empty", "/proc", "tmpfs", flags | kernel.MS_RDONLY, "size=4k")


def _copy(path: str, attributes: int) -> int:
    descriptor = kernel.clone_tree(path)
    kernel.restrict_tree(descriptor, attributes)
    return descriptor


def _place(path: str, descriptor: int) -> None:
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC))
    kernel.place_tree(descriptor, path)
    os.close(descriptor)


def _mount_scratch(size: int | None, owner: int | None) -> None:
    bound = "" if size is None else f",size={size},nr_inodes={max(1024, size // 4096)}"
    os.mkdir(_SCRATCH)
    kernel.mount("aexl", _SCRATCH, "tmpfs", _SAFE | kernel.MS_NOEXEC, f"mode=1777{bound}")
    os.mkdir(WORK, 0o700)
    if owner is not None:
        os.chown(WORK, owner, owner)
    os.mkdir("/var")
    os.symlink(_SCRATCH, "/var/tmp")  # noqa: S108  # of the new tree


def _finish_devices() -> None:
    for name, target in {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        os.symlink(target, f"/dev/{name}")
    os.symlink(_SCRATCH, "/dev/shm")  # noqa: S108  # shared memory has names there
