"""Whether the files of an installed plugin are those of the lock.

``check_quickly`` is for every start: a file whose size, times, inode and
change time are as they were when its content was last hashed is taken to be the
same, as git does; any write gives it another change time, which programs cannot
set. All other files are hashed. ``check_fully`` hashes everything.

Not in the lock, and no fault: byte code that this interpreter never reads
(``__pycache__`` of another version or optimisation level).
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from aexl.core.plugins.lock import LockedFile, LockedPlugin

SEEN_NAME: Final = ".seen.json"

SETTLED_NS: Final = 2_000_000_000
"""A file that was changed less than this long ago may change again without another time: coarse clocks count 2 s."""

SHOWN: Final = 3
"""How many files a reason names."""


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """What the file system says of a file without opening it. Bytes, nanoseconds."""

    size: int
    modified: int
    changed: int
    inode: int


Seen = dict[str, dict[str, Stamp]]
"""By folder relative to ``plugins/`` and path: the stamps of files whose content was hashed and found right."""


def check_quickly(root: Path, plugin: LockedPlugin) -> str | None:
    """Return what is wrong with the files of a plugin, or ``None``; remembers what it had to hash."""
    seen = _read_seen(root)
    known = seen.get(plugin.folder, {})
    stamps: dict[str, Stamp] = {}
    problem = _compare(root / plugin.folder, plugin.files, known, stamps)
    if problem is None and stamps != known:
        _remember(root, seen, plugin.folder, stamps)
    return problem


def check_fully(root: Path, plugin: LockedPlugin) -> str | None:
    """Return what is wrong with the files of a plugin, or ``None``; reads every byte."""
    return _compare(root / plugin.folder, plugin.files, {}, {})


def _compare(
    folder: Path, files: Mapping[str, LockedFile], known: Mapping[str, Stamp], stamps: dict[str, Stamp]
) -> str | None:
    now = time.time_ns()
    changed: list[str] = []
    added: list[str] = []
    found: set[str] = set()
    try:
        for path, entry in walk(folder):
            locked = files.get(path)
            if locked is None or not entry.is_file(follow_symlinks=False):
                if not _is_foreign_byte_code(path):
                    added.append(path)
                continue
            found.add(path)
            status = entry.stat(follow_symlinks=False)
            stamp = Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            if known.get(path) != stamp and (
                status.st_size != locked.size or hash_file(folder / path) != locked.sha256
            ):
                changed.append(path)
            elif now - status.st_ctime_ns > SETTLED_NS:
                stamps[path] = stamp
    except OSError as error:
        return f"its files cannot be read: {error}"
    missing = sorted(files.keys() - found)
    parts = [
        _name(paths, what) for paths, what in ((changed, "changed"), (missing, "missing"), (added, "added")) if paths
    ]
    return f"its files are not those that were installed: {', '.join(parts)}; install it again" if parts else None


def _name(paths: list[str], what: str) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return f"{', '.join(sorted(paths)[:SHOWN])}{more} {what}"


def _is_foreign_byte_code(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    if not (folder == "__pycache__" or folder.endswith("/__pycache__")) or not name.endswith(".pyc"):
        return False
    _, _, tag = name.removesuffix(".pyc").partition(f".{sys.implementation.cache_tag}")
    own_level = f".opt-{sys.flags.optimize}" if sys.flags.optimize else ""
    return f".{sys.implementation.cache_tag}" not in name or tag != own_level


def walk(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield everything below a folder that is no folder itself, with its path relative to it."""
    pending = [("", str(folder))]
    while pending:
        prefix, place = pending.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{prefix}{entry.name}/", entry.path))
                else:
                    yield prefix + entry.name, entry


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lock_files(folder: Path) -> dict[str, LockedFile]:
    """Return every file below a folder, with its size and hash."""
    return {path: LockedFile(entry.stat().st_size, hash_file(folder / path)) for path, entry in walk(folder)}


def _read_seen(root: Path) -> Seen:
    try:
        return msgspec.json.decode((root / SEEN_NAME).read_bytes(), type=Seen)
    except (OSError, msgspec.MsgspecError):
        return {}  # a cache: without it, everything is hashed


def _remember(root: Path, seen: Seen, folder: str, stamps: dict[str, Stamp]) -> None:
    name = folder.partition("/")[0]
    kept = {other: known for other, known in seen.items() if other.partition("/")[0] != name}
    temporary = root / f"{SEEN_NAME}.{os.getpid()}"
    try:
        temporary.write_bytes(msgspec.json.encode({**kept, folder: stamps}))
        temporary.replace(root / SEEN_NAME)
    except OSError:
        temporary.unlink(missing_ok=True)  # a home that cannot be written costs a hash of everything at each start
