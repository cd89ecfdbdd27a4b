"""Bytes under names in a folder, with the two conditional writes that heads need; synchronous.

A name's bytes are complete and durable before the name appears. ``put_if_match``
compares and swaps under a lock of the operating system, so that it holds between
threads and processes of one machine; on a network file system it holds as far as
that one's ``flock`` does.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from aexl.errors import Conflict, HeadMoved, Invalid, NotFound, Unavailable
from aexl_snapshots.disk.files import Files, RealFiles, make_folder

UNFINISHED: Final = "tmp"
"""The folder of files that are being written; whatever is there may be removed when nobody writes."""

_SWAP_LOCK: Final = "swap.lock"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,199}){0,7}", re.ASCII)


def check_name(name: str) -> str:
    """Return a name that a store can keep.

    Raises:
        Invalid: If it is none: one to eight words of letters, digits, ``.``, ``_``
            and ``-``, joined by slashes, none of which begins with a dot or hyphen.
    """
    if _NAME.fullmatch(name) is None:
        raise Invalid(f"{name!r} cannot name anything in a store: use letters, digits, '.', '_', '-' and '/'")
    return name


@contextmanager
def disk_errors(what: Path | str) -> Iterator[None]:
    """Turn an operating system's errors into ours, with the path in the sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"there is no {what}") from error
    except OSError as error:
        hint = "; free some space and try again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise Unavailable(f"{what}: {error.strerror or error}{hint}") from error


def refuse_full(folder: Path) -> None:
    """Refuse to make a folder where something stands already; an empty one may.

    Raises:
        Conflict: If it is not empty, or no folder.
        Unavailable: If it cannot be looked at.
    """
    with disk_errors(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Conflict(f"{folder} exists and is not empty; name a folder that is new")


def version_of(data: bytes) -> str:
    """Return the version that these bytes are: their hash."""
    return hashlib.sha256(data).hexdigest()


class Directory:
    """A folder whose files are named bytes.

    Args:
        root: Made on the first write.
    """

    def __init__(self, root: Path, files: Files | None = None) -> None:
        self.root = root
        self.files: Files = files or RealFiles()

    def path(self, name: str) -> Path:
        """Return the file of a name.

        Raises:
            Invalid: If it cannot be one.
        """
        return self.root / check_name(name)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Return the bytes, or those of a range that exist.

        Raises:
            NotFound: If there is no such name.
            Unavailable: If the disk fails.
        """
        with disk_errors(self.path(name)):
            descriptor = os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                size = os.fstat(descriptor).st_size
                wanted = max(0, size - start) if length is None else min(length, max(0, size - start))
                return _read_exactly(descriptor, start, wanted)
            finally:
                os.close(descriptor)

    def versioned(self, name: str) -> tuple[bytes, str]:
        """Return the bytes and their version."""
        data = self.get(name)
        return data, version_of(data)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write unless the name exists; return whether it was written. Durable either way."""
        target = self.path(name)
        with disk_errors(target):
            if target.exists():
                self.files.fsync_folder(target.parent)
                return False
            make_folder(self.files, target.parent)
            with self._written(data) as unfinished:
                try:
                    self.files.link(unfinished, target)
                except FileExistsError:
                    self.files.fsync_folder(target.parent)
                    return False
                self.files.fsync_folder(target.parent)
        return True

    def put_if_match(self, name: str, data: bytes, version: str | None) -> str:
        """Replace the version named, ``None`` for none at all; return the new one.

        Raises:
            HeadMoved: If another version is there.
            Unavailable: If the disk fails; which of the two is there is then unknown.
        """
        target = self.path(name)
        with disk_errors(target):
            make_folder(self.files, target.parent)
            with self._swapping():
                try:
                    found: str | None = self.versioned(name)[1]
                except NotFound:
                    found = None
                if found != version:
                    raise HeadMoved(f"{name} in {self.root} is no longer what it was; read it again")
                with self._written(data) as unfinished:
                    self.files.rename(unfinished, target)
                    self.files.fsync_folder(target.parent)
        return version_of(data)

    def list(self, prefix: str) -> Sequence[str]:
        """Return the names that begin with ``prefix``, sorted; unfinished files are none."""
        base = self.root
        for word in prefix.split("/")[:-1]:
            base /= word
        with disk_errors(base):
            return sorted(name for name in self._walk(base) if name.startswith(prefix))

    def _walk(self, folder: Path) -> Iterator[str]:
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if Path(entry.path) != self.root / UNFINISHED:
                    yield from self._walk(Path(entry.path))
            elif entry.is_file(follow_symlinks=False) and _NAME.fullmatch(entry.name):
                name = Path(entry.path).relative_to(self.root).as_posix()
                if name != _SWAP_LOCK:
                    yield name

    def delete(self, name: str) -> None:
        """Remove a name; one that does not exist is no error."""
        target = self.path(name)
        with disk_errors(target):
            try:
                self.files.unlink(target)
            except FileNotFoundError:
                return
            self.files.fsync_folder(target.parent)

    def start_file(self) -> tuple[Path, int]:
        """Return the path and descriptor of a new file in the folder of unfinished ones."""
        folder = self.root / UNFINISHED
        with disk_errors(folder):
            make_folder(self.files, folder)
            path = folder / secrets.token_hex(12)
            return path, self.files.create(path)

    def adopt(self, unfinished: Path, name: str) -> None:
        """Give a finished, synced file its name, replacing a file of the same content. Durable."""
        target = self.path(name)
        with disk_errors(target):
            make_folder(self.files, target.parent)
            self.files.rename(unfinished, target)
            self.files.fsync_folder(target.parent)

    def move(self, name: str, target: str) -> None:
        """Give what has a name another one. Durable."""
        source, target_path = self.path(name), self.path(target)
        with disk_errors(source):
            make_folder(self.files, target_path.parent)
            self.files.rename(source, target_path)
            self.files.fsync_folder(target_path.parent)
            self.files.fsync_folder(source.parent)

    def discard(self, unfinished: Path) -> None:
        """Remove an unfinished file, as well as can be: gc removes what stays."""
        with suppress(OSError):
            self.files.unlink(unfinished)

    def clean(self) -> int:
        """Remove all unfinished files and return how many; only when nobody writes."""
        removed = 0
        with suppress(FileNotFoundError), disk_errors(self.root / UNFINISHED):
            for entry in os.scandir(self.root / UNFINISHED):
                self.files.unlink(Path(entry.path))
                removed += 1
        return removed

    @contextmanager
    def _written(self, data: bytes) -> Iterator[Path]:
        """Yield an unfinished file with these bytes, synced; remove it if it still is there afterwards."""
        path, descriptor = self.start_file()
        try:
            try:
                self.files.write(descriptor, data)
                self.files.fsync(descriptor)
            finally:
                os.close(descriptor)
            yield path
        finally:
            if path.exists():
                self.discard(path)

    @contextmanager
    def _swapping(self) -> Iterator[None]:
        descriptor = os.open(self.root / _SWAP_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read_exactly(descriptor: int, start: int, length: int) -> bytes:
    data = os.pread(descriptor, length, start)
    if len(data) == length or not data:
        return data
    pieces = [data]
    while (missing := length - sum(map(len, pieces))) and (
        piece := os.pread(descriptor, missing, start + length - missing)
    ):
        pieces.append(piece)
    return b"".join(pieces)
