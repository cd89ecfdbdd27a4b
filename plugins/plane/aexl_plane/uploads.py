"""Contents that have been sent and not committed yet: ``$AEXL_HOME/uploads/<upload>``.

A file gets its name when all of it has come, has the announced length and hash, and
is durable. What a crash leaves without a name is removed at the next start.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from aexl.errors import Refused, Unavailable
from aexl_plane.records import Upload

FOLDER: Final = "uploads"
_UNFINISHED: Final = ".part"
_BLOCK: Final = 1024 * 1024
"""Bytes that are held before they are written."""


class UploadFolder:
    """The folder.

    Args:
        home: ``AEXL_HOME``.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / FOLDER

    def prepare(self) -> None:
        """Make the folder, and remove what was never finished. Blocks; nobody may be sending."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._path.glob(f"*{_UNFINISHED}"):
            left.unlink()

    async def receive(self, upload: Upload, body: AsyncIterator[bytes]) -> None:
        """Take a content in; sending it again is no error.

        Raises:
            Refused: 400 if it has another length or hash; nothing is kept then.
            Unavailable: If the disk fails.
        """
        unfinished = self._path / f"{upload.id}-{secrets.token_hex(6)}{_UNFINISHED}"
        with _disk_errors():
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            await _copy(upload, body, descriptor)
            await trio.to_thread.run_sync(_adopt, descriptor, unfinished, self._path / upload.id)
        finally:
            os.close(descriptor)
            unfinished.unlink(missing_ok=True)

    async def find(self, upload: Upload) -> Path:
        """Return where an upload's content is.

        Raises:
            Refused: 409 if it was not sent.
        """
        path = self._path / upload.id
        if not await trio.Path(path).is_file():
            raise Refused(
                f"the content of {upload.path[:300]} has not been sent; PUT it to the signed URL first",
                code="upload_missing",
                status=409,
            )
        return path

    async def remove(self, id: str) -> None:
        """Remove a content; one that is not there is no error."""
        await trio.Path(self._path / id).unlink(missing_ok=True)


async def _copy(upload: Upload, body: AsyncIterator[bytes], descriptor: int) -> None:
    digest, size, held = hashlib.sha256(), 0, bytearray()
    async for piece in body:
        size += len(piece)
        if size > upload.size:
            break
        digest.update(piece)
        held += piece
        if len(held) >= _BLOCK:
            await trio.to_thread.run_sync(_write, descriptor, held)
            held = bytearray()
    if size != upload.size:
        more = "more than " if size > upload.size else ""
        raise Refused(
            f"the content has {more}{min(size, upload.size)} bytes; {upload.size} were signed",
            code="length_mismatch",
            status=400,
        )
    if digest.hexdigest() != upload.sha256:
        raise Refused(
            f"the content has the hash {digest.hexdigest()}; {upload.sha256} was signed",
            code="hash_mismatch",
            status=400,
        )
    await trio.to_thread.run_sync(_write, descriptor, held)


def _write(descriptor: int, data: bytearray) -> None:
    rest = memoryview(data)
    with _disk_errors():
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _adopt(descriptor: int, unfinished: Path, target: Path) -> None:
    with _disk_errors():
        os.fsync(descriptor)
        unfinished.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the upload cannot be written: {error.strerror or error}") from error
