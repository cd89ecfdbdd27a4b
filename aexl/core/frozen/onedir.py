"""A home for servers: the onefile, unpacked for good under ``$AEXL_HOME/runtime``.

A onefile unpacks itself into a temporary folder, and removes that when it ends. A
server in the background outlives the command that started it, and what cleans
temporary folders may take its files away. So it runs from a folder of its own,
which is what ``aexl-onedir.tar.gz`` has in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aexl import __version__
from aexl.api.programs import is_frozen
from aexl.core.frozen.archive import EXTRACTED, Archive, Entry
from aexl.core.frozen.deferred import PREFIX, TABLE
from aexl.errors import Unavailable

BOOTLOADER: Final = "aexl-bootloader"
"""The program without an archive, among the files that are not unpacked at once."""

_LOCK: Final = "in-use"
_UNFINISHED: Final = ".unfinished-"


def is_onefile() -> bool:
    """Return whether this process runs from a folder that is removed when it ends."""
    return is_frozen() and _unpacked_in().parent != Path(sys.executable).resolve().parent


def _unpacked_in() -> Path:
    return Path(sys._MEIPASS).resolve()  # type: ignore[attr-defined]  # PyInstaller's  # noqa: SLF001


@contextmanager
def service_program(home: Path) -> Iterator[tuple[Path, int]]:
    """Give a program that depends on nothing temporary, and a descriptor that it must inherit.

    While a process has the descriptor open, the program's folder is in use. Those of
    other versions that are not are removed. To be called by one process at a time.

    Raises:
        Unavailable: If the program cannot be unpacked, or cannot be run from the home.
    """
    runtime = home / "runtime"
    folder = runtime / f"{__version__}-{_digest(Path(sys.executable))[:16]}"
    try:
        runtime.mkdir(mode=0o700, exist_ok=True)
        if not folder.exists():
            _unpack(Archive(sys.executable), runtime, folder)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable(f"the server's program cannot be unpacked into {runtime}: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        _remove_others(runtime, folder)
        program = folder / "aexl"
        if not os.access(program, os.X_OK):
            raise Unavailable(
                f"{program} cannot be run: its file system is mounted noexec. Move AEXL_HOME to one that allows "
                "programs, or use aexl-onedir.tar.gz"
            )
        yield program, lock
    finally:
        os.close(lock)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Archive, runtime: Path, folder: Path) -> None:
    unfinished = runtime / f"{_UNFINISHED}{os.getpid()}"
    shutil.rmtree(unfinished, ignore_errors=True)
    inside = unfinished / "_internal"
    inside.mkdir(parents=True, mode=0o700)
    try:
        _write_files(archive, inside)
        with (unfinished / "aexl").open("wb") as program:
            program.write((inside / BOOTLOADER).read_bytes())
            archive.write_part(program, (entry for entry in archive.entries if entry.kind not in EXTRACTED))
        (unfinished / "aexl").chmod(0o700)
        (inside / BOOTLOADER).unlink()
        for path in unfinished.rglob("*"):
            _flush(path)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _flush(runtime)


def _write_files(archive: Archive, folder: Path) -> None:
    for entry in archive.entries:
        if entry.kind not in EXTRACTED or entry.name == TABLE:
            continue
        prefix = _prefix(entry)
        if entry.kind == b"n":
            link = folder / entry.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(archive.read(entry).rstrip(b"\0").decode())
        else:
            archive.extract([entry], str(folder), prefix=prefix)


def _prefix(entry: Entry) -> str:
    return "/".join(entry.name.split("/")[:2]) + "/" if entry.name.startswith(PREFIX) else ""


def _flush(path: Path) -> None:
    """Write what the system holds in memory: a folder that is there after a power cut is whole."""
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_others(runtime: Path, used: Path) -> None:
    for folder in runtime.iterdir():
        if folder != used and not _is_used(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_used(folder: Path) -> bool:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:
        return False  # not finished, and whoever began it has ended
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
