"""Putting files into the next snapshot: stored as they are now, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aexl.api import FileChange, ObjectId
from aexl.errors import Conflict, Invalid, NotFound
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.objects.names import explain_path, printable
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.worktree.credentials import READ_BYTES, suspect_content, suspect_name
from aexl_snapshots.worktree.folders import Folders, explain
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.reading import Reader
from aexl_snapshots.worktree.scan import Scan, Unkept, scan_ignored, scan_tree
from aexl_snapshots.worktree.steady import BLOCK, TRIES, Signature, Steady, read_steady
from aexl_snapshots.worktree.tree import WorkTree, within
from aexl_snapshots.worktree.treediff import compare_trees
from aexl_snapshots.writer import Writer

SHOWN = 10


class Suspect(NamedTuple):
    """A file that looks like a credential."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adding:
    """How to add.

    Attributes:
        known_only: Only what is in the index already (``commit -a``).
        force: Also what is ignored and named, and what looks like a credential.
        skip: Leave out what cannot be kept, instead of refusing.
        allow: Asked about files that look like credentials.
    """

    known_only: bool = False
    force: bool = False
    skip: bool = False
    allow: Callable[[Sequence[Suspect]], bool] = lambda _: False


@dataclass(slots=True)
class Added:
    """What was staged, and what was left out."""

    changes: list[FileChange] = field(default_factory=list)
    left_out: list[Unkept] = field(default_factory=list)


def stage_files(tree: WorkTree, places: list[str], how: Adding, meter: Meter | None = None) -> Added:
    """Make the index of some places what the files are; nothing is staged if anything is refused.

    Args:
        places: Paths from the root; the empty one for all.

    Raises:
        NotFound: If a place names nothing.
        Invalid: If it is ignored, cannot be kept, or looks like a credential.
        Unavailable: If the disk fails.
        Conflict: If a file changes all the time it is read.
    """
    with tree.repository.writing(), tree.changing() as index:  # until it is in the index, gc must not see it
        before = dict(index.entries)
        known = {*index.entries, *index.conflicts}
        with Folders(tree.root) as folders:
            scan = scan_tree(folders, known)
            for place in filter(None, places):
                _look_at_place(place, scan, folders, force=how.force)
                _refuse_unless_found(place, scan, known, folders)
        left_out = [unkept for unkept in scan.unkept if within(unkept.path, places) and not how.known_only]
        if left_out and not how.skip:
            raise Invalid(_explain_unkept(left_out))
        wanted = {
            path: signature
            for path, signature in scan.files.items()
            if within(path, places) and (path in known or not how.known_only)
        }
        _store_changed(tree, index, wanted, how, meter or unwatched())
        for path in [path for path in index.entries if within(path, places) and path not in scan.files]:
            index.drop(path)
        index.settle([path for path in index.conflicts if within(path, places)])
        if how.force:  # what was forced in stands beside files that the scan has not seen
            index.manifest()
        return Added(compare_trees(before, index.entries), left_out)


def _look_at_place(place: str, scan: Scan, folders: Folders, *, force: bool) -> None:
    """A place that was named counts although it is ignored, if forced, but by the same rules."""
    reason = explain_path(place)
    if reason is None and force:
        scan_ignored(scan, folders, place)
    elif reason is not None and all(unkept.path != place for unkept in scan.unkept):
        scan.unkept.append(Unkept(place, reason, special=False))


def _refuse_unless_found(place: str, scan: Scan, known: Collection[str], folders: Folders) -> None:
    seen = (*scan.files, *known, *(unkept.path for unkept in scan.unkept))
    if any(within(path, [place]) for path in seen):
        return
    if folders.look(place) is None:
        raise NotFound(f"{printable(place)} names no file here")
    if folders.look_below(place):
        raise Invalid(f"{printable(place)} is ignored; use --force to add it all the same")


def _explain_unkept(unkept: Sequence[Unkept]) -> str:
    lines = [f"  {each}" for each in unkept[:SHOWN]]
    if len(unkept) > SHOWN:
        lines.append(f"  and {len(unkept) - SHOWN} more")
    listed = "\n".join(lines)
    return (
        f"this cannot be kept, so nothing was added:\n{listed}\nname it in .aexlignore, or use --skip to leave it out"
    )


