"""How a tree stands: what is staged, what has changed since, what is not known yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aexl.api import FileChange
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.reading import Reader
from aexl_snapshots.worktree.scan import Scan, Unkept
from aexl_snapshots.worktree.treediff import Tree, compare_trees


class TreeStatus(NamedTuple):
    """Three comparisons, each by path.

    Attributes:
        staged: The head against the index.
        unstaged: The index against the files.
        untracked: Files that are neither in the index nor ignored.
        unkept: What cannot be kept at all.
    """

    staged: Sequence[FileChange]
    unstaged: Sequence[FileChange]
    untracked: Sequence[str]
    unkept: Sequence[Unkept]

    @property
    def is_clean(self) -> bool:
        """Whether the files are exactly what the head says."""
        return not (self.staged or self.unstaged or self.untracked)


def judge(head: Tree, index: Index, scan: Scan, reader: Reader) -> TreeStatus:
    """Compare; reads only files that may have changed, and notes in the index which have not."""
    return TreeStatus(
        staged=compare_trees(head, index.entries),
        unstaged=compare_files(index, scan, reader),
        untracked=sorted(path for path in scan.files if path not in index.entries),
        unkept=scan.unkept,
    )


def compare_files(index: Index, scan: Scan, reader: Reader) -> list[FileChange]:
    """Return what differs between the index and the files that it knows."""
    tracked = {path: scan.files[path] for path in index.entries if path in scan.files}
    ids = reader.identify(tracked)
    changes = []
    for path, entry in sorted(index.entries.items()):
        if path not in ids:
            changes.append(FileChange(kind="removed", path=path, old_size=entry.size))
        elif ids[path] != entry.id:
            size = tracked[path].size
            changes.append(FileChange(kind="modified", path=path, old_size=entry.size, new_size=size))
        elif tracked[path].executable != (entry.mode == "exec"):
            changes.append(FileChange(kind="mode", path=path, old_size=entry.size, new_size=entry.size))
    return changes


def fold_untracked(untracked: Sequence[str], tracked: Iterable[str]) -> list[str]:
    """Return paths for people: a folder in which nothing is tracked stands for all that is in it."""
    known = {folder for path in tracked for folder in _folders(path)}
    shown: dict[str, None] = {}
    for path in untracked:
        shown[next((f"{folder}/" for folder in _folders(path) if folder not in known), path)] = None
    return list(shown)


def _folders(path: str) -> list[str]:
    names = path.split("/")[:-1]
    return ["/".join(names[: depth + 1]) for depth in range(len(names))]


def as_tree(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return entries by path."""
    return {entry.path: entry for entry in entries}
