"""The folder in which a case runs: a copy, made of what the case says, and looked at when the run has ended. Blocks."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from aexl.errors import Invalid

MOST_FILES: Final = 50_000
MOST_BYTES: Final = 512 * 1024 * 1024
"""Of a folder that is copied."""
LARGEST_LOOK: Final = 4 * 1024 * 1024
"""Bytes of a file that checks look into."""
_LEFT: Final = frozenset({".git", ".aexl"})
"""Folders that no snapshot has, and no check sees."""


def prepare(work: Path, folder: Path | None, files: Mapping[str, str]) -> None:
    """Make the work folder: a copy of a folder, and files besides.

    Links are copied as links only where they stay within the folder; devices and the like are left out.

    Raises:
        Invalid: If there is too much to copy, or a file would be outside of the work folder.
    """
    work.mkdir(mode=0o700, parents=True)
    if folder is not None:
        _copy(folder, work)
    for name, text in files.items():
        write(work, name, text)


def write(work: Path, name: str, text: str) -> None:
    """Write a file below the work folder.

    Raises:
        Invalid: If it would be outside: a link leads there.
    """
    path = inside(work, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def inside(work: Path, name: str) -> Path:
    """Return the place of a file below the work folder.

    Raises:
        Invalid: If it is outside.
    """
    path = work / name
    if not path.parent.resolve().is_relative_to(work.resolve()) or path.is_symlink():
        raise Invalid(f"{name!r} leads out of the work folder")
    return path


def _copy(folder: Path, work: Path) -> None:
    size = 0
    for count, (path, entry) in enumerate(_walk(folder), 1):
        target = work / path.relative_to(folder)
        mode = entry.st_mode
        if stat.S_ISDIR(mode):
            target.mkdir(parents=True, exist_ok=True)
        elif stat.S_ISLNK(mode):
            if (path.parent / path.readlink()).resolve().is_relative_to(folder.resolve()):
                target.symlink_to(path.readlink())
        elif stat.S_ISREG(mode):
            size += entry.st_size
            if count > MOST_FILES or size > MOST_BYTES:
                raise Invalid(f"{folder} has more than {MOST_FILES} files or {MOST_BYTES} bytes: name a smaller folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o755 if mode & 0o100 else 0o644)


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield all that is in a folder but git's and our own, each folder before what is in it."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _LEFT)
        for name in [*folders, *sorted(names)]:
            path = Path(root, name)
            yield path, path.lstat()


def look(work: Path) -> dict[str, str]:
    """Return what is in the work folder: a hash for each file, by path."""
    found: dict[str, str] = {}
    for path, entry in _walk(work):
        name = path.relative_to(work).as_posix()
        if stat.S_ISREG(entry.st_mode):
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest() + ("x" if entry.st_mode & 0o100 else "")
        elif stat.S_ISLNK(entry.st_mode):
            found[name] = f"-> {path.readlink()}"
        if len(found) > MOST_FILES:
            raise Invalid(f"the run has left more than {MOST_FILES} files in its work folder")
    return found


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[str]:
    """Return the paths that differ."""
    return frozenset(path for path in {*before, *after} if before.get(path) != after.get(path))


def read_text(work: Path, name: str) -> str | None:
    """Return a file's text; ``None`` where it is none, or too long."""
    path = work / name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_LOOK:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