def _store_changed(tree: WorkTree, index: Index, wanted: Mapping[str, Signature], how: Adding, meter: Meter) -> None:
    unread = {path: signature for path, signature in wanted.items() if not index.holds(path, signature)}
    suspects: list[Suspect] = []
    meter.begin("adding", sum(signature.size for signature in unread.values()))
    reader = Reader(tree.root, index, unwatched())
    with tree.repository.writer(meter) as writer:
        staged = []
        with reader.reading(unread) as found:
            for path, steady in found:
                reason = None if how.force else _suspect(tree, path, steady, index.entries.get(path))
                if reason is None:
                    staged.append(store_file(tree, writer, path, steady))
                else:
                    suspects.append(Suspect(path, reason))
        if suspects and not how.allow(suspects):
            raise Invalid(_explain_suspects(suspects, known_only=how.known_only))
        allowed = {suspect.path: unread[suspect.path] for suspect in suspects}
        with reader.reading(allowed) as found:
            staged += [store_file(tree, writer, path, steady) for path, steady in found]
    for entry, signature in staged:
        index.stage(entry, signature)


def _suspect(tree: WorkTree, path: str, steady: Steady, before: Entry | None) -> str | None:
    if before is not None and before.id == steady.id:
        return None
    if before is None and (reason := suspect_name(path)):
        return reason
    if steady.data is None or suspect_content(steady.data) is None:
        return None
    return suspect_content(steady.data, _read_beginning(tree, before))


def _read_beginning(tree: WorkTree, entry: Entry | None) -> bytes:
    """Return as much of a stored file as is looked at for credentials; nothing, if it is not stored (any more)."""
    data = bytearray()
    if entry is not None and tree.repository.has(entry.id):
        for piece in tree.repository.stream(entry.id):
            data += piece
            if len(data) >= READ_BYTES:
                break
    return bytes(data)


def _explain_suspects(suspects: Sequence[Suspect], *, known_only: bool) -> str:
    lines = "\n".join(f"  {suspect}" for suspect in suspects[:SHOWN])
    more = f"\n  and {len(suspects) - SHOWN} more" if len(suspects) > SHOWN else ""
    advice = "name it in .aexlignore, or use --force to add it all the same"
    if known_only:
        advice = "take it out, or stage it with 'aexl snapshot add --force PATH' first"
    return f"this looks like credentials, so nothing was added:\n{lines}{more}\n{advice}"


def store_file(tree: WorkTree, writer: Writer, path: str, steady: Steady) -> tuple[Entry, Signature | None]:
    """Store what was read of a file; return its entry, and what it looks like where that can be trusted."""
    if steady.data is not None:
        writer.put(steady.data, steady.id)
    elif not tree.repository.has(steady.id):
        steady = _store_large(tree, writer, path, steady)
    return make_entry(path, steady.id, steady.signature), steady.signature if steady.settled else None


def make_entry(path: str, id: ObjectId, signature: Signature) -> Entry:
    """Return the entry of a file."""
    return Entry(path, "exec" if signature.executable else "file", signature.size, id)


def _store_large(tree: WorkTree, writer: Writer, path: str, steady: Steady) -> Steady:
    """Store a file that does not fit into memory, and make sure that what was stored is what was read."""
    with Folders(tree.root) as folders:
        for _ in range(TRIES):
            try:
                with open(folders.open_file(path), "rb", buffering=0) as file:  # noqa: PTH123 - it is a descriptor
                    stored = writer.put_stream(iter(lambda: file.read(BLOCK), b""))
            except OSError as error:
                raise explain(error, path) from error
            if stored == (steady.id, steady.signature.size):
                return steady
            steady = read_steady(folders, path)
    raise Conflict(f"{path} changes while it is read; try again when nothing writes to it")


def unstage_files(tree: WorkTree, places: list[str]) -> list[FileChange]:
    """Make the index of some places what the head is; the files stay as they are.

    Raises:
        NotFound: If a place names nothing that is staged or in the head.
    """
    with tree.repository.writing(), tree.changing() as index:
        head, before = tree.tree_of(tree.head), dict(index.entries)
        for place in places:
            if place and not any(within(path, [place]) for path in (*head, *before)):
                raise NotFound(f"{printable(place)} is neither staged nor in the last snapshot")
        for path in before:
            if within(path, places) and path not in head:
                index.drop(path)
        for path, entry in head.items():
            if within(path, places):
                index.stage(entry, None)
        return compare_trees(before, index.entries)
