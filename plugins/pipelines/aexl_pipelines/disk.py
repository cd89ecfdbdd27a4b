"""The files that a pipeline names, on this machine's disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from aexl.errors import Invalid, NotFound, Unavailable


class DiskFiles:
    """``Files`` over the real disk.

    Args:
        here: The folder that names are relative to, in messages.
        home: What ``~`` stands for.
        fetch: Gets what an address and a hash name; without it, there is no web.
        snapshot: Gets a folder with a snapshot's files; without it, there are no snapshots.
    """

    def __init__(
        self,
        here: Path,
        home: Path,
        fetch: Callable[[str, str], str] | None = None,
        snapshot: Callable[[str], Path] | None = None,
    ) -> None:
        self._here = here
        self._home = home
        self._fetch = fetch
        self._snapshot = snapshot

    @property
    def home(self) -> Path:
        """What ``~`` stands for."""
        return self._home

    def read(self, path: Path, limit: int) -> str:
        """Return a regular file's text; see ``Files``."""
        name = self.name_of(path)
        try:
            data = _read_regular(path, name, limit)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"there is no file {name}") from error
        except (OSError, ValueError) as error:  # a path with a null character in it is a ValueError
            raise Unavailable(f"the file {name} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if len(data) > limit:
            raise Invalid(f"the file {name} has more than {limit} bytes")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Invalid(f"the file {name} is not UTF-8 (byte {error.start})") from error

    def name_of(self, path: Path) -> str:
        """Return what people call a file."""
        full = os.path.normpath(path)
        return os.path.relpath(full, self._here) if Path(full).is_relative_to(self._here) else full

    def fetch(self, url: str, sha256: str) -> str:
        """Return the text behind an address."""
        if self._fetch is None:
            raise Unavailable(f"nothing is fetched from the web here: {url}")
        return self._fetch(url, sha256)

    def snapshot(self, id: str) -> Path:
        """Return a folder with a snapshot's files."""
        if self._snapshot is None:
            raise Unavailable(f"there are no snapshots here: {id}")
        return self._snapshot(id)


def _read_regular(path: Path, name: str, limit: int) -> bytes:
    """Return the bytes of a file, one more than the limit at most; waits for no pipe's writer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Invalid(f"{name} is not a file")
        data = bytearray()
        while len(data) <= limit and (piece := os.read(descriptor, limit + 1 - len(data))):
            data += piece
        return bytes(data)
    finally:
        os.close(descriptor)
