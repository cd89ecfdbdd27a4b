"""A file system below SQLite that fails on demand, or forgets what was not synced."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import apsw

SECTOR = 512

Log = list[tuple[str, str, int, bytes]]
"""What was done, to which file, at which offset (or to which size), with which bytes."""


class FaultyDisk(apsw.VFS):
    """Calls ``before`` with each change of a file: ``write``, ``sync`` or ``truncate``, and the file's name."""

    def __init__(self, name: str, before: Callable[[str, str], None]) -> None:
        self.name = name
        self.before = before
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _File(self, name, flags)

    def sync(self, fd: int) -> None:
        """Sync a file that SQLite did not open."""
        self.before("sync", _open_name(fd))
        os.fdatasync(fd)


class _File(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._name = _file_name(name)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.before("write", self._name)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.before("sync", self._name)
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.before("truncate", self._name)
        super().xTruncate(size)


class FailAt:
    """Fails at the ``number``-th change; ``once`` or from then on."""

    def __init__(self, number: int, error: type[Exception], once: bool) -> None:
        self.number = number
        self.error = error
        self.once = once
        self.seen = 0
        self.on = True

    def __call__(self, what: str, name: str) -> None:
        if not self.on:
            return
        self.seen += 1
        if self.seen == self.number or (self.seen > self.number and not self.once):
            raise self.error(f"injected at {what} {self.seen} of {name}")


class Recorded:
    """Every change of the files, in order, to build the disks that a power cut could have left."""

    def __init__(self) -> None:
        self.log: Log = []

    def disk(self, name: str) -> RecordingDisk:
        """Return a file system, registered under ``name`` while it is referred to."""
        return RecordingDisk(name, self.log)

    def survivors(self, upto: int, seed: random.Random) -> dict[str, bytearray]:
        """Return the files after a power cut at change ``upto``.

        What was synced is there. Of what was written since, any subset is, and
        each write may be torn at a sector.
        """
        files: dict[str, bytearray] = {}
        unsynced: dict[str, list[tuple[str, int, bytes]]] = {}
        for what, name, offset, data in self.log[:upto]:
            if what == "sync":
                for change in unsynced.pop(name, []):
                    _apply(files, name, *change)
            elif what == "delete":
                files.pop(name, None)
                unsynced.pop(name, None)
            else:
                unsynced.setdefault(name, []).append((what, offset, data))
        for name, changes in unsynced.items():
            for what, offset, data in changes:
                fate = seed.random()
                if fate < 0.4:
                    _apply(files, name, what, offset, data)
                elif fate < 0.7 and what == "write" and len(data) > SECTOR:
                    for start in range(0, len(data), SECTOR):
                        if seed.random() < 0.5:
                            _apply(files, name, what, offset + start, data[start : start + SECTOR])
        return files


def _file_name(name: str | apsw.URIFilename | None) -> str:
    return Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "temporary").name


def _open_name(fd: int) -> str:
    return Path(f"/proc/self/fd/{fd}").readlink().name


def _apply(files: dict[str, bytearray], name: str, what: str, offset: int, data: bytes) -> None:
    file = files.setdefault(name, bytearray())
    if what == "truncate":
        del file[offset:]
        file.extend(bytes(max(0, offset - len(file))))
        return
    file.extend(bytes(max(0, offset + len(data) - len(file))))
    file[offset : offset + len(data)] = data


class RecordingDisk(apsw.VFS):
    """Notes each change in ``log``."""

    def __init__(self, name: str, log: Log) -> None:
        self.name = name
        self.log = log
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _RecordingFile(self.log, name, flags)

    def sync(self, fd: int) -> None:
        """Sync a file that SQLite did not open."""
        os.fdatasync(fd)
        self.log.append(("sync", _open_name(fd), 0, b""))

    def xDelete(self, filename: str, sync_directory: bool) -> None:  # noqa: N802
        self.log.append(("delete", Path(filename).name, 0, b""))
        super().xDelete(filename, sync_directory)


class _RecordingFile(apsw.VFSFile):
    def __init__(self, log: Log, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._log = log
        self._name = _file_name(name)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._log.append(("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._log.append(("sync", self._name, 0, b""))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._log.append(("truncate", self._name, size, b""))
        super().xTruncate(size)
