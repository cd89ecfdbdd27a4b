"""The role ``Snapshots``: captures of folders, in a repository of the host's own.

Each folder has an index of its own beside that repository, so that an unchanged
one costs looks, not readings, and a head of its own, which is its last capture.
Captures do not follow each other: each stays as long as it is the last one of its
folder, or a name keeps it (``kept``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import trio

from aexl.api import FileChange, MergedSnapshot, ObjectId
from aexl.errors import Invalid, NotFound
from aexl_snapshots import kept
from aexl_snapshots.captured import STORE, Place
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.progress import Meter
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.applying import extract_snapshot, read_contents, stage_into
from aexl_snapshots.worktree.committing import Author, replace_missing, write_snapshot
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.fresh import unfinished_folder, write_fresh
from aexl_snapshots.worktree.ignore import FILE_NAME
from aexl_snapshots.worktree.joining import merge_snapshots
from aexl_snapshots.worktree.patch import LARGEST_TEXT, Sides, whole_patch
from aexl_snapshots.worktree.restore import UNKNOWN, carry_out, plan_restore
from aexl_snapshots.worktree.scan import Scan
from aexl_snapshots.worktree.staging import make_entry, store_file
from aexl_snapshots.worktree.status import as_tree
from aexl_snapshots.worktree.tree import WorkTree, within
from aexl_snapshots.worktree.treediff import Tree, compare_trees

T = TypeVar("T")

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

    async def extract(self, project: str, snapshot: ObjectId, path: str) -> None:
        """Write the files of a snapshot of a project's own into a new folder."""
        await self._run(lambda meter: extract_snapshot(Repository.find(Path(project)), snapshot, Path(path), meter))

    async def changed_since(self, snapshot: ObjectId, path: str) -> Sequence[FileChange]:
        """Return what differs between a snapshot and a folder as it is now."""
        return await self._run(partial(self._changed_since, snapshot, _folder(path)))

    async def merge(self, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> MergedSnapshot:
        """Merge what two snapshots changed of a third one."""
        return await self._run(lambda _: self._merge(base, ours, theirs))

    async def patch(self, old: ObjectId, new: ObjectId, most: int) -> str:
        """Return what differs as a text that git can apply."""
        return await self._run(lambda _: self._patch(old, new, most))

    async def read(self, snapshot: ObjectId, path: str, most: int) -> bytes | None:
        """Return a file of a snapshot."""
        return await self._run(lambda _: self._read(snapshot, path, most))

    async def keep(self, name: str, snapshots: Sequence[ObjectId]) -> None:
        """Keep snapshots under a name."""
        await self._run(lambda _: kept.keep(self._open(), name, snapshots))

    async def owners(self) -> Sequence[str]:
        """Return the names that keep anything."""
        return await self._run(lambda _: sorted(kept.kept(self._open())))

    async def release(self, names: Sequence[str]) -> None:
        """Keep nothing under these names any more."""
        await self._run(lambda _: kept.release(self._open(), names))

    async def forget(self, path: str) -> None:
        """Let go of a folder's last capture."""
        await self._run(lambda _: self._forget(Path(path)))

    def _tree(self, snapshot: ObjectId) -> Tree:
        return as_tree(self._open().manifest_of(snapshot))

    def _work_tree(self, root: Path) -> WorkTree:
        """Return a folder with its index, and remember that it is in use."""
        place = Place.of(self._home, root)
        place.use(root)
        ignore_files = (FILE_NAME, ".gitignore")
        return WorkTree(
            self._open(), root=root, index_path=place.index, head_name=place.head, ignore_files=ignore_files
        )

    def _scan(self, tree: WorkTree) -> Scan:
        """Look at a folder's files; those of the home, where it lies in the folder, are none of them."""
        scan = tree.scan()
        root, home = Path(os.path.realpath(tree.root)), Path(os.path.realpath(self._home))
        if home.is_relative_to(root):
            places = ["/".join(home.relative_to(root).parts)]
            scan.files = {path: seen for path, seen in scan.files.items() if not within(path, places)}
            scan.unkept = [each for each in scan.unkept if not within(each.path, places)]
        return scan

    def _capture(self, root: Path, message: str, meter: Meter) -> ObjectId:
        tree = self._work_tree(root)
        repository = tree.repository
        with repository.writing(), tree.changing() as index:
            scan = self._scan(tree)
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
            head = tree.head
            if head is not None and repository.read_snapshot(head).manifest == index.manifest_id():
                return head
            replace_missing(tree, index, meter)
            made, _ = write_snapshot(repository, index.manifest(), (), message, Author(AUTHOR, self._home))
            repository.move_head(made, expected=head, name=tree.head_name)
            return made

    def _changed_since(self, snapshot: ObjectId, root: Path, meter: Meter) -> Sequence[FileChange]:
        tree = self._work_tree(root)
        before = self._tree(snapshot)
        files = self._scan(tree).files
        ids = tree.reader(meter).identify(files)
        now = {path: make_entry(path, ids[path], seen) for path, seen in files.items() if path in ids}
        tree.keep_what_was_learned()
        return compare_trees(before, now)

    def _materialize(self, snapshot: ObjectId, root: Path, force: bool, meter: Meter) -> None:
        target = self._tree(snapshot)
        if not root.exists():
            self._materialize_anew(target, root, meter)
            return
        tree = self._work_tree(root)
        with tree.changing() as index, Folders(tree.root) as folders:
            strangers = {path: Entry(path, "file", 0, UNKNOWN) for path in self._scan(tree).files}
            plan = plan_restore(folders, {**strangers, **index.entries}, target, tree.reader(), force=force)
            plan.refuse_if_blocked()
            meter.begin("restoring", sum(entry.size for entry in plan.write))
            carry_out(folders, plan, read_contents(tree.repository), done=stage_into(index, meter))
            index.replace(target.values())

    def _materialize_anew(self, target: Tree, root: Path, meter: Meter) -> None:
        with disk_errors(root), unfinished_folder(root) as folder:
            made = write_fresh(folder, target, read_contents(self._open()), meter)
        tree = self._work_tree(root)
        with tree.changing() as index:
            index.replace(target.values())
            for entry, signature in made:
                index.stage(entry, signature)

    def _merge(self, base: ObjectId, ours: ObjectId, theirs: ObjectId) -> MergedSnapshot:
        repository = self._open()
        with repository.writing():
            with repository.writer() as writer:
                merged = merge_snapshots(repository, base, ours, theirs, writer)
            manifest = Manifest(merged.entries.values())
            parents = (ours, theirs) if ours != theirs else (ours,)
            made, _ = write_snapshot(repository, manifest, parents, "merge", Author(AUTHOR, self._home))
        return MergedSnapshot(snapshot=made, conflicts=tuple(merged.conflicts))

    def _patch(self, old: ObjectId, new: ObjectId, most: int) -> str:
        def read(entry: Entry) -> bytes:
            return self._open().read(entry.id, LARGEST_TEXT)

        sides = Sides(self._tree(old), self._tree(new), read, read)
        return whole_patch(sides, compare_trees(sides.old, sides.new), most)

    def _read(self, snapshot: ObjectId, path: str, most: int) -> bytes | None:
        entry = self._tree(snapshot).get(path)
        if entry is None:
            return None
        if entry.size > most:
            raise Invalid(f"{path} has {entry.size} bytes; at most {most} are read")
        return self._open().read(entry.id, most)

    def _forget(self, root: Path) -> None:
        repository = self._open()
        with repository.writing():
            Place.of(self._home, root).forget(repository)


def _folder(path: str) -> Path:
    if not Path(path).is_dir():
        raise NotFound(f"there is no folder {path}")
    return Path(path)
