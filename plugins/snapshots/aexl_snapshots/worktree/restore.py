"""Making a tree's files those of a snapshot: planned whole, refused whole, or carried out file by file.

Nothing that no snapshot holds is lost unless the caller says so, and nothing outside
the tree is touched, whatever stands in it or in the snapshot. Each file is written
aside and moved into place, so that a restore that is killed leaves each file in its
old or its new state, and running it again goes on.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aexl.api import ObjectId
from aexl.errors import Conflict
from aexl_snapshots.ahead import work_ahead
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.worktree.folders import Folders, NotAFolder, explain
from aexl_snapshots.worktree.reading import SMALL, Reader
from aexl_snapshots.worktree.steady import Signature, kind_of
from aexl_snapshots.worktree.treediff import Tree

Contents = Callable[[Entry], Iterable[bytes]]
"""Returns a stored file in pieces, checked against its id; called from several threads."""

Kept = Callable[[frozenset[ObjectId]], frozenset[ObjectId]]
"""Returns which of these contents some snapshot holds."""

Done = Callable[[str, Entry | None, Signature | None], None]
"""Told of a path, the entry that is in its place now (``None``: it was removed), and what its file looks like
where that can be trusted."""

SHOWN: Final = 20
"""Paths that a refusal names."""

UNKNOWN: Final = ObjectId("")
"""The content of a file that is in no snapshot."""

_SET_BACK_NS: Final = 20_000_000


class Blocked(NamedTuple):
    """Something that would be lost."""

    path: str
    reason: str


@dataclass(slots=True)
class RestorePlan:
    """What a restore will do."""

    write: list[Entry] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    clear: list[str] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    same: int = 0

    def refuse_if_blocked(self, advice: str = "") -> None:
        """Refuse the whole plan where something would be lost.

        Args:
            advice: What a person can do.

        Raises:
            Conflict: Names what.
        """
        if self.blocked:
            lines = [f"  {path}: {reason}" for path, reason in self.blocked[:SHOWN]]
            if len(self.blocked) > SHOWN:
                lines.append(f"  and {len(self.blocked) - SHOWN} more")
            lines += [advice] if advice else []
            raise Conflict("nothing was changed, because this would be lost:\n" + "\n".join(lines))


def plan_restore(
    folders: Folders,
    saved: Tree,
    target: Tree,
    reader: Reader,
    *,
    force: bool = False,
    is_kept: Kept = lambda _: frozenset(),
) -> RestorePlan:
    """Compare the tree with what it should be.

    Args:
        saved: What the tree is known to have been; of these paths, those that ``target`` has not are removed.
        reader: Tells what files hold now.
        force: What is in no snapshot may go.
        is_kept: Asked about contents that are neither saved nor wanted, once.
    """
    plan = RestorePlan()
    way = _Way(folders)
    present = {path: found for path in sorted({*saved, *target}) if (found := way.look(path)) is not None}
    regular = {path: Signature.of(found) for path, found in present.items() if stat.S_ISREG(found.st_mode)}
    now = reader.identify(regular)
    doubtful = {path: each for path, each in now.items() if each not in (_id(saved, path), _id(target, path))}
    if doubtful and not force:
        kept = is_kept(frozenset(doubtful.values()))
        saved = {**saved, **{path: _as_saved(path, each) for path, each in doubtful.items() if each in kept}}
    for path, before in saved.items():
        if path not in target and path in regular:
            if now.get(path) == before.id or force:
                plan.remove.append(path)
            else:
                plan.blocked.append(Blocked(path, "has changes that are in no snapshot, and would be removed"))
    going = set(plan.remove)
    for path, entry in target.items():
        if path in regular:
            _plan_over_file(plan, entry, now.get(path), regular[path], saved.get(path), force=force)
        elif path in present:
            _plan_over_other(plan, folders, entry, present[path], going, force=force)
        else:
            plan.write.append(entry)
            _plan_way(plan, way, path, going, force=force)
    return plan


def _id(tree: Tree, path: str) -> ObjectId | None:
    entry = tree.get(path)
    return entry.id if entry is not None else None


def _as_saved(path: str, content: ObjectId) -> Entry:
    return Entry(path, "file", 0, content)


def _plan_over_file(
    plan: RestorePlan, entry: Entry, now: str | None, seen: Signature, before: Entry | None, *, force: bool
) -> None:
    if now == entry.id:
        if seen.executable == (entry.mode == "exec"):
            plan.same += 1
        else:
            plan.write.append(entry)
    elif force or (before is not None and now == before.id):
        plan.write.append(entry)
    else:
        plan.blocked.append(Blocked(entry.path, "has changes that are in no snapshot"))


def _plan_over_other(
    plan: RestorePlan, folders: Folders, entry: Entry, found: os.stat_result, going: set[str], *, force: bool
) -> None:
    """Something that is no file stands where one shall be."""
    if stat.S_ISDIR(found.st_mode):
        kept = [path for path in _files_below(folders, entry.path) if path not in going]
        if kept and not force:
            plan.blocked.append(Blocked(kept[0], f"stands in a folder where {entry.path} would be"))
            return
        plan.remove += [path for path in kept if path not in going]
        going.update(kept)
    elif not force:
        plan.blocked.append(Blocked(entry.path, f"is {kind_of(found.st_mode)} now"))
        return
    plan.clear.append(entry.path)
    plan.write.append(entry)


class _Way:
    """Looks at paths, and at each folder above them once; where a folder is missing, all that would be in it is."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._seen: dict[str, os.stat_result | None] = {}

    def folder(self, path: str) -> os.stat_result | None:
        """Return what stands where a folder shall be."""
        if path not in self._seen:
            self._seen[path] = self.look(path)
        return self._seen[path]

    def look(self, path: str) -> os.stat_result | None:
        """Return what stands at a path."""
        above = path.rpartition("/")[0]
        return None if above and self.folder(above) is None else self._folders.look(path)


