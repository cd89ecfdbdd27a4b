"""Reading a file that others may be writing: a whole version of it, or an error.

A file is looked at before and after it is read; where size, times or inode differ,
it is read again. A file system's clock ticks every few milliseconds (some: every
second), so two writes within one tick leave the same time; therefore a file that
was changed just now is read twice, and counts only if it was the same both times.
What cannot be told from a whole version: one large write that the system itself has
stopped in the middle, for longer than both readings take.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from typing import Final, NamedTuple

from aexl.api import ObjectId
from aexl.errors import Conflict, Invalid, NotFound
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.worktree.folders import Folders, NotAFolder, explain

TRIES: Final = 5
BLOCK: Final = 1024 * 1024
IN_MEMORY: Final = 8 * 1024 * 1024
"""Bytes; a larger file is read in blocks, and once more when it is stored."""

_FINE_TICK_NS: Final = 50_000_000
_COARSE_TICK_NS: Final = 2_000_000_000
"""How old a change must be to be told from one that is made now; FAT's clock has two seconds."""


class Signature(NamedTuple):
    """What of a file's status changes when its content does. Times in nanoseconds."""

    size: int
    modified: int
    changed: int
    inode: int
    executable: bool

    @classmethod
    def of(cls, status: os.stat_result) -> Signature:
        """Return a file's."""
        return cls(
            status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, bool(status.st_mode & stat.S_IXUSR)
        )


class Steady(NamedTuple):
    """One version of a file.

    Attributes:
        data: ``None`` where it is larger than ``IN_MEMORY``.
        settled: The file's last change is so long ago that any later one will have another time: as long as the
            signature stays, the content does.
    """

    signature: Signature
    id: ObjectId
    data: bytes | None
    settled: bool


def kind_of(mode: int) -> str:
    """Return what a file that is none is, for a sentence."""
    for test, word in (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISCHR, "a device"),
    ):
        if test(mode):
            return word
    return "not a file"


def is_recent(signature: Signature) -> bool:
    """Say whether a change that is made now might leave the same signature."""
    coarse = signature.changed % 1_000_000_000 == 0
    return signature.changed >= time.time_ns() - (_COARSE_TICK_NS if coarse else _FINE_TICK_NS)


def read_steady(folders: Folders, path: str) -> Steady:
    """Return one whole version of a file.

    Raises:
        NotFound: If nothing is there (any more).
        Invalid: If it is not a regular file.
        Conflict: If it changed during each of ``TRIES`` readings.
    """
    try:
        descriptor = folders.open_file(path)
    except (FileNotFoundError, NotAFolder) as error:
        raise NotFound(f"{path} is not there any more") from error
    except OSError as error:
        found = folders.look(path)
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise Invalid(f"{path} is {kind_of(found.st_mode)}; a snapshot holds files only") from error
        raise explain(error, path) from error
    try:
        return _read_open(descriptor, path)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        os.close(descriptor)


def _read_open(descriptor: int, path: str) -> Steady:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise Invalid(f"{path} is {kind_of(before.st_mode)}; a snapshot holds files only")
    last: ObjectId | None = None
    signature = Signature.of(before)
    for _ in range(TRIES):
        recent = is_recent(signature)
        data, size, digest = _read_once(descriptor, signature.size)
        after = os.fstat(descriptor)
        if _looks_like(after, signature) and size == signature.size and (not recent or digest == last):
            return Steady(signature, digest, data, settled=not recent)
        last, signature = digest, Signature.of(after)
        os.lseek(descriptor, 0, os.SEEK_SET)
    raise Conflict(f"{path} changes while it is read; try again when nothing writes to it")


def _looks_like(status: os.stat_result, signature: Signature) -> bool:
    """Compare, of one inode; this is done for every file, and making a signature takes four times as long."""
    _, modified, changed, _, executable = signature
    return (
        status.st_ctime_ns == changed
        and status.st_mtime_ns == modified
        and bool(status.st_mode & stat.S_IXUSR) == executable
    )


def _read_once(descriptor: int, size: int) -> tuple[bytes | None, int, ObjectId]:
    if size <= IN_MEMORY:
        data = os.read(descriptor, size + 1)
        if len(data) <= size:
            rest = b"" if len(data) == size else os.read(descriptor, size + 1 - len(data))
            data += rest
        return data, len(data), object_id(data)
    digest, total = hashlib.sha256(), 0
    while block := os.read(descriptor, BLOCK):
        digest.update(block)
        total += len(block)
    return None, total, ObjectId(digest.hexdigest())
