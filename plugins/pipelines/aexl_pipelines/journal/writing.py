"""Writing a journal: one process at a time, and each record durable before anything follows from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from aexl.errors import Unavailable
from aexl_pipelines.journal.lines import MOST, Position, Written, decode_lines, encode_line
from aexl_pipelines.journal.locking import NAME, is_driven, lock
from aexl_pipelines.journal.records import Record

__all__ = ["NAME", "Journal", "is_driven", "open_journal"]


class Journal:
    """An open journal; nobody else can open it for writing until it is closed.

    Args:
        path: The file.
        descriptor: It, open and locked.
        records: What is in it.
    """

    def __init__(self, path: Path, descriptor: int, records: Sequence[Written], position: Position) -> None:
        self.path = path
        self.records = records
        self._descriptor = descriptor
        self._position = position
        self._order = trio.Lock()
        self._broken: OSError | None = None
        self.closed = False

    @property
    def next_number(self) -> int:
        """The number of the next record."""
        return self._position.number

    async def append(self, record: Record, tell: Callable[[int], None] | None = None) -> int:
        """Write a record; return its number when it is durable.

        If cancelled before its turn, nothing is written; what has begun is finished.

        Args:
            tell: Called with the number when it is durable, before the next record is written. Must not wait.

        Raises:
            Unavailable: If it cannot be written; then nothing more can be.
        """
        async with self._order:
            number = self._position.number
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._write, record)
            if tell is not None:
                tell(number)
            return number

    def _write(self, record: Record) -> None:
        if self._broken is not None:
            raise Unavailable(f"the journal {self.path} could not be written before: {self._broken}")
        line, position = encode_line(record, self._position)
        if position.size > MOST:
            raise Unavailable(f"the journal {self.path} has reached {MOST} bytes")
        try:
            _write_all(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError as error:
            self._broken = error
            raise Unavailable(f"the journal {self.path} cannot be written: {error.strerror or error}") from error
        self._position = position

    def close(self) -> None:
        """Let others have it."""
        self.closed = True
        os.close(self._descriptor)


def open_journal(folder: Path, *, create: bool = False) -> Journal:
    """Open the journal of a run's folder for writing; a torn last line is cut off. Blocks.

    Raises:
        Conflict: If another process drives this run.
        Unavailable: If it cannot be opened.
        Invalid: If it is damaged.
    """
    path = folder / NAME
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_APPEND | (os.O_CREAT | os.O_EXCL if create else 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise Unavailable(f"the journal {path} cannot be opened: {error.strerror or error}") from error
    try:
        lock(descriptor, folder)
        data = _read_all(descriptor)
        found = list(decode_lines(data))
        position = found[-1][1] if found else Position()
        if position.size < len(data):
            os.ftruncate(descriptor, position.size)
            os.fsync(descriptor)
        if create:
            _sync_folder(folder)
    except BaseException:
        os.close(descriptor)
        raise
    return Journal(path, descriptor, [written for written, _ in found], position)


def _read_all(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    data = bytearray()
    while len(data) < size and (piece := os.pread(descriptor, size - len(data), len(data))):
        data += piece
    return bytes(data)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    for place in (folder, folder.parent):
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
