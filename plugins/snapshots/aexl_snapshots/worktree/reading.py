"""Reading many files of a tree: small ones one after the other, large ones ahead, in threads.

Reading a small file is a handful of system calls. Threads that take turns at these
cost more in turns than the reading does, so they have the large files only.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from aexl.api import ObjectId
from aexl.errors import NotFound
from aexl_snapshots.ahead import work_ahead
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.progress import Meter
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.steady import Signature, Steady, read_steady

SMALL: Final = 256 * 1024
"""Bytes; at this size a thread's work takes much longer than handing it over."""


class Reader:
    """Says what files hold, reading only those that may have changed.

    Args:
        index: Knows files by what they look like; learns of those that were read.
    """

    def __init__(self, root: Path, index: Index, meter: Meter) -> None:
        self._root = root
        self._index = index
        self._meter = meter

    def identify(self, files: Mapping[str, Signature]) -> dict[str, ObjectId]:
        """Return the ids of files' contents; one that is gone by now has none.

        Raises:
            Conflict: If a file changes all the time.
            Unavailable: If one cannot be read.
        """
        index, known = self._index, {}
        unknown: dict[str, Signature] = {}
        for path, signature in files.items():
            if index.holds(path, signature):
                known[path] = index.entries[path].id
            else:
                unknown[path] = signature
        with self.reading(unknown) as found:
            for path, steady in found:
                known[path] = steady.id
                entry = index.entries.get(path)
                if entry is not None and entry.id == steady.id and steady.settled:
                    self._learn(entry, steady.signature)
        return known

    def _learn(self, entry: Entry, signature: Signature) -> None:
        if (entry.mode == "exec") == signature.executable:
            self._index.stage(entry, signature)

    @contextmanager
    def reading(self, files: Mapping[str, Signature]) -> Iterator[Iterator[tuple[str, Steady]]]:
        """Read files while the context is open: whole versions, in order; those that are gone are left out.

        Leaving it early ends the threads that read.
        """
        with closing(self._read(files)) as found:
            yield found

    def _read(self, files: Mapping[str, Signature]) -> Generator[tuple[str, Steady], None, None]:
        self._meter.begin("reading", sum(signature.size for signature in files.values()))
        paths = sorted(files)
        large = [path for path in paths if files[path].size > SMALL]
        with Folders(self._root) as folders, closing(work_ahead(self._read_alone, large)) as ahead:
            for path in paths:
                steady = next(ahead) if files[path].size > SMALL else _read_if_there(folders, path)
                if steady is not None:
                    yield path, steady
                    self._meter.add(steady.signature.size)

    def _read_alone(self, path: str) -> Steady | None:
        with Folders(self._root) as folders:
            return _read_if_there(folders, path)


def _read_if_there(folders: Folders, path: str) -> Steady | None:
    try:
        return read_steady(folders, path)
    except NotFound:
        return None
