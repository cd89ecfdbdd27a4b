"""Making the files those of a snapshot: all or some of them, or only what differs between two."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from aexl.api import ObjectId
from aexl.errors import Conflict, NotFound
from aexl_snapshots import history
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.objects.names import printable
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.fresh import unfinished_folder, write_fresh
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.restore import UNKNOWN, Blocked, Contents, Done, carry_out, plan_restore
from aexl_snapshots.worktree.status import as_tree
from aexl_snapshots.worktree.steady import Signature
from aexl_snapshots.worktree.tree import MERGING, WorkTree, select, within
from aexl_snapshots.worktree.treediff import Tree


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
    """What a restore did to the files, by path.

    Attributes:
        ended_merge: A merge had waited, and was given up.
    """

    written: list[str]
    removed: list[str]
    ended_merge: bool = False


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

    What comes from a snapshot settles its conflict. All of one ends a merge that waits, and therefore needs ``force``.

    Raises:
        NotFound: If a place names nothing in the snapshot nor in the tree.
        Conflict: If work would be lost; nothing has changed.
    """
    everything = source is not None and "" in places
    with tree.repository.writing():
        with tree.changing() as index:
            if index.merging and everything and not force:
                raise Conflict(
                    "a merge waits to be finished: `aexl snapshot pull --abort` gives it up; --force does so too, "
                    "and gives up all other work that is in no snapshot"
                )
            done = _restore(tree, index, source, places, force=force, meter=meter or unwatched())
            ended = everything and index.end_merge()
        if ended:
            tree.repository.unpin(MERGING)
    return done._replace(ended_merge=ended)


def _restore(
    tree: WorkTree, index: Index, source: ObjectId | None, places: list[str], *, force: bool, meter: Meter
) -> Restored:
    before = dict(index.entries)
    wanted = before if source is None else tree.tree_of(source)
    head = tree.tree_of(tree.head)
    for place in places:
        if place and not any(within(path, [place]) for path in (*wanted, *head)):
            raise NotFound(f"{printable(place)} is neither in that snapshot nor in the last one")
    target = select(wanted, places)
    saved = select(head, places)
    if force:
        saved |= select(before, places)
    if force and source is not None:  # also what the other side of a merge has, and nobody has staged
        saved |= select(
            {path: Entry(path, "file", 0, UNKNOWN) for path in index.conflicts if path not in saved}, places
        )
    advice = "`aexl snapshot commit` keeps it, and --force gives it up"
    done = carry_over(tree, index, saved, target, force=force, meter=meter, advice=advice)
    if source is not None:
        index.settle({*saved, *target})
    return done


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
    carry_over(tree, index, going, differs, force=False, meter=meter, blocked=blocked)


def carry_over(
    tree: WorkTree,
    index: Index,
    saved: Tree,
    target: Tree,
    *,
    force: bool,
    meter: Meter,
    blocked: list[Blocked] | None = None,
    advice: str = "",
) -> Restored:
    """Make files, and the index, those of ``target``; what else is ``saved`` goes.

    Args:
        blocked: What is in the way beside what is found.
        advice: What a person can do where something is.

    Raises:
        Conflict: If work would be lost; nothing has changed.
    """
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
    return Restored(sorted(entry.path for entry in plan.write), sorted(plan.remove))


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
