"""Three trees into one: what both sides did to their common ancestor. Pure.

A file counts as a whole first; only one whose content both sides changed is merged
line by line, by the caller's function, because contents are read for those alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aexl.api import MergeConflict
from aexl_snapshots.objects.manifest import Entry, Mode
from aexl_snapshots.objects.names import fold_name
from aexl_snapshots.worktree.treediff import Tree, find_renames

MergeContents = Callable[[Entry | None, Entry, Entry], tuple[Entry, str | None]]
"""Merges the contents of a file: takes base (``None`` where both added it), ours and theirs,
and returns the entry and, where they conflict, how."""


class MergedTree(NamedTuple):
    """Entries by path, and what did not go together."""

    entries: dict[str, Entry]
    conflicts: list[MergeConflict]


def merge_trees(base: Tree, ours: Tree, theirs: Tree, merge_contents: MergeContents) -> MergedTree:
    """Merge; a path in conflict keeps what is said in its reason."""
    base, ours, theirs = _follow_renames(base, ours, theirs)
    entries: dict[str, Entry] = {}
    conflicts: list[MergeConflict] = []
    for path in sorted({*base, *ours, *theirs}):
        entry, reason = _merge_one(base.get(path), ours.get(path), theirs.get(path), merge_contents)
        if entry is not None:
            entries[path] = entry
        if reason is not None:
            conflicts.append(MergeConflict(path=path, reason=reason))
    conflicts += _settle_places(entries, ours)
    return MergedTree(entries, sorted(conflicts, key=lambda conflict: conflict.path))


def _merge_one(
    base: Entry | None, ours: Entry | None, theirs: Entry | None, merge_contents: MergeContents
) -> tuple[Entry | None, str | None]:
    if ours == theirs or theirs == base:
        return ours, None
    if ours == base:
        return theirs, None
    if ours is None:
        return theirs, "removed here, changed there; theirs was kept"
    if theirs is None:
        return ours, "changed here, removed there; ours was kept"
    mode = theirs.mode if base is not None and ours.mode == base.mode else ours.mode
    if ours.id == theirs.id or (base is not None and theirs.id == base.id):
        return _with_mode(ours, mode), None
    if base is not None and ours.id == base.id:
        return _with_mode(theirs, mode), None
    merged, reason = merge_contents(base, ours, theirs)
    return _with_mode(merged, mode), reason


def _with_mode(entry: Entry, mode: Mode) -> Entry:
    return entry if entry.mode == mode else entry._replace(mode=mode)


def _follow_renames(base: Tree, ours: Tree, theirs: Tree) -> tuple[Tree, Tree, Tree]:
    """Where one side moved a file that the other changed, treat it as if it had always had its new path."""
    trees = {"base": dict(base), "ours": dict(ours), "theirs": dict(theirs)}
    for mover, other in (("ours", "theirs"), ("theirs", "ours")):
        for old, new in find_renames(base, trees[mover]).items():
            changed = old in trees[other] and trees[other][old] != base[old]
            if changed and new not in trees[other] and new not in trees["base"]:
                for name in ("base", other):
                    trees[name][new] = trees[name].pop(old)._replace(path=new)
    return trees["base"], trees["ours"], trees["theirs"]


def _settle_places(entries: dict[str, Entry], ours: Tree) -> list[MergeConflict]:
    """Take out what cannot stand beside something else: a file where a folder is, a name that differs in case only."""
    conflicts = []
    places = _Places()
    for path in sorted(entries, key=lambda path: (path not in ours, path)):
        blocker = places.add(path)
        if blocker is not None:
            del entries[path]
            conflicts.append(MergeConflict(path=path, reason=f"cannot stand beside {blocker}; it was left out"))
    return conflicts


class _Places:
    """Which paths can stand in one tree on every file system; who comes first stays."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def add(self, path: str) -> str | None:
        """Take a path in; where it cannot be, return what it cannot stand beside."""
        folded = fold_name(path)
        blocker = self._files.get(folded) or self._folders.get(folded)
        above = {}
        folder = path.rpartition("/")[0]
        while folder and blocker is None:
            name = fold_name(folder)
            blocker = self._files.get(name)
            if self._folders.get(name, folder) != folder:
                blocker = self._folders[name]
            above[name] = folder
            folder = folder.rpartition("/")[0]
        if blocker is None:
            self._files[folded] = path
            self._folders |= above
        return blocker
