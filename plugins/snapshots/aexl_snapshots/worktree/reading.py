"""Reading many files of a tree: in threads, each with descriptors of its own."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

from aexl.api import ObjectId
from aexl.errors import NotFound
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.progress import Meter
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.steady import Signature, Steady, read_steady

BATCH: Final = 64
BATCH_BYTES: Final = 8 * 1024 * 1024
"""What a thread reads before it hands it over; a file each would cost more in hand-overs than in reading."""

THREADS: Final = min(4, os.cpu_count() or 1)


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
        batches = _batches(files)
        if len(batches) <= 1:
            for batch in batches:
                yield from self._told(self._read_batch(batch))
            return
        with ThreadPoolExecutor(THREADS) as pool:
            waiting = deque(pool.submit(self._read_batch, batch) for batch in batches[: 2 * THREADS])
            further = iter(batches[2 * THREADS :])
            while waiting:
                found = waiting.popleft().result()
                waiting.extend(pool.submit(self._read_batch, batch) for batch in islice(further, 1))
                yield from self._told(found)

    def _told(self, found: Sequence[tuple[str, Steady]]) -> Iterator[tuple[str, Steady]]:
        for path, steady in found:
            yield path, steady
            self._meter.add(steady.signature.size)

    def _read_batch(self, paths: Sequence[str]) -> list[tuple[str, Steady]]:
        found = []
        with Folders(self._root) as folders:
            for path in paths:
                try:
                    found.append((path, read_steady(folders, path)))
                except NotFound:
                    continue
        return found


def _batches(files: Mapping[str, Signature]) -> list[list[str]]:
    batches: list[list[str]] = []
    size = BATCH_BYTES
    for path in sorted(files):
        if size >= BATCH_BYTES or len(batches[-1]) >= BATCH:
            batches.append([])
            size = 0
        batches[-1].append(path)
        size += files[path].size
    return batches
