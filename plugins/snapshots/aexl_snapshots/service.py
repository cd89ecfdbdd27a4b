"""The role ``Snapshots``: captures of folders, in a repository of the host's own.

Each folder has an index of its own beside that repository, so that an unchanged
one costs looks, not readings, and a head of its own, so that its captures stay
until somebody removes the head.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import trio

from aexl.api import FileChange, MergedSnapshot, ObjectId
from aexl.errors import Invalid, NotFound
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.progress import Meter
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.applying import merge_snapshots, read_contents
from aexl_snapshots.worktree.committing import Author, write_snapshot
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.restore import carry_out, plan_restore
from aexl_snapshots.worktree.staging import make_entry, store_file
from aexl_snapshots.worktree.status import as_tree
from aexl_snapshots.worktree.steady import Signature
from aexl_snapshots.worktree.tree import WorkTree
from aexl_snapshots.worktree.treediff import Tree, compare_trees

T = TypeVar("T")

STORE: Final = "store"
"""Below ``AEXL_HOME``."""

AUTHOR: Final = "aexl"


class SnapshotService:
    """See ``aexl.api.Snapshots``.

    Args:
        home: ``AEXL_HOME``; the repository is made in it with the first capture.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._repository: Repository | None = None

    def _open(self) -> Repository:
        if self._repository is None:
            self._repository = Repository.init(self._home / STORE)
            self._repository.packs.refresh()
        return self._repository

    async def _run(self, work: Callable[[Meter], T]) -> T:
        """Run in a thread; a cancelled call ends at the next file."""
        return await trio.to_thread.run_sync(lambda: work(Meter(check=trio.from_thread.check_cancelled)))

    async def capture(self, path: str, message: str) -> ObjectId:
        """Return a snapshot of what is in a folder now."""
        return await self._run(partial(self._capture, _folder(path), message))

    async def diff(self, old: ObjectId, new: ObjectId) -> Sequence[FileChange]:
        """Return what differs between two snapshots."""
        return await self._run(lambda _: compare_trees(self._tree(old), self._tree(new)))

    async def materialize(self, snapshot: ObjectId, path: str, force: bool) -> None:
        """Make a folder's files those of a snapshot."""
        await self._run(partial(self._materialize, snapshot, Path(path), force))

    async def changed_since(self, snapshot: ObjectId, path: str) -> Sequence[FileChange]:
        """Return what differs between a snapshot and a folder as it is now."""
        return await self._run(partial(self._changed_since, snapshot, _folder(path)))

    async def merge(self, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> MergedSnapshot:
        """Merge what two snapshots changed of a third one."""
        return await self._run(lambda _: self._merge(base, ours, theirs))

    def _tree(self, snapshot: ObjectId) -> Tree:
        return as_tree(self._open().manifest_of(snapshot))

    def _work_tree(self, root: Path) -> tuple[WorkTree, str]:
        """Return a folder with its index, and the name of its head."""
        name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]
        index, head = self._home / STORE / "trees" / f"{name}.index", f"tree.{name}"
        return WorkTree(self._open(), root=root, index_path=index, head_name=head), head

    def _capture(self, root: Path, message: str, meter: Meter) -> ObjectId:
        tree, head_name = self._work_tree(root)
        repository = tree.repository
        with repository.writing(), tree.changing() as index:
            scan = tree.scan()
            names = [unkept for unkept in scan.unkept if not unkept.special]
            if names:
                raise Invalid("; ".join(f"{unkept}" for unkept in names[:10]))
            files = scan.files
            unread = {path: seen for path, seen in files.items() if not index.holds(path, seen)}
            with repository.writer(meter) as writer, tree.reader().reading(unread) as found:
                staged = [store_file(tree, writer, path, read) for path, read in found]
            for path in [path for path in index.entries if path not in files]:
                index.drop(path)
            for entry, signature in staged:
                index.stage(entry, signature)
            head = repository.head(head_name)
            manifest = Manifest(index.entries.values())
            if head is not None and repository.read_snapshot(head).manifest == manifest.id:
                return head
            author = Author(AUTHOR, self._home)
            made, _ = write_snapshot(repository, manifest, (head,) if head else (), message, author)
            repository.move_head(made, expected=head, name=head_name)
            return made

    def _changed_since(self, snapshot: ObjectId, root: Path, meter: Meter) -> Sequence[FileChange]:
        tree, _ = self._work_tree(root)
        before = self._tree(snapshot)
        files = tree.scan().files
        ids = tree.reader(meter).identify(files)
        now = {path: make_entry(path, ids[path], seen) for path, seen in files.items() if path in ids}
        tree.keep_what_was_learned()
        return compare_trees(before, now)

    def _materialize(self, snapshot: ObjectId, root: Path, force: bool, meter: Meter) -> None:
        target = self._tree(snapshot)
        with disk_errors(root):
            root.mkdir(parents=True, exist_ok=True)
        tree, _ = self._work_tree(root)
        with tree.changing() as index, Folders(tree.root) as folders:
            strangers = {path: Entry(path, "file", 0, _UNKNOWN) for path in tree.scan().files}
            plan = plan_restore(folders, {**strangers, **index.entries}, target, tree.reader(), force=force)
            plan.refuse_if_blocked()
            meter.begin("restoring", sum(entry.size for entry in plan.write))

            def done(path: str, entry: Entry | None, signature: Signature | None) -> None:
                if entry is None:
                    index.drop(path)
                else:
                    index.stage(entry, signature)
                    meter.add(entry.size)

            carry_out(folders, plan, read_contents(tree.repository), done=done)
            index.replace(target.values())

    def _merge(self, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> MergedSnapshot:
        repository = self._open()
        with repository.writing():
            with repository.writer() as writer:
                merged = merge_snapshots(repository, base, ours, theirs, writer)
            manifest = Manifest(merged.entries.values())
            parents = (ours, theirs) if ours != theirs else (ours,)
            made, _ = write_snapshot(repository, manifest, parents, "merge", Author(AUTHOR, self._home))
        return MergedSnapshot(snapshot=made, conflicts=tuple(merged.conflicts))


_UNKNOWN: Final = ObjectId("")
"""The content of a file that is in no capture."""


def _folder(path: str) -> Path:
    if not Path(path).is_dir():
        raise NotFound(f"there is no folder {path}")
    return Path(path)
