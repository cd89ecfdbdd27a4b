"""The port ``Trees`` over the host's role ``Snapshots``."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from aexl.api import FileChange, Host, MergedSnapshot, ObjectId, Snapshots
from aexl.errors import Unavailable
from aexl_pipelines.execution.ports import NoTrees, Question, Trees
from aexl_pipelines.journal.records import Verdict
from aexl_pipelines.trees.conflicts import ask, read_choices
from aexl_pipelines.trees.keeping import owner
from aexl_pipelines.trees.settling import settle

LONGEST_DIFF: Final = 200_000
"""Bytes of a step's ``diff``; it ends up in prompts."""

_WAITS: Final = (0.05, 0.2, 0.5, 1.0)
"""Seconds. Another process may hold a folder's index while it looks through the folder."""

_REMEMBERED: Final = 256
"""Runs whose kept snapshots, and folders whose locks, are remembered."""


def trees_of(host: Host) -> Trees:
    """Return the trees of a host; without anybody who keeps snapshots, the plain form, in which nothing ever changes."""
    snapshots = host.service(Snapshots)
    return NoTrees() if snapshots is None else SnapshotTrees(snapshots, host.data_dir / "cache" / "joins")


class SnapshotTrees:
    """See ``execution.ports.Trees``.

    Args:
        scratch: Where conflicts are settled, in folders of their own that are removed at once.
    """

    copies = True

    def __init__(self, snapshots: Snapshots, scratch: Path) -> None:
        self._snapshots = snapshots
        self._scratch = scratch
        self._locks: OrderedDict[Path, trio.Lock] = OrderedDict()
        self._kept: OrderedDict[str, set[ObjectId]] = OrderedDict()

    def _alone(self, folder: Path) -> trio.Lock:
        """Return the lock of a folder: what changes its index would refuse to be the second one."""
        lock = self._locks.setdefault(folder, trio.Lock())
        self._locks.move_to_end(folder)
        while len(self._locks) > _REMEMBERED:
            idle = next((each for each, held in self._locks.items() if each != folder and not held.locked()), None)
            if idle is None:
                break
            del self._locks[idle]
        return lock

    async def capture(self, folder: Path, message: str) -> ObjectId:
        """Return a snapshot of a folder as it is now; an unchanged one costs looks at its files.

        Raises:
            Invalid: If a name in it cannot be kept, or an ignore file is too large.
            Conflict: If a file changes all the time it is read.
            Unavailable: If a file cannot be read.
        """
        async with self._alone(folder):
            for seconds in _WAITS:
                try:
                    return await self._snapshots.capture(str(folder), message)
                except Unavailable:
                    await trio.sleep(seconds)
            return await self._snapshots.capture(str(folder), message)

    async def changed(self, before: ObjectId, after: ObjectId) -> Sequence[FileChange]:
        """Return what differs between two snapshots, by path."""
        return () if before == after else await self._snapshots.diff(before, after)

    async def diff_text(self, before: ObjectId, after: ObjectId) -> str:
        """Return what differs as a unified diff of at most ``LONGEST_DIFF`` bytes; of binary files, the sizes."""
        return "" if before == after else await self._snapshots.patch(before, after, LONGEST_DIFF)

    async def copy(self, snapshot: ObjectId, folder: Path) -> None:
        """Write a snapshot's files to a folder that is empty or not there."""
        async with self._alone(folder):
            await self._snapshots.materialize(snapshot, str(folder), False)

    async def join(self, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> MergedSnapshot:
        """Merge what two branches made of the same files; where one has changed nothing, it is the other."""
        if theirs in {base, ours}:
            return MergedSnapshot(snapshot=ours, conflicts=())
        if ours == base:
            return MergedSnapshot(snapshot=theirs, conflicts=())
        return await self._snapshots.merge(base, ours, theirs)

    async def question(self, merged: MergedSnapshot, ours: ObjectId, theirs: ObjectId) -> Question:  # noqa: ARG002 - the port's signature
        """Return what a person is asked about the conflicts of a merge."""
        return await ask(self._snapshots, merged)

    async def settle(self, merged: MergedSnapshot, ours: ObjectId, theirs: ObjectId, verdict: Verdict) -> ObjectId:
        """Return the snapshot that a person's answer makes of a merge in conflict."""
        choices = read_choices(verdict, [conflict.path for conflict in merged.conflicts])
        return await settle(self._snapshots, self._scratch, merged.snapshot, (ours, theirs), choices)

    async def discard(self, folder: Path) -> None:
        """Remove a copy and forget it; one that is gone already is no error."""
        await trio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
        await self._snapshots.forget(str(folder))

    async def keep(self, run: str, snapshots: Sequence[ObjectId]) -> None:
        """Keep snapshots that a run's journal names, until the run itself is removed."""
        known = self._kept.setdefault(run, set())
        self._kept.move_to_end(run)
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        new = [each for each in dict.fromkeys(snapshots) if each not in known]
        if new:
            await self._snapshots.keep(owner(run), new)
            known.update(new)

    async def restore(self, snapshot: ObjectId, folder: Path, *, force: bool = False) -> None:
        """Make a folder's files those of a snapshot."""
        async with self._alone(folder):
            await self._snapshots.materialize(snapshot, str(folder), force)
