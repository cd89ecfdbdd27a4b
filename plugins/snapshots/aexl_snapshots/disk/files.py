"""The operations that change files; a port, so that tests can make each of them fail.

Whatever must survive is written through these in one order: write, ``fsync`` of
the file, rename or link, ``fsync`` of the folder. An error of any of them is an
error of the whole, never a warning: a failed ``fsync`` means that the data may be
gone, and is not tried again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """What a store does to a disk. Every method may raise ``OSError``."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist, mode 0644 minus the umask; return a descriptor."""
        ...

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of the bytes at the end."""
        ...

    def fsync(self, descriptor: int) -> None:
        """Make a file's bytes durable."""
        ...

    def fsync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, replacing what had it."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, which must be free."""
        ...

    def unlink(self, path: Path) -> None:
        """Take a name away."""
        ...

    def mkdir(self, path: Path) -> None:
        """Make one folder; one that is there is no error."""
        ...


class RealFiles:
    """The operating system's."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def fsync_folder(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def mkdir(self, path: Path) -> None:
        path.mkdir(exist_ok=True)


def make_folder(files: Files, path: Path) -> None:
    """Make a folder and those above it, durably."""
    if path.is_dir():
        return
    make_folder(files, path.parent)
    files.mkdir(path)
    files.fsync_folder(path.parent)
