"""Taking in what another snapshot has: moving on to it, merging it, and giving a merge up."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from aexl.api import FileChange, MergeConflict, ObjectId
from aexl.errors import Conflict, NotFound
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.progress import Meter
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.applying import Restored, advance, carry_over, read_contents, stage_into
from aexl_snapshots.worktree.committing import Author, write_snapshot
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.restore import carry_out, plan_restore
from aexl_snapshots.worktree.status import as_tree
from aexl_snapshots.worktree.steady import IN_MEMORY
from aexl_snapshots.worktree.textmerge import is_text, merge_texts
from aexl_snapshots.worktree.tree import MERGING, WorkTree
from aexl_snapshots.worktree.treediff import Tree, compare_trees
from aexl_snapshots.worktree.treemerge import MergedTree, merge_trees
from aexl_snapshots.writer import Writer

_WAITS: Final = (
    "a merge waits to be finished: settle the files that `aexl snapshot status` names, `aexl snapshot add` them, "
    "then `aexl snapshot commit -m MESSAGE`; or give it up with `aexl snapshot pull --abort`"
)


class Joined(NamedTuple):
    """What became of a tree that took in another snapshot.

    Attributes:
        how: ``up-to-date``, ``adopted``, ``fast-forward``, ``merged``, or ``conflicts`` where a person must go on.
        head: The head now.
        conflicts: Where both sides changed the same.
    """

    how: str
    head: ObjectId | None
    changes: list[FileChange]
    conflicts: list[MergeConflict]

    @property
    def reasons(self) -> dict[str, str]:
        """How both sides changed the same, by path."""
        return {conflict.path: conflict.reason for conflict in self.conflicts}


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


def _merge_into(repository: Repository, ours: ObjectId, theirs: ObjectId) -> MergedTree:
    with repository.writer() as writer:
        return merge_snapshots(repository, repository.merge_base(ours, theirs), ours, theirs, writer)


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
        Conflict: If local changes are in the way, a merge waits, or both sides changed the same; nothing has changed.
    """
    repository = tree.repository
    with repository.writing(), tree.changing() as index:
        ours = tree.head
        if ours is not None and repository.is_ancestor(theirs, ours):
            return Joined("up-to-date", ours, [], [])
        if index.merging:
            raise Conflict(_WAITS)
        old, new = tree.tree_of(ours), tree.tree_of(theirs)
        if ours is None or repository.is_ancestor(ours, theirs):
            advance(tree, index, old, new, meter)
            repository.move_head(theirs, expected=ours, name=tree.head_name)
            return Joined("fast-forward", theirs, compare_trees(old, new), [])
        merged = _merge_into(repository, ours, theirs)
        changes = compare_trees(old, merged.entries)
        if merged.conflicts:
            _refuse_or_mark(tree, index, old, merged, mark=mark, meter=meter)
            repository.pin(MERGING, theirs)  # until the merge is in a snapshot, nothing else may lead to it
            joined = Joined("conflicts", ours, changes, merged.conflicts)
            index.begin_merge(theirs, joined.reasons)
            return joined
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


def give_up(tree: WorkTree, meter: Meter) -> Restored:
    """Give up the merge that waits: what it changed is made as the head has it; other local changes stay.

    What was written into files in conflict, to settle them, goes.

    Raises:
        NotFound: If no merge waits, or what it takes in is not stored any more.
        Conflict: If other work would be lost, on what the merge changed; nothing has changed.
    """
    repository = tree.repository
    with repository.writing():
        with tree.changing() as index:
            ours = tree.head
            if not index.merging or ours is None:
                raise NotFound("no merge waits to be finished")
            old, new = tree.tree_of(ours), _merge_into(repository, ours, index.merging[0])
            changed = {path for path in {*old, *new.entries} if old.get(path) != new.entries.get(path)}
            conflicts = {conflict.path for conflict in new.conflicts}
            chosen = {path for path in conflicts - changed if index.entries.get(path) != old.get(path)}

            def put_back(paths: Collection[str], *, force: bool) -> Restored:
                saved, target = ({path: side[path] for path in paths if path in side} for side in (new.entries, old))
                advice = (
                    "`aexl snapshot commit` finishes the merge, and `aexl snapshot restore main --force` gives up all"
                )
                return carry_over(tree, index, saved, target, force=force, meter=meter, advice=advice)

            others = put_back(changed - conflicts | chosen, force=False)  # the one that may refuse comes first
            marked = put_back(changed & conflicts, force=True)
            ended = index.end_merge()
        repository.unpin(MERGING)
    written, removed = others.written + marked.written, others.removed + marked.removed
    return Restored(sorted(written), sorted(removed), ended_merge=ended)
