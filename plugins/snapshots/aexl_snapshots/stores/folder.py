"""A folder as a store: ``file:///srv/snapshots``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from aexl.errors import Invalid, Unavailable
from aexl_snapshots.disk.directory import Directory, disk_errors
from aexl_snapshots.layout import FORMAT_NAME, OWN_NAMES
from aexl_snapshots.loops import has_loop, in_thread
from aexl_snapshots.repository import PLACE
from aexl_snapshots.stores.probe import probe

if TYPE_CHECKING:
    import trio

T = TypeVar("T")

_THREADS = 8


class FolderStore:
    """A ``BlobStore`` in a folder; its work is done in threads.

    A cancelled call returns when what was begun is done: a write then is there whole, or not at all.
    """

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._limit: trio.CapacityLimiter | None = None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._limit is None and has_loop():
            import trio

            self._limit = trio.CapacityLimiter(_THREADS)
        return await in_thread(work, limiter=self._limit)

    async def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        return await self._run(partial(self.directory.get, name, start, length))

    async def get_versioned(self, name: str) -> tuple[bytes, str]:
        return await self._run(partial(self.directory.versioned, name))

    async def put_if_absent(self, name: str, data: bytes) -> bool:
        return await self._run(partial(self.directory.put_if_absent, name, data))

    async def put_if_match(self, name: str, data: bytes, *, version: str | None) -> str:
        return await self._run(partial(self.directory.put_if_match, name, data, version))

    async def list(self, prefix: str) -> Sequence[str]:
        return await self._run(partial(self.directory.list, prefix))

    async def delete(self, name: str) -> None:
        await self._run(partial(self.directory.delete, name))


def folder_of(url: str) -> Path:
    """Return the folder that a ``file:`` URL names.

    Raises:
        Invalid: If it names none on this machine.
    """
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise Invalid(f"{url!r} names no folder of this machine; write file:///absolute/path")
    if parts.query or parts.fragment:
        raise Invalid(f"{url!r}: write ? and # in a path as %3F and %23")
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))


async def open_folder(url: str) -> FolderStore:
    """Open the folder of a ``file:`` URL; it is made on the first push.

    Raises:
        Invalid: If something else stands there.
        Unavailable: If it cannot be read.
    """
    folder = folder_of(url)
    await in_thread(_check_place, folder)
    return FolderStore(Directory(folder))


def _check_place(folder: Path) -> None:
    with disk_errors(folder):
        try:
            found = set(os.listdir(folder))  # noqa: PTH208 - the names are all that is wanted
        except FileNotFoundError:
            return
        except NotADirectoryError as error:
            raise Invalid(f"{folder} is no folder: a file stands there") from error
    if FORMAT_NAME not in found and not found <= OWN_NAMES:
        raise Invalid(f"{folder} holds other files, and no snapshots; name a folder that is new or empty")


async def probe_folder(store: FolderStore) -> None:
    """Find out whether a folder holds the conditions of a store's writes; nothing of it stays.

    What is tried is the nearest folder that is there: the store is made on the first push.

    Raises:
        Unavailable: If it does not hold them, or cannot be written.
    """
    import tempfile

    folder = store.directory.root
    with disk_errors(folder):
        nearest = next(each for each in (folder, *folder.parents) if each.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".aexl-probe-", dir=nearest) as name:
            await probe(FolderStore(Directory(Path(name))), str(folder))
    except OSError as error:
        raise Unavailable(f"{folder} cannot be written: {error.strerror}") from error


def refuse_project(url: str) -> None:
    """Refuse to change the snapshots of a project that somebody works in: who does knows its head and what is staged.

    Raises:
        Invalid: If the URL is that of such a folder.
    """
    if urlsplit(url).scheme == "file" and folder_of(url).parts[-len(PLACE.parts) :] == PLACE.parts:
        raise Invalid(
            f"{folder_of(url)} belongs to a project that somebody works in; only commands that run there may change it: "
            "pull from here, or push to a folder that both know as a remote"
        )
