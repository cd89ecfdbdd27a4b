"""A project's files beside its repository: the index between them, and who may change it.

Ordinary synchronous code, for a worker thread. Several processes may work on one
tree: who changes the index holds its lock, who only looks does not.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aexl.api import ObjectId
from aexl.errors import Invalid, Unavailable
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.disk.files import make_folder
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.objects.names import printable
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.folders import CONTROL, Folders
from aexl_snapshots.worktree.ignore import FILE_NAME
from aexl_snapshots.worktree.index import Index, read_index
from aexl_snapshots.worktree.reading import Reader
from aexl_snapshots.worktree.scan import Scan, scan_tree
from aexl_snapshots.worktree.status import TreeStatus, as_tree, judge
from aexl_snapshots.worktree.treediff import Tree

INDEX: Final = Path(CONTROL) / "index"

MERGING: Final = "merging"
"""The pin that keeps the other side of a merge while it waits for a person."""


class WorkTree:
    """The files of a project, and what is staged of them.

    Args:
        repository: Where snapshots are kept.
        root: The files; the repository's own project by default.
        index_path: Where the index lies; in the project's control folder by default.

    Attributes:
        head_name: The head that it follows.
        ignore_files: Of these, the first one that a folder has counts.
        index: What is staged, as it was when it was first asked for or ``changing`` was entered.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        root: Path | None = None,
        index_path: Path | None = None,
        head_name: str = DEFAULT_HEAD,
        ignore_files: Sequence[str] = (FILE_NAME,),
    ) -> None:
        self.repository = repository
        self.head_name = head_name
        self.ignore_files = ignore_files
        self.root = root or repository.root
        self._index_path = index_path or self.root / INDEX
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        """What is staged."""
        if self._index is None:
            self._index = self._read()
        return self._index

    def _read(self) -> Index:
        found = read_index(self._index_path, self._index)
        if found is None:
            found = Index()
            found.replace(self.tree_of(self.head).values())
        return found

    @property
    def head(self) -> ObjectId | None:
        """The snapshot that the tree follows."""
        return self.repository.head(self.head_name)

    def staged(self) -> set[ObjectId]:
        """Return the contents that are staged now, whoever staged them."""
        return {entry.id for entry in self._read().entries.values()}

    def tree_of(self, snapshot: ObjectId | None) -> dict[str, Entry]:
        """Return the files of a snapshot; of none, no files."""
        return {} if snapshot is None else as_tree(self.repository.manifest_of(snapshot))

    @contextmanager
    def changing(self) -> Iterator[Index]:
        """Hold the index; it is read again at the beginning, and written when the context is left without an error.

        Raises:
            Unavailable: If another process holds it, or the disk fails.
        """
        files = self.repository.directory.files
        with disk_errors(self._index_path):
            make_folder(files, self._index_path.parent)
            descriptor = os.open(self._index_path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Unavailable(f"another aexl changes what is staged in {self.root}; try again") from error
            self._index = index = self._read()
            yield index
            index.save(self._index_path, files)
        finally:
            os.close(descriptor)

    def scan(self) -> Scan:
        """Look at the files."""
        with Folders(self.root) as folders:
            return scan_tree(folders, self.index.entries, self.ignore_files)

    def reader(self, meter: Meter | None = None) -> Reader:
        """Return what reads files of the tree."""
        return Reader(self.root, self.index, meter or unwatched())

    def status(self, meter: Meter | None = None) -> TreeStatus:
        """Return how the tree stands. What was learned of unchanged files is kept, where nobody else is writing."""
        status = judge(self.tree_of(self.head), self.index, self.scan(), self.reader(meter))
        self.keep_what_was_learned()
        return status

    def keep_what_was_learned(self) -> None:
        """Save signatures; they only save readings, so an index that is held or read-only stays as it is."""
        seen = self.index
        if not seen.changed:
            return
        try:
            with self.changing() as index:
                for path, signature in seen.seen.items():
                    if index.entries.get(path) == seen.entries[path]:
                        index.stage(index.entries[path], signature)
        except Unavailable:
            return
        seen.changed = False

    def locate(self, text: str, start: Path) -> str:
        """Return a path that somebody gave, relative to the root; empty for the root itself.

        Args:
            start: The folder that it was given in.

        Raises:
            Invalid: If it leads out of the tree, or is empty.
        """
        refuse_empty(text)
        root = os.path.realpath(self.root)
        full = os.path.normpath(os.path.join(os.path.realpath(start), text))  # noqa: PTH118 - a link at the end stays one
        if full == root:
            return ""
        if not full.startswith(root.rstrip("/") + "/"):
            raise Invalid(f"{printable(text)} is outside of {self.root}")
        return full[len(root.rstrip("/")) + 1 :]


def refuse_empty(path: str) -> None:
    """Hold an empty path to be none: it comes from a variable that is not set, and must not mean everything.

    Raises:
        Invalid: If it is empty.
    """
    if not path:
        raise Invalid("a path is empty; '.' is the folder itself")


def within(path: str, places: list[str]) -> bool:
    """Say whether a path is one of the places, or below one."""
    return any(not place or path == place or path.startswith(place + "/") for place in places)


def select(tree: Tree, places: list[str]) -> dict[str, Entry]:
    """Return the entries at or below some places."""
    return {path: entry for path, entry in tree.items() if within(path, places)}
