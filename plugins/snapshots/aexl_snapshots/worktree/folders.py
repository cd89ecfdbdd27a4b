"""A tree of files, reached only through descriptors of its own folders.

Every step into a folder is an ``openat`` that follows no link, so that whatever
stands in the tree, nothing outside it is read, written or removed.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aexl.errors import Conflict, NotFound, Unavailable

CONTROL: Final = ".aexl"
"""The folder at a tree's root that holds the repository, and unfinished files; never part of a snapshot."""

OUTSIDE: Final = frozenset({CONTROL, ".git"})
"""Never part of a tree, at any depth, whatever an ignore file says."""

_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotAFolder(Conflict):
    """Something that is no folder stands where one is needed; a link to a folder is none."""


def explain(error: OSError, path: str) -> Unavailable:
    """Return an operating system's error as a sentence about a path of the tree."""
    return Unavailable(f"{path or '.'}: {error.strerror}")


class Folders:
    """The folders of one tree; the one used last, and those above it, stay open.

    Args:
        root: The tree; a link to it is followed, links in it are not.

    Raises:
        NotFound: If there is no such folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"there is no folder {root}") from error
        except OSError as error:
            raise explain(error, str(root)) from error
        self._open: list[tuple[str, int]] = []
        self._last: tuple[str, int] | None = None
        self._unfinished: int | None = None
        self._made_control = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(0)
        self._clean()
        os.close(self._root)

    def _close(self, depth: int) -> None:
        self._last = None
        while len(self._open) > depth:
            os.close(self._open.pop()[1])

    def at(self, folder: str, *, make: bool = False) -> int:
        """Return a descriptor of a folder; it is valid until the next call.

        Args:
            folder: Its path from the root, empty for the root itself.
            make: Make it, and those above it, where it is missing.

        Raises:
            NotAFolder: If something else stands in its way; names it.
            FileNotFoundError: If it is missing.
        """
        if self._last is not None and self._last[0] == folder:  # as for most files of a folder
            return self._last[1]
        names = folder.split("/") if folder else []
        depth = 0
        while depth < min(len(names), len(self._open)) and self._open[depth][0] == names[depth]:
            depth += 1
        self._close(depth)
        for index in range(depth, len(names)):
            above = self._open[-1][1] if self._open else self._root
            self._open.append((names[index], self._enter(above, names, index, make=make)))
        descriptor = self._open[-1][1] if self._open else self._root
        self._last = folder, descriptor
        return descriptor

    def _enter(self, above: int, names: list[str], index: int, *, make: bool) -> int:
        try:
            return os.open(names[index], _FOLDER_FLAGS, dir_fd=above)
        except FileNotFoundError:
            if not make:
                raise
            with suppress(FileExistsError):
                os.mkdir(names[index], 0o777, dir_fd=above)
            return self._enter(above, names, index, make=False)
        except OSError as error:
            path = "/".join(names[: index + 1])
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise NotAFolder(f"{path} is not a folder (a link to one is none); move it away") from error
            raise explain(error, path) from error

    def forget(self) -> None:
        """Close what is open below the root, because folders may have been removed or replaced."""
        self._close(0)

    def look(self, path: str) -> os.stat_result | None:
        """Return what stands at a path, a link as itself; ``None`` if nothing does.

        Raises:
            Unavailable: If it cannot be looked at.
        """
        folder, _, name = path.rpartition("/")
        try:
            return os.stat(name, dir_fd=self.at(folder), follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError, NotAFolder):
            return None
        except OSError as error:
            raise explain(error, path) from error

    def open_file(self, path: str) -> int:
        """Open a file for reading; never waits for a pipe's other end, and follows no link.

        Raises:
            FileNotFoundError: If nothing is there.
            NotAFolder: If the way to it is not all folders.
        """
        folder, _, name = path.rpartition("/")
        return os.open(name, FILE_FLAGS, dir_fd=self.at(folder))

    def _staging(self) -> int:
        """Return a folder for unfinished files on the tree's own file system."""
        if self._unfinished is None:
            with suppress(FileExistsError):
                os.mkdir(CONTROL, 0o777, dir_fd=self._root)
                self._made_control = True
            try:
                self._unfinished = os.open(CONTROL, _FOLDER_FLAGS, dir_fd=self._root)
            except OSError as error:
                raise explain(error, CONTROL) from error
        return self._unfinished

    def _clean(self) -> None:
        if self._unfinished is not None:
            os.close(self._unfinished)
            self._unfinished = None
        if self._made_control:
            with suppress(OSError):  # somebody else has put something into it
                os.rmdir(CONTROL, dir_fd=self._root)

    def prepare(self) -> None:
        """Make the folder for unfinished files now; it is removed when this is closed, if it was not there."""
        self._staging()

    def start_file(self) -> tuple[str, int]:
        """Return the name and a descriptor of a new, unfinished file; ``finish_file`` or ``drop_file`` ends it."""
        name = f"unfinished-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return name, os.open(name, flags, 0o666, dir_fd=self._staging())

    def finish_file(self, name: str, path: str) -> None:
        """Move an unfinished file to its place in one step, over a file that stands there.

        Raises:
            NotAFolder: If the way to the place is not all folders.
            IsADirectoryError: If a folder stands there.
        """
        folder, _, last = path.rpartition("/")
        os.rename(name, last, src_dir_fd=self._staging(), dst_dir_fd=self.at(folder, make=True))

    def drop_file(self, name: str) -> None:
        """Remove an unfinished file."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._staging())

    def remove(self, path: str) -> None:
        """Remove a file or a link, and then the folders above it that have become empty."""
        folder, _, name = path.rpartition("/")
        try:
            os.unlink(name, dir_fd=self.at(folder))
        except (FileNotFoundError, NotAFolder):
            return
        while folder:
            folder, _, name = folder.rpartition("/")
            try:
                os.rmdir(name, dir_fd=self.at(folder))
            except OSError:  # it is not empty
                return

    def remove_empty(self, folder: str) -> bool:
        """Remove a folder that holds nothing but empty folders; say whether it is gone."""
        for entry in self.children(folder):
            if not entry[1] or not self.remove_empty(f"{folder}/{entry[0]}"):
                return False
        above, _, name = folder.rpartition("/")
        try:
            os.rmdir(name, dir_fd=self.at(above))
        except OSError:
            return False
        return True

    def look_below(self, path: str) -> dict[str, os.stat_result]:
        """Return the regular files at a path or below it, control folders left out."""
        found = self.look(path)
        if found is None or not stat.S_ISDIR(found.st_mode):
            return {path: found} if found is not None and stat.S_ISREG(found.st_mode) else {}
        below: dict[str, os.stat_result] = {}
        for name, _ in self.children(path):
            if name not in OUTSIDE:
                below |= self.look_below(f"{path}/{name}" if path else name)
        return below

    def children(self, folder: str) -> list[tuple[str, bool]]:
        """Return the names in a folder, each with whether it is a folder itself."""
        descriptor = self.at(folder)
        return [
            (name, stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode))
            for name in os.listdir(descriptor)  # noqa: PTH208 - a descriptor is no path
        ]
