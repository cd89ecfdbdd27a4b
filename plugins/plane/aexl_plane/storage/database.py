"""One SQLite file: one connection that writes, one that reads, each in a worker thread of its own.

What is to be written at one moment is written in one transaction, each piece of work in a
savepoint: so many at once wait for one fsync together.

Every change writes what the ledger shall hear of it into the same transaction
(``outbox``), and it is handed over when the transaction is durable: an event may be
told twice after a crash, and is never lost. Each carries a ``change``, which is its
number here, so that twice can be seen.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw
import msgspec
import trio

from aexl.api import Journal
from aexl.errors import AexlError, Unavailable
from aexl_plane.storage.schema import APPLICATION_ID, MIGRATIONS

logger = logging.getLogger("aexl.plane")

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

BUSY_MILLISECONDS: Final = 5000
TOGETHER: Final = 64
"""Pieces of work in one transaction."""

_SUBJECT: Final = 200
"""Characters of an event's subject that the ledger takes."""

_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF")


class _Piece:
    """Work that waits to be written, and what came of it."""

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Work[Any]) -> None:
        self.work = work
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None


class Database:
    """The plane's file.

    Args:
        path: Made where it is missing, mode 0600.
        journal: Returns who hears of changes; ``None`` where nobody does.
    """

    def __init__(self, path: Path, journal: Callable[[], Journal | None]) -> None:
        self._path = path
        self._journal = journal
        self._connection: apsw.Connection | None = None
        self._reader: apsw.Connection | None = None
        self._writing, self._reading = trio.CapacityLimiter(1), trio.CapacityLimiter(1)
        self._turn = trio.Lock()
        self._pieces: deque[_Piece] = deque()
        self._telling = trio.Lock()
        self._told = self._removed = 0
        self._untold = False

    async def open(self) -> None:
        """Open it, bring its schema up to date, and tell the ledger what it has not heard.

        Raises:
            Unavailable: If it cannot be opened, or is a newer aexl's.
        """
        await trio.to_thread.run_sync(self._open, limiter=self._writing)
        await self._tell()

    async def close(self) -> None:
        """Close it, after the last work."""
        async with self._turn:
            await trio.to_thread.run_sync(self._close_reader, limiter=self._reading)
            await trio.to_thread.run_sync(self._close, limiter=self._writing)

    async def read(self, work: Work[T]) -> T:
        """Run ``work``, which changes nothing. If cancelled, it is run to its end all the same."""
        return await trio.to_thread.run_sync(self._look, work, limiter=self._reading)

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction; durable when this returns. What it raises undoes all of it.

        If cancelled, it may have happened.

        Raises:
            Unavailable: If the disk fails; whether it happened is then not known.
        """
        piece = _Piece(work)
        self._pieces.append(piece)
        try:
            async with self._turn:
                while not piece.done:
                    batch = [self._pieces.popleft() for _ in range(min(TOGETHER, len(self._pieces)))]
                    with trio.CancelScope(shield=True):  # the others of the batch are not to suffer for this one
                        await trio.to_thread.run_sync(self._write, batch, limiter=self._writing)
        except trio.Cancelled:
            if piece in self._pieces:
                self._pieces.remove(piece)
            raise
        if piece.error is not None:
            raise piece.error
        if self._untold:
            await self._tell()
        result: T = piece.result
        return result

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = connection = _connect(self._path)
            self._migrate(connection)
            self._reader = _connect(self._path)
            self._reader.execute("PRAGMA query_only = ON")
        except (apsw.Error, OSError) as error:
            raise Unavailable(f"{self._path} cannot be opened: {error}") from error

    def _migrate(self, connection: apsw.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        with connection:  # a savepoint: all of the scripts or none
            version = int(connection.pragma("user_version") or 0)
            if version > len(MIGRATIONS):
                raise Unavailable(f"{self._path} was written by a newer aexl; use that one, or move the file away")
            for script in MIGRATIONS[version:]:
                connection.execute(script)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _close(self) -> None:
        if self._connection is not None:
            try:
                self._commit([])  # so that what the ledger has heard is not told again
            except apsw.Error as error:
                raise Unavailable(f"{self._path}: {error}") from error
            self._connection.close()
            self._connection = None

    def _look(self, work: Work[T]) -> T:
        connection = self._reader
        if connection is None:
            raise _not_open()
        try:
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("ROLLBACK")
        except apsw.Error as error:
            raise Unavailable(f"{self._path}: {error}") from error

    def _write(self, batch: Sequence[_Piece]) -> None:
        """Write several pieces of work in one transaction; each has its result, or why it has none."""
        try:
            self._commit(batch)
        except Exception as error:
            failed = Unavailable(f"{self._path}: {error}") if isinstance(error, apsw.Error) else error
            for piece in batch:
                piece.error = piece.error or failed
        finally:
            for piece in batch:
                piece.done = True

    def _commit(self, batch: Sequence[_Piece]) -> None:
        connection, told = self._connection, self._told
        if connection is None:
            raise _not_open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for piece in batch:
                try:
                    with connection:  # a savepoint
                        piece.result = piece.work(connection)
                except apsw.Error as error:
                    piece.error = Unavailable(f"{self._path}: {error}")
                except Exception as error:  # whose it is, it is told
                    piece.error = error
            if told > self._removed:
                connection.execute("DELETE FROM outbox WHERE id <= ?", (told,))
            untold = connection.execute("SELECT 1 FROM outbox WHERE id > ? LIMIT 1", (told,)).fetchone()
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._removed, self._untold = told, untold is not None

    async def _tell(self) -> None:
        """Hand over what the ledger has not heard; what fails is handed over with the next change, or at the next start."""
        async with self._telling:
            rows = await self.read(self._find_untold)
            self._untold = False
            journal = self._journal()
            for id, kind, subject, text in rows:
                try:
                    if journal is not None:
                        data: dict[str, str | int] = msgspec.json.decode(text)
                        await journal.append(kind, subject, {**data, "change": id})
                except AexlError as error:
                    logger.warning("the ledger has not heard of change %d yet: %s", id, error)
                    self._untold = True
                    return
                self._told = id

    def _find_untold(self, connection: apsw.Connection) -> Sequence[tuple[int, str, str, str]]:
        query = "SELECT id, kind, subject, data FROM outbox WHERE id > ? ORDER BY id LIMIT 1000"
        return [tuple(row) for row in connection.execute(query, (self._told,))]


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _not_open() -> Unavailable:
    return Unavailable("the plane's database is not open")


def tell(connection: apsw.Connection, event: str, subject: str, data: Mapping[str, str | int]) -> None:
    """Let the ledger hear of a change, as ``plane.<event>``, when the transaction is durable."""
    connection.execute(
        "INSERT INTO outbox (kind, subject, data) VALUES (?, ?, ?)",
        (f"plane.{event}", subject[:_SUBJECT], msgspec.json.encode(data).decode()),
    )
