"""A folder as a store: ``file:///srv/snapshots``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from aexl.errors import Invalid
from aexl_snapshots.disk.directory import Directory
from aexl_snapshots.loops import has_loop, in_thread

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
    return Path(unquote(parts.path))


async def open_folder(url: str) -> FolderStore:
    """Open the folder of a ``file:`` URL; it is made on the first push."""
    return FolderStore(Directory(folder_of(url)))
