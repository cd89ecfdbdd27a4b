"""Writing files into a folder that nobody else knows yet.

Whoever made the folder gives it its name when all files are there, and throws it
away otherwise, so a file needs no unfinished version beside it: it is created where
it stays. That is half of the system calls, and most of them are of the kind that a
file system must write down.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from aexl_snapshots.ahead import work_ahead
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.progress import Meter, unwatched
from aexl_snapshots.twofold import in_two
from aexl_snapshots.worktree.folders import Folders, explain
from aexl_snapshots.worktree.reading import SMALL
from aexl_snapshots.worktree.restore import Contents
from aexl_snapshots.worktree.steady import Signature, is_recent

_MANY: Final = 1000
"""Small files; a second process is worth its start from here on."""

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def unfinished_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside ``target`` that takes its name when the context is left, or goes with an error.

    Those that killed processes left for the same target are removed first.
    """
    _remove_leftovers(target)
    folder, held = _make_unfinished(target)
    try:
        yield folder
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        os.close(held)


def _make_unfinished(target: Path) -> tuple[Path, int]:
    """Make the folder, and hold a lock on it: one without is left over."""
    while True:
        folder = target.with_name(f".{target.name}.{secrets.token_hex(6)}.new")
        folder.mkdir(parents=True)
        with suppress(FileNotFoundError):  # somebody took it for left over before it was held
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(held, fcntl.LOCK_SH)
            if folder.is_dir():
                return folder, held
            os.close(held)


def _remove_leftovers(target: Path) -> None:
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}\.new")
    there = os.listdir(target.parent) if target.parent.is_dir() else ()  # noqa: PTH208 - most names are not wanted
    for found in filter(name.fullmatch, there):
        with suppress(OSError):  # it is held, or somebody else's: whoever comes next may have more luck
            held = os.open(target.with_name(found), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(target.with_name(found))
            finally:
                os.close(held)


def write_fresh(
    root: Path, tree: Mapping[str, Entry], contents: Contents, meter: Meter
) -> list[tuple[Entry, Signature | None]]:
    """Write the files of a tree into a folder that has none of them.

    Returns:
        What each looks like, where its last change is so long ago that this can be trusted.

    Raises:
        Unavailable: If a file cannot be written, or a stored one is damaged.
    """
    meter.begin("restoring", sum(entry.size for entry in tree.values()))
    entries = [tree[path] for path in sorted(tree)]
    small = [entry for entry in entries if entry.size <= SMALL]
    large = [entry for entry in entries if entry.size > SMALL]
    made = [*zip(small, _write_small(root, small, contents, meter), strict=True)]  # before there are threads
    made += zip(large, _write_large(root, large, contents, meter), strict=True)
    return [(entry, None if is_recent(signature) else signature) for entry, signature in made]


def _write_small(root: Path, entries: Sequence[Entry], contents: Contents, meter: Meter) -> list[Signature]:
    def write(meter: Meter, part: Sequence[Entry]) -> list[Signature]:
        made = []
        with Folders(root) as folders:
            for entry in part:
                made.append(_write(folders, entry, contents))
                meter.add(entry.size)
        return made

    if len(entries) < _MANY:
        return write(meter, entries)
    first, *others = in_two(entries, partial(write, meter), partial(write, unwatched()), list[Signature])
    meter.add(sum(entry.size for entry in entries[len(first) :]))
    return [*first, *(signature for other in others for signature in other)]


def _write_large(root: Path, entries: Sequence[Entry], contents: Contents, meter: Meter) -> Iterator[Signature]:
    def write(entry: Entry) -> Signature:
        with Folders(root) as own:
            return _write(own, entry, contents)

    with closing(work_ahead(write, entries)) as ahead:
        for entry, signature in zip(entries, ahead, strict=True):
            yield signature
            meter.add(entry.size)


def _write(folders: Folders, entry: Entry, contents: Contents) -> Signature:
    folder, _, name = entry.path.rpartition("/")
    try:
        mode = 0o777 if entry.mode == "exec" else 0o666  # the umask takes away what it wants
        descriptor = os.open(name, _FLAGS, mode, dir_fd=folders.at(folder, make=True))
        try:
            for piece in contents(entry):
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            return Signature.of(os.fstat(descriptor))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise explain(error, entry.path) from error
