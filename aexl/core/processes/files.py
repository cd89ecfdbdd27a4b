"""Files that exist only while a program runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from aexl.errors import Conflict, Unavailable


class WrittenFiles:
    """Writes files, and removes exactly what it made. Blocks: to be used in a thread.

    Args:
        files: Texts by path.
        folders: To be made too, and kept.
    """

    def __init__(self, files: Mapping[Path, str], folders: Sequence[Path] = ()) -> None:
        self._files = files
        self._kept = folders
        self._made: list[Path] = []
        self._folders: list[Path] = []

    def write(self) -> None:
        """Make the folders, and write all files with mode 0600, missing folders with 0700.

        Raises:
            Conflict: If one exists; nothing is overwritten.
            Unavailable: If one cannot be written.
        """
        try:
            for folder in self._kept:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path, text in self._files.items():
                self._make_folder(path.parent)
                self._write_one(path, text.encode())
        except FileExistsError as error:
            self.remove()
            raise Conflict(f"{error.filename} exists already; it would be overwritten for this run") from error
        except OSError as error:
            self.remove()
            raise Unavailable(f"{error.filename} cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Remove the files, and the folders that were made for them and are empty."""
        while self._made:
            self._made.pop().unlink(missing_ok=True)
        while self._folders:
            try:
                self._folders.pop().rmdir()
            except OSError:
                continue  # the program left something in it, which is not ours to remove

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            path.mkdir(mode=0o700)
            self._folders.append(path)

    def _write_one(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._made.append(path)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
