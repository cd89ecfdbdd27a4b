"""The folders that the role ``Snapshots`` has captured: what is remembered of each, and until when.

Below the host's store, ``trees/`` has three files for each folder, named by a hash of
its path: its index, the lock of that, and its path, whose time is when the folder was
last used. Its last capture is the head ``tree.<hash>``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexl.errors import Unavailable
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.records import ref_name
from aexl_snapshots.repository import Repository

STORE: Final = "store"
"""Below ``AEXL_HOME``."""

_FOLDER: Final = "trees"
_HEAD: Final = "tree."


@dataclass(frozen=True, slots=True)
class Place:
    """What is remembered of a folder, by the hash of its path.

    Attributes:
        trees: The folder of all of them.
    """

    trees: Path
    name: str

    @classmethod
    def of(cls, home: Path, folder: Path) -> Place:
        """Return where a folder's things are."""
        name = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:32]
        return cls(home / STORE / _FOLDER, name)

    @property
    def head(self) -> str:
        """The head that is the folder's last capture."""
        return _HEAD + self.name

    @property
    def index(self) -> Path:
        """The folder's index."""
        return self.trees / f"{self.name}.index"

    @property
    def _path(self) -> Path:
        return self.trees / f"{self.name}.path"

    def use(self, folder: Path) -> None:
        """Remember that the folder is in use now.

        Raises:
            Unavailable: If the disk fails.
        """
        with disk_errors(self._path):
            try:
                os.utime(self._path)
            except FileNotFoundError:
                self.trees.mkdir(parents=True, exist_ok=True)
                self._path.write_bytes(os.fsencode(os.path.realpath(folder)))

    def forget(self, repository: Repository) -> None:
        """Let go of the last capture, and of what is known of the files.

        Raises:
            Unavailable: If somebody works on the folder at this moment, or the disk fails.
        """
        with _held(self.index.with_suffix(".lock")):
            repository.directory.delete(ref_name("heads", self.head))
            for each in (self.index, self._path):
                with disk_errors(each), suppress(FileNotFoundError):
                    each.unlink()

    def idle_since(self, repository: Repository) -> float:
        """Return when the folder was last used, in Unix seconds."""
        times = [path.stat().st_mtime for path in (self._path, self.index) if path.exists()]
        found = repository.record(ref_name("heads", self.head))
        return max([*times, found[0].time / 1000 if found is not None else 0.0])

    def is_gone(self) -> bool:
        """Say whether the folder does not exist any more, as far as is known."""
        try:
            return not os.path.isdir(self._path.read_bytes())  # noqa: PTH112 - of bytes, no path can be made
        except FileNotFoundError:
            return False


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Hold a folder's index, as who changes it does; the lock goes with the folder's other files."""
    with disk_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"another aexl works on the folder of {lock}; try again") from error
        yield
        with disk_errors(lock):
            lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def forget_idle(repository: Repository, home: Path, *, gone: float, idle: float) -> int:
    """Forget folders that are not captured any more, and return how many. Nobody else may write.

    Args:
        gone: Seconds since the last use of a folder that does not exist any more.
        idle: Likewise, of one that does.

    Raises:
        Invalid: If a head is damaged.
        Unavailable: If the disk fails.
    """
    trees = home / STORE / _FOLDER
    names = {head.removeprefix(_HEAD) for head in repository.heads() if head.startswith(_HEAD)}
    if trees.is_dir():
        names |= {path.stem for path in trees.iterdir()}
    now, forgotten = time.time(), 0
    for place in [Place(trees, name) for name in sorted(names)]:
        if place.idle_since(repository) + (gone if place.is_gone() else idle) <= now:
            with suppress(Unavailable):  # it is in use after all
                place.forget(repository)
                forgotten += 1
    return forgotten
