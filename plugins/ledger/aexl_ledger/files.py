"""The files around the database: the lock, the log as it is synced, the ballast, and what file system they are on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aexl.errors import Unavailable

REMOTE: Final = frozenset({"nfs", "nfs4", "9p", "cifs", "smb3", "smbfs", "fuse.sshfs", "afs", "ceph", "glusterfs"})
"""File systems whose locks or syncs SQLite cannot rely on."""

UNCERTAIN: Final = frozenset({"overlay", "tmpfs", "aufs"})
"""File systems that are often gone with their container or machine."""


def filesystem(path: Path, mounts: str | None = None) -> str:
    """Return the type of the file system that ``path`` is on, empty where the system does not say.

    Args:
        mounts: What ``/proc/self/mountinfo`` says, read if not given.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text()
        except OSError:
            return ""
    place = str(path.resolve())
    found, longest = "", -1
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        parts = fields.split(" ")
        if len(parts) < 5:
            continue
        point = parts[4].replace("\\040", " ")
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= longest:  # of two mounts at one place the later one covers the other
            found, longest = rest.split(" ")[0], len(point)
    return found


def check_filesystem(path: Path) -> None:
    """Refuse a place where a ledger could be damaged.

    Raises:
        Unavailable: If it is on a network file system.
    """
    kind = filesystem(path)
    if kind in REMOTE:
        raise Unavailable(
            f"the ledger cannot be on {kind} ({path}): its locks and syncs do not hold there; set [ledger] path"
        )


class Lock:
    """The right to write a ledger: one process has it, and its pid stands in the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def acquire(self) -> None:
        """Take the lock; the system gives it back when the process ends, however it ends.

        Raises:
            Unavailable: If another process has it; names its pid.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise Unavailable(
                f"the process {owner or 'unknown'} has the ledger {self._path.with_suffix('.db')} open: "
                "use the running server, or stop it"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; nothing happens without it. The file stays: removing it would race."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def flush_data(fd: int) -> None:
    """Make what was written to a file durable; what only dates it may be lost.

    Raises:
        OSError: If that is not known to have happened.
    """
    getattr(os, "fdatasync", os.fsync)(fd)


class Log:
    """SQLite's write-ahead log, opened a second time to be synced without SQLite.

    SQLite can sync it at each commit, but then the whole commit has to be made where
    waiting is allowed; this way only the wait is, and it holds no lock.
    """

    def __init__(self, path: Path, sync: Callable[[int], None]) -> None:
        self._path = path
        self._sync = sync
        self._fd = -1

    def open(self) -> None:
        """Open it; SQLite has made it, and keeps it as long as its connection is open.

        Raises:
            OSError: If it cannot be opened.
        """
        self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def sync(self) -> None:
        """Make everything in it durable.

        Raises:
            OSError: If that is not known to have happened.
        """
        self._sync(self._fd)

    def close(self) -> None:
        """Close it; may be called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Ballast:
    """Space that is kept so that it can be given up.

    Args:
        size: Bytes.
        low_water: Bytes of free space below which the disk counts as full.
    """

    def __init__(self, path: Path, size: int, low_water: int) -> None:
        self._path = path
        self._size = size
        self._low_water = low_water

    def drop(self) -> None:
        """Give the space up."""
        self._path.unlink(missing_ok=True)

    def space(self) -> int:
        """Return the bytes that are free for us."""
        status = os.statvfs(self._path.parent)
        return status.f_bavail * status.f_frsize

    def is_low(self) -> bool:
        """Say whether there is too little space for new executions."""
        return self._low_water > 0 and self.space() < self._low_water

    def fill(self) -> bool:
        """Take the space, if there is enough for it and the rest; return whether it is there."""
        if self._size == 0:
            return not self.is_low()
        if self._path.exists() and self._path.stat().st_size >= self._size:
            return not self.is_low()
        if self.space() < self._low_water + 2 * self._size:
            return False
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, self._size)
            finally:
                os.close(fd)
        except OSError:
            self.drop()
            return False
        return True
