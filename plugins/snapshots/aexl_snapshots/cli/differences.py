"""Two sides of a comparison, and how their texts are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from aexl.api import FileChange, ObjectId
from aexl.errors import NotFound
from aexl_snapshots.cli.colours import Colour, paint
from aexl_snapshots.cli.surroundings import say
from aexl_snapshots.cli.views import show_size
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.progress import Meter
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.lines import unified
from aexl_snapshots.worktree.scan import scan_tree
from aexl_snapshots.worktree.staging import make_entry
from aexl_snapshots.worktree.steady import read_steady
from aexl_snapshots.worktree.textmerge import is_text, split_lines
from aexl_snapshots.worktree.tree import WorkTree, select

LARGEST_TEXT: Final = 2 * 1024 * 1024
"""Bytes; a larger file is compared by size only."""

_COLOURS: Final[Mapping[bytes, Colour]] = {b"+": "green", b"-": "red", b"@": "cyan"}

ReadText = Callable[[Entry], bytes]


class Sides(NamedTuple):
    """Two trees, and how the contents of each are read."""

    old: Mapping[str, Entry]
    new: Mapping[str, Entry]
    read_old: ReadText
    read_new: ReadText

    @classmethod
    def of_snapshots(cls, tree: WorkTree, old: ObjectId | None, new: ObjectId) -> Sides:
        """Return two snapshots' sides."""
        return cls(tree.tree_of(old), tree.tree_of(new), _stored(tree), _stored(tree))

    def within(self, places: list[str]) -> Sides:
        """Return the sides of some places only.

        Raises:
            NotFound: If a place is on neither side.
        """
        for place in places:
            if place and not select({**self.old, **self.new}, [place]):
                raise NotFound(f"{place} names no file that is compared here")
        return self._replace(old=select(self.old, places), new=select(self.new, places))


def compare(tree: WorkTree, revisions: Sequence[ObjectId], *, staged: bool, meter: Meter) -> Sides:
    """Return what ``diff`` compares: two snapshots, one with the files, or what is staged with the files."""
    stored = _stored(tree)
    if len(revisions) == 2:
        return Sides.of_snapshots(tree, revisions[0], revisions[1])
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
        for line in _lines(sides, change):
            say(line)


def _lines(sides: Sides, change: FileChange) -> Iterator[str]:
    before, after = sides.old.get(change.old_path or change.path), sides.new.get(change.path)
    old, new = f"a/{change.old_path or change.path}", f"b/{change.path}"
    yield paint(f"diff --git {old} {new}", "bold")
    yield from _modes(before, after)
    if change.kind == "renamed":
        yield from ("similarity index 100%", f"rename from {change.old_path}", f"rename to {change.path}")
    if before is None or after is None or before.id != after.id:
        yield from _contents(sides, before, after, (old, new))


def _modes(before: Entry | None, after: Entry | None) -> Iterator[str]:
    modes = {"file": "100644", "exec": "100755"}
    if before is None and after is not None:
        yield f"new file mode {modes[after.mode]}"
    elif after is None and before is not None:
        yield f"deleted file mode {modes[before.mode]}"
    elif before is not None and after is not None and before.mode != after.mode:
        yield f"old mode {modes[before.mode]}"
        yield f"new mode {modes[after.mode]}"


def _contents(sides: Sides, before: Entry | None, after: Entry | None, names: tuple[str, str]) -> Iterator[str]:
    texts = _read(before, sides.read_old), _read(after, sides.read_new)
    if texts[0] is None or texts[1] is None:
        sizes = [show_size(entry.size) if entry else "nothing" for entry in (before, after)]
        yield f"Binary files differ: {sizes[0]} -> {sizes[1]}"
        return
    hunks = list(unified(split_lines(texts[0]), split_lines(texts[1])))
    if hunks:
        yield paint(f"--- {names[0] if before else '/dev/null'}", "bold")
        yield paint(f"+++ {names[1] if after else '/dev/null'}", "bold")
    for line in hunks:
        text = line.decode("utf-8", "replace").rstrip("\n")
        colour = _COLOURS.get(line[:1])
        yield paint(text, colour) if colour else text


def _read(entry: Entry | None, read: ReadText) -> bytes | None:
    """Return a text, of no file an empty one; ``None`` if it is none, or too large."""
    if entry is None:
        return b""
    if entry.size > LARGEST_TEXT:
        return None
    data = read(entry)
    return data if is_text(data) else None
