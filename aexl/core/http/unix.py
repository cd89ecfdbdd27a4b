"""Unix stream sockets: private from their first moment, at paths of any length, never two servers on one."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from pathlib import Path
from typing import Final

import trio

from aexl.errors import Conflict, Unavailable

_LONGEST_ADDRESS: Final = 107  # sockaddr_un.sun_path has 108 bytes on Linux, with the terminating zero
_LOCK_SECONDS: Final = 5.0
_BACKLOG: Final = 128


class UnixListener(trio.abc.Listener[trio.SocketStream]):
    """Accepts connections on a socket file, and removes the file when it is closed."""

    def __init__(self, listening: trio.SocketListener, path: Path) -> None:
        self._listening = listening
        self._path = path
        self._file = _identity(path)

    @property
    def path(self) -> Path:
        """Where the socket file is."""
        return self._path

    async def accept(self) -> trio.SocketStream:
        """Wait for the next connection."""
        return await self._listening.accept()

    async def aclose(self) -> None:
        """Stop listening and remove the file, unless another one has taken its place."""
        if self._listening.socket.fileno() >= 0 and _identity(self._path) == self._file:
            self._path.unlink(missing_ok=True)
        await self._listening.aclose()


async def open_unix_listener(path: str | os.PathLike[str], mode: int = 0o600) -> UnixListener:
    """Listen on a socket file, which only ``mode`` lets others connect to.

    A file that a dead server left is removed.

    Raises:
        Unavailable: If somebody listens there, or is about to for more than a few seconds.
        Conflict: If there is something that is not a socket.
        OSError: If the folder does not exist or may not be written.
    """
    path = Path(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        await _lock(folder, path)
        await _remove_stale(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(_address(path, folder))
            # Nobody can connect between the two lines: that takes a listening socket.
            path.chmod(mode)
            listening.listen(_BACKLOG)
            return UnixListener(trio.SocketListener(trio.socket.from_stdlib_socket(listening)), path)
        except BaseException:
            listening.close()
            raise
    finally:
        os.close(folder)


async def open_unix_stream(path: str | os.PathLike[str]) -> trio.SocketStream:
    """Connect to a socket file, at a path of any length.

    Raises:
        OSError: If there is no such file, nobody listens, or it may not be opened.
    """
    path = Path(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connecting = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            await connecting.connect(_address(path, folder))
        except BaseException:
            connecting.close()
            raise
    finally:
        os.close(folder)
    return trio.SocketStream(connecting)


def _address(path: Path, folder: int) -> str:
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        return str(path)
    # The kernel follows the link to the open folder, so only the name has to fit.
    return f"/proc/self/fd/{folder}/{path.name}"


async def _lock(folder: int, path: Path) -> None:
    """Keep two servers that start at once from removing each other's file; closing the folder gives it back."""
    with trio.move_on_after(_LOCK_SECONDS):
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                await trio.sleep(0.01)
    raise Unavailable(f"the folder of {path} is locked by another program")


async def _remove_stale(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise Conflict(f"{path} exists and is not a socket; move it away, or choose another path")
    try:
        probe = await open_unix_stream(path)
    except OSError as error:
        if error.errno != errno.ECONNREFUSED:
            raise
        path.unlink()
        return
    await trio.aclose_forcefully(probe)
    raise Unavailable(f"another server listens on {path}")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
