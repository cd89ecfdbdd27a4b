"""Two sides of a comparison, and how their texts are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from aexl.api import FileChange, ObjectId
from aexl.errors import NotFound
from aexl_snapshots.cli.colours import Colour, paint
from aexl_snapshots.cli.surroundings import say
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.objects.names import printable
from aexl_snapshots.progress import Meter
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.patch import LARGEST_TEXT, LineKind, ReadText, Sides, file_patch
from aexl_snapshots.worktree.scan import scan_tree
from aexl_snapshots.worktree.staging import make_entry
from aexl_snapshots.worktree.steady import read_steady
from aexl_snapshots.worktree.tree import WorkTree, select

_COLOURS: Final[Mapping[LineKind, Colour]] = {"title": "bold", "place": "cyan", "added": "green", "removed": "red"}


def sides_of(tree: WorkTree, old: ObjectId | None, new: ObjectId) -> Sides:
    """Return two snapshots' sides."""
    return Sides(tree.tree_of(old), tree.tree_of(new), _stored(tree), _stored(tree))


def sides_within(sides: Sides, places: list[str]) -> Sides:
    """Return the sides of some places only.

    Raises:
        NotFound: If a place is on neither side.
    """
    for place in places:
        if place and not select({**sides.old, **sides.new}, [place]):
            raise NotFound(f"{printable(place)} names no file that is compared here")
    return sides._replace(old=select(sides.old, places), new=select(sides.new, places))


def compare(tree: WorkTree, revisions: Sequence[ObjectId], *, staged: bool, meter: Meter) -> Sides:
    """Return what ``diff`` compares: two snapshots, one with the files, or what is staged with the files."""
    stored = _stored(tree)
    if len(revisions) == 2:
        return sides_of(tree, revisions[0], revisions[1])
    if staged:
        head = revisions[0] if revisions else tree.head
        return Sides(tree.tree_of(head), dict(tree.index.entries), stored, stored)
    old = tree.tree_of(revisions[0]) if revisions else dict(tree.index.entries)
    with Folders(tree.root) as folders:
        files = scan_tree(folders, {*tree.index.entries, *old}).files
    known = {path: seen for path, seen in files.items() if path in old or path in tree.index.entries}
    ids = tree.reader(meter).identify(known)
    tree.keep_what_was_learned()
    now = {path: make_entry(path, ids[path], seen) for path, seen in known.items() if path in ids}
    return Sides(old, now, stored, _in_files(tree.root))


def _stored(tree: WorkTree) -> ReadText:
    return lambda entry: tree.repository.read(entry.id, LARGEST_TEXT)


def _in_files(root: Path) -> ReadText:
    def read(entry: Entry) -> bytes:
        with Folders(root) as folders:
            return read_steady(folders, entry.path).data or b""

    return read


def say_texts(sides: Sides, changes: Sequence[FileChange]) -> None:
    """Print a unified diff that git and patch can apply; of files that are no text, their sizes."""
    for change in changes:
        for line in file_patch(sides, change):
            colour = _COLOURS.get(line.kind)
            say(paint(line.text, colour) if colour else line.text)
