"""Making the files those of a snapshot: all or some of them, or only what differs between two."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from aexl.api import FileChange, MergeConflict, ObjectId
from aexl.errors import Conflict, NotFound
from aexl_snapshots import history
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.committing import Author, write_snapshot
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.fresh import unfinished_folder, write_fresh
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.restore import Blocked, Contents, Done, RestorePlan, carry_out, plan_restore
from aexl_snapshots.worktree.status import as_tree
from aexl_snapshots.worktree.steady import IN_MEMORY, Signature
from aexl_snapshots.worktree.textmerge import is_text, merge_texts
from aexl_snapshots.worktree.tree import WorkTree, select, within
from aexl_snapshots.worktree.treediff import Tree, compare_trees
from aexl_snapshots.worktree.treemerge import MergedTree, merge_trees
from aexl_snapshots.writer import Writer


def read_contents(repository: Repository) -> Contents:
    """Return what yields a stored file's pieces."""
    return lambda entry: repository.stream(entry.id)


def extract_snapshot(repository: Repository, snapshot: ObjectId, root: Path, meter: Meter) -> None:
    """Write a snapshot's files into a new folder, which is there whole or not at all."""
    target = as_tree(repository.manifest_of(snapshot))
    with disk_errors(root), unfinished_folder(root) as folder:
        write_fresh(folder, target, read_contents(repository), meter)


def find_kept(repository: Repository, contents: frozenset[ObjectId]) -> frozenset[ObjectId]:
    """Return which contents are in some snapshot that a head, tag or remote leads to."""
    missing = set(contents)
    seen: set[ObjectId] = set()
    for _, snapshot in history.log(repository.read_snapshot, repository.roots()):
        if not missing:
            break
        if snapshot.manifest not in seen:
            seen.add(snapshot.manifest)
            missing -= {entry.id for entry in repository.read_manifest(snapshot.manifest)}
    return contents - missing


class Restored(NamedTuple):
    """What a restore did to the files, by path."""

    written: list[str]
    removed: list[str]


def restore(
    tree: WorkTree,
    source: ObjectId | None,
    places: list[str],
    *,
    force: bool = False,
    meter: Meter | None = None,
) -> Restored:
    """Make files, and the index, those of a snapshot.

    Args:
        source: A snapshot; ``None`` for what is staged.
        places: Paths from the root; the empty one for all.
        force: Also overwrite and remove what is in no snapshot.

    Raises:
        NotFound: If a place names nothing in the snapshot nor in the tree.
        Conflict: If work would be lost; nothing has changed.
    """
    with tree.repository.writing(), tree.changing() as index:
        before = dict(index.entries)
        wanted = before if source is None else tree.tree_of(source)
        head = tree.tree_of(tree.head)
        for place in places:
            if place and not any(within(path, [place]) for path in (*wanted, *head)):
                raise NotFound(f"{place} is neither in that snapshot nor in the last one")
        target = select(wanted, places)
        saved = select(head, places)
        if force:
            saved |= select(before, places)
        advice = "`aexl snapshot commit` keeps it, and --force gives it up"
        plan = _carry_out(tree, index, saved, target, force=force, meter=meter or unwatched(), advice=advice)
        return Restored(sorted(entry.path for entry in plan.write), sorted(plan.remove))


def advance(tree: WorkTree, index: Index, old: Tree, new: Tree, meter: Meter) -> None:
    """Bring into the files and the index what differs between two trees; other local changes stay.

    Raises:
        Conflict: If local changes are in the way; names them, and nothing has changed.
    """
    differs = {path: entry for path, entry in new.items() if old.get(path) != entry}
    going = {path: entry for path, entry in old.items() if path not in new or path in differs}
    blocked = [
        Blocked(path, "is staged")
        for path in sorted({*differs, *going})
        if index.entries.get(path) not in (old.get(path), new.get(path))
    ]
    _carry_out(tree, index, going, differs, force=False, meter=meter, blocked=blocked)


def _carry_out(
    tree: WorkTree,
    index: Index,
    saved: Tree,
    target: Tree,
    *,
    force: bool,
    meter: Meter,
    blocked: list[Blocked] | None = None,
    advice: str = "",
) -> RestorePlan:
    with Folders(tree.root) as folders:
        kept = partial(find_kept, tree.repository)
        plan = plan_restore(folders, saved, target, tree.reader(), force=force, is_kept=kept)
        plan.blocked += blocked or []
        plan.refuse_if_blocked(advice)
        meter.begin("restoring", sum(entry.size for entry in plan.write))
        carry_out(folders, plan, read_contents(tree.repository), done=stage_into(index, meter))
    for path in saved:
        if path not in target:
            index.drop(path)
    for entry in target.values():
        index.stage(entry, None)
    return plan


