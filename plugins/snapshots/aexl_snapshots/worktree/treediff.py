"""What differs between two trees. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aexl.api import FileChange
from aexl_snapshots.objects.manifest import Entry

Tree = Mapping[str, Entry]
"""Entries by path."""


def compare_trees(old: Tree, new: Tree) -> list[FileChange]:
    """Return what differs, by path; a file that is gone while an equal one has appeared was renamed."""
    if old == new:
        return []
    changes = []
    for path in old.keys() | new.keys():
        before, after = old.get(path), new.get(path)
        if before != after and before is not None and after is not None:
            changes.append(_changed(before, after))
    removed = [entry for path, entry in old.items() if path not in new]
    added = [entry for path, entry in new.items() if path not in old]
    changes += _match_renames(removed, added)
    return sorted(changes, key=lambda change: change.path)


def _changed(before: Entry, after: Entry) -> FileChange:
    return FileChange(
        kind="mode" if before.id == after.id else "modified",
        path=after.path,
        old_size=before.size,
        new_size=after.size,
    )


def find_renames(old: Tree, new: Tree) -> dict[str, str]:
    """Return the new path of each file that has moved without changing."""
    removed = [entry for path, entry in old.items() if path not in new]
    added = [entry for path, entry in new.items() if path not in old]
    return dict(_pair(removed, added))


def _pair(removed: Iterable[Entry], added: Iterable[Entry]) -> list[tuple[str, str]]:
    """Pair equal contents, one to one; of several, one with the same name first. Empty files have no identity."""
    places: dict[str, list[str]] = {}
    for entry in sorted(added, key=lambda entry: entry.path):
        if entry.size:
            places.setdefault(entry.id, []).append(entry.path)
    pairs = []
    for entry in sorted(removed, key=lambda entry: entry.path):
        there = places.get(entry.id)
        if there:
            name = entry.path.rpartition("/")[2]
            found = next((path for path in there if path.rpartition("/")[2] == name), there[0])
            there.remove(found)
            pairs.append((entry.path, found))
    return pairs


def _match_renames(removed: list[Entry], added: list[Entry]) -> list[FileChange]:
    pairs = _pair(removed, added)
    gone, come = {old for old, _ in pairs}, {new for _, new in pairs}
    sizes = {entry.path: entry.size for entry in (*removed, *added)}
    return [
        *(
            FileChange(kind="renamed", path=new, old_path=old, old_size=sizes[old], new_size=sizes[new])
            for old, new in pairs
        ),
        *(FileChange(kind="removed", path=e.path, old_size=e.size) for e in removed if e.path not in gone),
        *(FileChange(kind="added", path=e.path, new_size=e.size) for e in added if e.path not in come),
    ]
