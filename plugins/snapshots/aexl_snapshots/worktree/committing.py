"""From what is staged to a snapshot."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from aexl.api import FileChange, ObjectId
from aexl.errors import Conflict, NotFound
from aexl_snapshots.keys import author_key
from aexl_snapshots.objects.manifest import Manifest
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.reading import Reader
from aexl_snapshots.worktree.restore import SHOWN
from aexl_snapshots.worktree.staging import store_file
from aexl_snapshots.worktree.steady import Signature
from aexl_snapshots.worktree.tree import MERGING, WorkTree
from aexl_snapshots.worktree.treediff import compare_trees


class Author(NamedTuple):
    """Who makes a snapshot, and where the key lies that signs it (``AEXL_HOME``)."""

    name: str
    home: Path


class Committed(NamedTuple):
    """A new snapshot, and what it changed of its first parent."""

    id: ObjectId
    snapshot: Snapshot
    changes: list[FileChange]


def commit(
    tree: WorkTree, message: str, author: Author, *, metadata: Mapping[str, str] | None = None, empty: bool = False
) -> Committed:
    """Make a snapshot of what is staged, and let the head point to it.

    Args:
        empty: Also if nothing is staged.

    Raises:
        Conflict: If nothing is staged, or a file that both sides of a merge changed is not staged anew.
        NotFound: If what is merged is not stored any more.
        HeadMoved: If somebody else has moved the head meanwhile; the index is as it was.
        Invalid: If the message or a path is not acceptable.
    """
    repository = tree.repository
    with repository.writing(), tree.changing() as index:
        _refuse_conflicts(index.conflicts)
        head = tree.head
        same = head is not None and repository.read_snapshot(head).manifest == index.manifest_id()
        before = dict(index.entries) if same else tree.tree_of(head)
        merging = [each for each in index.merging if head is None or not repository.is_ancestor(each, head)]
        for each in merging:
            _refuse_if_lost(repository, each)
        if before == index.entries and not merging and not empty:
            raise Conflict(
                "nothing is staged; `aexl snapshot add` stages, `aexl snapshot status` shows what has changed"
            )
        if not same:
            replace_missing(tree, index)
        parents = (*([head] if head else []), *merging)
        manifest = index.manifest_id() if same else index.manifest()
        made, snapshot = write_snapshot(repository, manifest, parents, message, author, metadata)
        repository.move_head(made, expected=head, name=tree.head_name)
        if index.end_merge():  # from now on the head leads to the other side
            repository.unpin(MERGING)
        return Committed(made, snapshot, compare_trees(before, index.entries))


def _refuse_conflicts(conflicts: Mapping[str, str]) -> None:
    if conflicts:
        lines = [f"  {path}: {reason}" for path, reason in sorted(conflicts.items())[:SHOWN]]
        if len(conflicts) > SHOWN:
            lines.append(f"  and {len(conflicts) - SHOWN} more")
        raise Conflict(
            "nothing was committed, because both sides of a merge changed these files:\n" + "\n".join(lines) + "\n"
            "`aexl snapshot add` them when they are as they shall be; `aexl snapshot pull --abort` gives the merge up"
        )


def _refuse_if_lost(repository: Repository, theirs: ObjectId) -> None:
    try:
        repository.read_snapshot(theirs)
    except NotFound as error:
        raise NotFound(
            f"the snapshot {theirs}, which is being merged, is not stored any more; "
            "`aexl snapshot restore main --force` gives the merge, and all that is not committed, up"
        ) from error


def write_snapshot(
    repository: Repository,
    manifest: Manifest | ObjectId,
    parents: tuple[ObjectId, ...],
    message: str,
    author: Author,
    metadata: Mapping[str, str] | None = None,
) -> tuple[ObjectId, Snapshot]:
    """Sign and store a snapshot.

    Args:
        manifest: Its files must be stored; as an id it is that of a snapshot that is stored.
    """
    id = manifest.id if isinstance(manifest, Manifest) else manifest
    snapshot = signed_snapshot(id, parents, message, author, metadata)
    if isinstance(manifest, Manifest):
        return repository.write_snapshot(manifest, snapshot), snapshot
    with repository.writer() as writer:
        return writer.put_snapshot(snapshot), snapshot


def signed_snapshot(
    manifest: ObjectId,
    parents: tuple[ObjectId, ...],
    message: str,
    author: Author,
    metadata: Mapping[str, str] | None = None,
) -> Snapshot:
    """Make a snapshot of now; nothing is stored."""
    return Snapshot(
        manifest=manifest,
        parents=parents,
        author=author.name,
        message=message,
        time=time.time_ns() // 1_000_000,
        metadata=dict(metadata or {}),
    ).sign(author_key(author.home))


def replace_missing(tree: WorkTree, index: Index, meter: Meter | None = None) -> None:
    """Store again what was staged so long ago that gc has removed it; the files may still hold it.

    Raises:
        NotFound: If a file has been changed meanwhile.
    """
    missing = {path: entry for path, entry in index.entries.items() if not tree.repository.has(entry.id)}
    if not missing:
        return
    with Folders(tree.root) as folders:
        looks = {path: Signature.of(look) for path in missing if (look := folders.look(path)) is not None}
    with tree.repository.writer(meter) as writer, Reader(tree.root, index, unwatched()).reading(looks) as found:
        for path, steady in found:
            if steady.id == missing[path].id:
                store_file(tree, writer, path, steady)
                del missing[path]
    if missing:
        raise NotFound(f"the staged content of {min(missing)} is no longer stored; add it again")