def _plan_way(plan: RestorePlan, way: _Way, path: str, going: set[str], *, force: bool) -> None:
    """Something may stand where a folder above a new file shall be."""
    names = path.split("/")[:-1]
    for depth in range(1, len(names) + 1):
        above = "/".join(names[:depth])
        found = way.folder(above)
        if found is None:
            return
        if stat.S_ISDIR(found.st_mode) or above in going:
            continue
        if force:
            plan.remove.append(above)
            going.add(above)
        else:
            plan.blocked.append(
                Blocked(
                    above,
                    f"is {kind_of(found.st_mode) if not stat.S_ISREG(found.st_mode) else 'a file'}, where a folder for {path} would be",
                )
            )
        return


def _files_below(folders: Folders, folder: str) -> list[str]:
    """Return everything below a folder that is no folder."""
    found = []
    for name, inner in folders.children(folder):
        path = f"{folder}/{name}"
        found += _files_below(folders, path) if inner else [path]
    return found


def carry_out(
    folders: Folders,
    plan: RestorePlan,
    contents: Contents,
    *,
    done: Done,
) -> None:
    """Carry a plan out.

    Args:
        done: Called after each file, in the caller's thread.

    Raises:
        Conflict: If something has come into the way since the plan was made.
        Unavailable: If a file cannot be written, or a stored one is damaged.
    """
    for path in plan.remove:
        folders.remove(path)
        done(path, None, None)
    for path in plan.clear:
        folders.forget()
        found = folders.look(path)
        if found is not None and stat.S_ISDIR(found.st_mode):
            folders.remove_empty(path)
        elif found is not None:
            folders.remove(path)
    folders.forget()
    with closing(_write_all(folders, sorted(plan.write, key=lambda entry: entry.path), contents)) as written:
        for entry, signature in written:
            done(entry.path, entry, signature)


def _write_all(
    folders: Folders, entries: Sequence[Entry], contents: Contents
) -> Generator[tuple[Entry, Signature | None], None, None]:
    """Write files, large ones in threads with descriptors of their own; yield them in order."""

    def write_alone(entry: Entry) -> tuple[Entry, Signature | None]:
        with Folders(folders.root) as own:
            return entry, write_entry(own, entry, contents(entry))

    large = [entry for entry in entries if entry.size > SMALL]
    if large:
        folders.prepare()  # the threads share the folder of unfinished files, and this thread removes it
    with closing(work_ahead(write_alone, large)) as ahead:
        for entry in entries:
            if entry.size > SMALL:
                yield next(ahead)
            else:
                yield entry, write_entry(folders, entry, contents(entry))


def write_entry(folders: Folders, entry: Entry, pieces: Iterable[bytes]) -> Signature | None:
    """Put one file in its place, and return what it looks like; ``None`` if that cannot be told for sure."""
    try:
        name, descriptor = folders.start_file()
    except OSError as error:
        raise explain(error, entry.path) from error
    try:
        try:
            expected = _fill(descriptor, entry, pieces, folders.look(entry.path))
        finally:
            os.close(descriptor)
        folders.finish_file(name, entry.path)
    except BaseException as error:
        folders.drop_file(name)
        if isinstance(error, IsADirectoryError | NotADirectoryError | NotAFolder):
            raise Conflict(f"{entry.path}: something came into the way while files were being written") from error
        if isinstance(error, OSError):
            raise explain(error, entry.path) from error
        raise
    found = folders.look(entry.path)
    if found is None or (found.st_ino, found.st_size, found.st_mtime_ns) != expected:
        return None
    return Signature.of(found)


def _fill(
    descriptor: int, entry: Entry, pieces: Iterable[bytes], before: os.stat_result | None
) -> tuple[int, int, int]:
    """Write a new file; return its inode, size and time. Who may read and write it stays as it was ``before``.

    The time is set to a moment ago: whoever writes to the file later gives it another one, so that what we
    know of it cannot be mistaken for what it has become, however coarse the file system's clock is.
    """
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]
    if before is not None and stat.S_ISREG(before.st_mode):
        os.fchmod(descriptor, _executable(before.st_mode & 0o666, entry))
    elif entry.mode == "exec":
        os.fchmod(descriptor, _executable(os.fstat(descriptor).st_mode & 0o666, entry))
    moment = time.time_ns() - _SET_BACK_NS
    os.utime(descriptor, ns=(moment, moment))
    found = os.fstat(descriptor)
    return found.st_ino, found.st_size, moment


def _executable(mode: int, entry: Entry) -> int:
    """Let those who may read a file run it, if it is a program."""
    return mode | (mode & 0o444) >> 2 if entry.mode == "exec" else mode