def merge_snapshots(
    repository: Repository, base: ObjectId | None, ours: ObjectId, theirs: ObjectId, writer: Writer
) -> MergedTree:
    """Merge trees; contents that both sides changed are merged and stored."""

    def tree_of(id: ObjectId | None) -> dict[str, Entry]:
        return {} if id is None else as_tree(repository.manifest_of(id))

    def merge_contents(base: Entry | None, ours: Entry, theirs: Entry) -> tuple[Entry, str | None]:
        sides = [entry for entry in (base, ours, theirs) if entry is not None]
        if any(entry.size > IN_MEMORY for entry in sides):
            return ours, "both sides changed it, and it is too large to merge; ours was kept"
        texts = [repository.read(entry.id, IN_MEMORY) for entry in sides]
        if not all(is_text(text) for text in texts):
            return ours, "both sides changed it, and it is no text; ours was kept"
        merged = merge_texts(b"" if base is None else texts[0], texts[-2], texts[-1])
        entry = ours._replace(id=writer.put(merged.data), size=len(merged.data))
        places = "1 place" if merged.conflicts == 1 else f"{merged.conflicts} places"
        return entry, f"both sides changed it, in {places}" if merged.conflicts else None

    return merge_trees(tree_of(base), tree_of(ours), tree_of(theirs), merge_contents)


class Joined(NamedTuple):
    """What became of a tree that took in another snapshot.

    Attributes:
        how: ``up-to-date``, ``fast-forward``, ``merged``, or ``conflicts`` where a person must go on.
        head: The head now.
        conflicts: Where both sides changed the same.
    """

    how: str
    head: ObjectId | None
    changes: list[FileChange]
    conflicts: list[MergeConflict]


def populate(tree: WorkTree, snapshot: ObjectId, meter: Meter) -> None:
    """Write a snapshot's files into a tree that has none and that nobody else knows, and let its head follow it.

    Raises:
        Unavailable: If a file cannot be written; the tree is of no use then.
    """
    repository = tree.repository
    with repository.writing(), tree.changing() as index:
        for entry, signature in write_fresh(tree.root, tree.tree_of(snapshot), read_contents(repository), meter):
            index.stage(entry, signature)
        repository.move_head(snapshot, expected=None, name=tree.head_name)


def stage_into(index: Index, meter: Meter) -> Done:
    """Return what tells an index of files that were restored or removed."""

    def done(path: str, entry: Entry | None, signature: Signature | None) -> None:
        if entry is None:
            index.drop(path)
        else:
            index.stage(entry, signature)
            meter.add(entry.size)

    return done


def adopt(tree: WorkTree, snapshot: ObjectId, *, meter: Meter) -> Joined:
    """Let a tree without a head follow a snapshot: missing files are written, those that are there stay as they are.

    Raises:
        Conflict: If a missing file has no place, because something else stands there.
    """
    repository = tree.repository
    with repository.writing(), tree.changing() as index:
        new = tree.tree_of(snapshot)
        index.replace(new.values())
        with Folders(tree.root) as folders:
            missing = {path: entry for path, entry in new.items() if folders.look(path) is None}
            plan = plan_restore(folders, {}, missing, tree.reader())
            plan.refuse_if_blocked()
            meter.begin("restoring", sum(entry.size for entry in plan.write))
            carry_out(folders, plan, read_contents(repository), done=stage_into(index, meter))
        repository.move_head(snapshot, expected=None, name=tree.head_name)
        return Joined("adopted", snapshot, compare_trees({}, missing), [])


def join(tree: WorkTree, theirs: ObjectId, author: Author, *, mark: bool, meter: Meter) -> Joined:
    """Take in what another snapshot has: move on to it, or merge it.

    Args:
        mark: Where both sides changed the same, write both into the files and let a person decide;
            otherwise refuse.

    Raises:
        Conflict: If local changes are in the way, or both sides changed the same; nothing has changed.
    """
    repository = tree.repository
    with repository.writing(), tree.changing() as index:
        ours = tree.head
        if ours is not None and repository.is_ancestor(theirs, ours):
            return Joined("up-to-date", ours, [], [])
        if index.merging:
            raise Conflict("a merge waits to be finished: edit the files, then `aexl snapshot commit -a -m MESSAGE`")
        old, new = tree.tree_of(ours), tree.tree_of(theirs)
        if ours is None or repository.is_ancestor(ours, theirs):
            advance(tree, index, old, new, meter)
            repository.move_head(theirs, expected=ours, name=tree.head_name)
            return Joined("fast-forward", theirs, compare_trees(old, new), [])
        with repository.writer() as writer:
            merged = merge_snapshots(repository, repository.merge_base(ours, theirs), ours, theirs, writer)
        changes = compare_trees(old, merged.entries)
        if merged.conflicts:
            _refuse_or_mark(tree, index, old, merged, mark=mark, meter=meter)
            index.merging, index.changed = (theirs,), True
            return Joined("conflicts", ours, changes, merged.conflicts)
        manifest = Manifest(merged.entries.values())
        merge, _ = write_snapshot(repository, manifest, (ours, theirs), f"Merge {theirs[:12]}", author)
        advance(tree, index, old, merged.entries, meter)
        repository.move_head(merge, expected=ours, name=tree.head_name)
        return Joined("merged", merge, changes, [])


def _refuse_or_mark(tree: WorkTree, index: Index, old: Tree, merged: MergedTree, *, mark: bool, meter: Meter) -> None:
    if not mark:
        lines = "\n".join(f"  {conflict.path}: {conflict.reason}" for conflict in merged.conflicts[:20])
        raise Conflict(
            f"nothing was changed, because both sides changed the same:\n{lines}\n"
            "`aexl snapshot pull --mark` writes both versions into the files for you to choose"
        )
    advance(tree, index, old, merged.entries, meter)
    for conflict in merged.conflicts:  # what a person must look at shows as changed and not staged
        if conflict.path in old:
            index.stage(old[conflict.path], None)
        else:
            index.drop(conflict.path)
