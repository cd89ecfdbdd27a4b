"""What a run leaves in a worker that is kept, taken away before the next one: processes and files."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import suppress


class Leftovers:
    """To be made before the project is imported: what is there then is no leftover.

    All other processes that this one can see are taken to be a run's.

    Args:
        folder: Below it is everything that can be written in here.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._kept = {path: _mode(path) for path in (folder, *_all_below(folder))}

    def remove(self) -> None:
        """End the processes, and remove the files.

        Raises:
            OSError: If something cannot be removed: no other run may be done here then.
        """
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        _reap()
        self._clear(self._folder)

    def _clear(self, folder: str) -> None:
        _open(folder, self._kept[folder])
        for entry in _below(folder):
            if entry.path not in self._kept:
                _delete(entry)
            elif _is_own_folder(entry, folder):
                self._clear(entry.path)


def _delete(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        _open(entry.path, stat.S_IRWXU)
        for inner in _below(entry.path):
            _delete(inner)
        os.rmdir(entry.path)
    else:
        os.unlink(entry.path)


def _open(folder: str, mode: int) -> None:
    if _mode(folder) != mode:
        os.chmod(folder, mode)


def _mode(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _all_below(folder: str) -> Iterator[str]:
    for entry in _below(folder):
        yield entry.path
        if _is_own_folder(entry, folder):
            yield from _all_below(entry.path)


def _below(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _is_own_folder(entry: os.DirEntry[str], above: str) -> bool:
    """Return whether it is a folder of the same file system: what is shown of the machine's is read-only."""
    return entry.is_dir(follow_symlinks=False) and os.stat(entry.path).st_dev == os.stat(above).st_dev
