"""One SQLite file, one connection, one transaction at a time, in a worker thread.

Every change writes what the ledger shall hear of it into the same transaction
(``outbox``), and it is handed over when the transaction is durable: an event may be
told twice after a crash, and is never lost. Each carries a ``change``, which is its
number here, so that twice can be seen.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

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
_SUBJECT: Final = 200
"""Characters of an event's subject that the ledger takes."""


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
        self._turn = trio.CapacityLimiter(1)
        self._telling = trio.Lock()
        self._told = 0

    async def open(self) -> None:
        """Open it, bring its schema up to date, and tell the ledger what it has not heard.

        Raises:
            Unavailable: If it cannot be opened, or is a newer aexl's.
        """
        await trio.to_thread.run_sync(self._open, limiter=self._turn)
        await self._tell()

    async def close(self) -> None:
        """Close it, after the last work."""
        await trio.to_thread.run_sync(self._close, limiter=self._turn)

    async def read(self, work: Work[T]) -> T:
        """Run ``work``, which changes nothing. If cancelled, it is run to its end all the same."""
        return await trio.to_thread.run_sync(self._run, work, "DEFERRED", limiter=self._turn)

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction; durable when this returns. What it raises undoes all of it.

        Raises:
            Unavailable: If the disk fails; whether it happened is then not known.
        """
        result = await trio.to_thread.run_sync(self._run, work, "IMMEDIATE", limiter=self._turn)
        await self._tell()
        return result

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = apsw.Connection(str(self._path))
            connection.set_busy_timeout(BUSY_MILLISECONDS)
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            self._connection = connection
            self._migrate(connection)
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

    def _close(self) -> None:
        if self._connection is not None:
            self._run(lambda _: None, "IMMEDIATE")  # so that what the ledger has heard is not told again
            self._connection.close()
            self._connection = None

    def _run(self, work: Work[T], kind: str) -> T:
        connection = self._connection
        if connection is None:
            raise Unavailable("the plane's database is not open")
        try:
            connection.execute(f"BEGIN {kind}")
            try:
                result = work(connection)
                if kind == "IMMEDIATE" and self._told:
                    connection.execute("DELETE FROM outbox WHERE id <= ?", (self._told,))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except apsw.Error as error:
            raise Unavailable(f"{self._path}: {error}") from error
        return result

    async def _tell(self) -> None:
        """Hand over what the ledger has not heard; what fails is handed over with the next change, or at the next start."""
        async with self._telling:
            rows = await trio.to_thread.run_sync(self._run, self._untold, "DEFERRED", limiter=self._turn)
            if not rows:
                return
            journal = self._journal()
            for id, kind, subject, text in rows:
                try:
                    if journal is not None:
                        data: dict[str, str | int] = msgspec.json.decode(text)
                        await journal.append(kind, subject, {**data, "change": id})
                except AexlError as error:
                    logger.warning("the ledger has not heard of change %d yet: %s", id, error)
                    return
                self._told = id

    def _untold(self, connection: apsw.Connection) -> Sequence[tuple[int, str, str, str]]:
        query = "SELECT id, kind, subject, data FROM outbox WHERE id > ? ORDER BY id LIMIT 1000"
        return [tuple(row) for row in connection.execute(query, (self._told,))]


def tell(connection: apsw.Connection, event: str, subject: str, data: Mapping[str, str | int]) -> None:
    """Let the ledger hear of a change, as ``plane.<event>``, when the transaction is durable."""
    connection.execute(
        "INSERT INTO outbox (kind, subject, data) VALUES (?, ?, ?)",
        (f"plane.{event}", subject[:_SUBJECT], msgspec.json.encode(data).decode()),
    )
