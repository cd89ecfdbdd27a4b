"""The driver for SQLite, through APSW.

One connection writes. An exception while a batch is being stored means that
nobody knows whether it is: the connection is closed, another one opened, and
the head of the chain says which of the two it was, for the whole batch.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import apsw

from aexl.errors import AexlError, Unavailable
from aexl_ledger import reading, tables
from aexl_ledger.aftermath import Release
from aexl_ledger.changes import changes_of, everything
from aexl_ledger.driver import Begun, Changes, DiskFull, Done, StorageFailed
from aexl_ledger.engine import Batch, Engine, Torn
from aexl_ledger.executions import BookedBefore, Reserve, Stored
from aexl_ledger.files import Ballast, Lock, Log, check_filesystem, flush_data
from aexl_ledger.kept import delete_expired, drop_oldest, find_answer, sum_answers
from aexl_ledger.migration import migrate
from aexl_ledger.operations import Operation, Raise
from aexl_ledger.options import LedgerOptions
from aexl_ledger.schema import MIGRATIONS
from aexl_ledger.state import State

logger = logging.getLogger("aexl.ledger")

OLDEST_SQLITE: Final = (3, 51, 3)
"""Versions before it can damage a database in WAL mode that two connections write and checkpoint at once."""

SPACE_SECONDS: Final = 0.25
"""Between two looks at the free space."""

COMPACT_BYTES: Final = 128 * 1024
"""Of log, above which it is moved into the database at once while the disk is full: less than the ballast."""

BUSY_MILLISECONDS: Final = 5000


def wall_micros() -> int:
    """Return Unix microseconds by the wall clock."""
    return time.time_ns() // 1000


def check_version(version: str) -> None:
    """Refuse an SQLite that could damage a ledger.

    Raises:
        Unavailable: If it is too old.
    """
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise Unavailable(f"SQLite {version} can damage a ledger: {needed} or newer is needed (update apsw)")


class SqliteDriver:
    """Stores one ledger in one file.

    Args:
        path: The database; lock and ballast are beside it.
        clock: Returns Unix microseconds.
        vfs: Name of an SQLite file system, for fault injection.
        sync: Makes what was written to an open file durable, for the same.
        migrations: Scripts from each schema version to the next.
    """

    def __init__(
        self,
        path: Path,
        options: LedgerOptions,
        *,
        clock: Callable[[], int] = wall_micros,
        vfs: str | None = None,
        sync: Callable[[int], None] = flush_data,
        migrations: Sequence[str] = MIGRATIONS,
    ) -> None:
        self._path = path
        self._options = options
        self._clock = clock
        self._vfs = vfs
        self._migrations = migrations
        self._lock = Lock(path.with_suffix(".lock"))
        self._log = Log(path.with_name(f"{path.name}-wal"), sync)
        self._ballast = Ballast(path.with_suffix(".ballast"), options.ballast, options.low_water)
        self._connection: apsw.Connection | None = None
        self._engine = Engine(State())
        self._full = False
        self._looked = 0.0
        self._answer_bytes = 0
        self._doubtful: set[str] = set()
        self.log_bytes = 0
        """Bytes in the log that no checkpoint has moved yet."""

    @property
    def trouble(self) -> str | None:
        if self._connection is None:
            return f"the ledger {self._path} is not open"
        return "the disk is full: new calls are refused" if self._full else None

    def open(self) -> Done:
        check_version(apsw.sqlite_lib_version())
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        check_filesystem(self._path.parent)
        self._lock.acquire()
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connect()
            self._full = not self._ballast.fill()
        except (apsw.Error, OSError) as error:
            self.close()
            raise Unavailable(f"the ledger {self._path} cannot be opened: {error}") from error
        except BaseException:
            self.close()
            raise
        return Done(list(self._engine.state.open), everything(self._engine))

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._log.close()
        try:
            if connection is not None:
                connection.close()
        except apsw.Error as error:
            logger.warning("the ledger was closed, its log not moved: %s", error)
        finally:
            self._lock.release()

    def execute(self, batch: Sequence[Operation[Any]]) -> Done:
        return self.flush(self.begin(batch))

    def begin(self, batch: Sequence[Operation[Any]]) -> Begun:
        self._look_at_space()
        return self._begin(self._refuse_writes(batch) if self._full else list(batch))

    def flush(self, begun: Begun) -> Done:
        return self._flush(begun, True)

    @property
    def maintenance_due(self) -> bool:
        return self.log_bytes >= self._options.checkpoint_bytes

    def maintain(self, idle: bool) -> None:
        if self._connection is None or not self.log_bytes:
            return
        if idle or self.maintenance_due:
            try:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                self.log_bytes = 0
            except apsw.Error as error:
                # The log has everything and a later checkpoint writes every page again, so nothing is lost.
                logger.warning("the ledger's log could not be moved into the database yet: %s", error)
                self.log_bytes = 1

    def _compact(self) -> None:
        """On a full disk, move the log into the database and give its space back, to go on settling with it."""
        try:
            self._writable().wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self.log_bytes = 0
        except apsw.Error as error:
            logger.warning("the ledger's log could not be moved on the full disk: %s", error)

    def expire(self) -> None:
        """Delete claims and answers that are too old."""
        try:
            connection = self._writable()
            with connection:
                self._answer_bytes -= delete_expired(connection, self._clock())
        except apsw.Error as error:
            raise StorageFailed(f"what expired could not be deleted: {error}") from error

    def _writable(self) -> apsw.Connection:
        if self._connection is None:
            self._connect()
        assert self._connection is not None
        return self._connection

    def _connect(self) -> None:
        connection = apsw.Connection(str(self._path), vfs=self._vfs, statementcachesize=512)
        try:
            connection.set_busy_timeout(BUSY_MILLISECONDS)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # what a commit wrote is made durable by ``flush``
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.set_wal_hook(self._hear_of_log)
            migrate(connection, self._path, self._migrations)
            engine = tables.load(connection)
            self._answer_bytes = sum_answers(connection)
        except BaseException:
            connection.close()
            raise
        self._log.open()
        self._connection = connection
        self._engine = engine

    def _hear_of_log(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.log_bytes = pages * 4096
        return apsw.SQLITE_OK

    def _begin(self, operations: list[Operation[Any]]) -> Begun:
        begun = Begun(operations)
        try:
            begun.batch = self._run(self._writable(), operations, self._clock())
            begun.started = self._store(begun.batch)
        except Exception as error:  # ``flush`` raises it again, where there is somebody to hear it
            begun.error = error
        else:
            begun.changes = changes_of(self._engine)
            self._engine.state.clear_touched()
        return begun

    def _flush(self, begun: Begun, retry: bool) -> Done:
        operations, batch, seconds = begun.operations, begun.batch, None
        try:
            if begun.error is not None:
                raise begun.error
            assert batch is not None, "without an error there is a batch"
            if begun.started is not None:
                self._log.sync()
                seconds = time.perf_counter() - begun.started
            self._resolve(batch.results)
        except (apsw.Error, OSError, Unavailable) as error:
            return self._settle_doubt(operations, batch, error, retry)
        if self._full and self.log_bytes > COMPACT_BYTES:
            self._compact()
        return Done(batch.results, begun.changes or Changes(), seconds)

    def _run(self, connection: apsw.Connection, operations: list[Operation[Any]], now: int) -> Batch:
        while True:
            state = self._engine.state
            for operation in operations:
                if operation.quick:
                    continue
                key = operation.claim()
                if key is not None and key not in state.claims:
                    claim = tables.find_claim(connection, *key)
                    if claim is not None:
                        state.claims[key] = claim
                ended = operation.ended()
                if ended is not None and ended not in state.open and ended not in state.ended:
                    row = tables.find_execution(connection, ended)
                    if row is not None:
                        state.ended[ended] = row
            try:
                return self._engine.run(operations, now)
            except Torn as torn:
                logger.exception("an operation failed half way; the others are run again")
                operations[torn.index] = Raise(torn.cause)
                self._engine = tables.load(connection)

    def _store(self, batch: Batch) -> float | None:
        """Write a batch to the log, in a transaction; return when it began, ``None`` if there is nothing to write."""
        state = self._engine.state
        if not batch.events and not state.touched_claims:
            return None
        connection = self._writable()
        started = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        tables.write_batch(connection, state, batch)
        if batch.answers:
            self._answer_bytes += sum(len(answer.data) for answer in batch.answers)
            excess = self._answer_bytes - self._options.answers_bytes
            if excess > 0:
                self._answer_bytes -= drop_oldest(connection, excess)
        connection.execute("COMMIT")
        return started

    def _resolve(self, results: list[object]) -> None:
        """Read what an answer refers to; after the batch is stored, so that it may refer to the batch itself."""
        for index, result in enumerate(results):
            if type(result) is Stored or type(result) is BookedBefore:
                connection = self._writable()
                try:
                    booked = reading.read_booking(connection, result.execution)
                    if type(result) is BookedBefore:
                        results[index] = booked
                        continue
                    results[index] = find_answer(connection, booked, 2 * self._options.answer_bytes + 2**20)
                except AexlError as error:
                    results[index] = error

    def _settle_doubt(
        self, operations: list[Operation[Any]], batch: Batch | None, error: Exception, retry: bool
    ) -> Done:
        """Find out what became of a batch that failed while it was stored."""
        full = isinstance(error, apsw.FullError) or getattr(error, "errno", None) == 28
        logger.error("the ledger could not be written (%s); opening it again", error)
        before = (self._engine.seq, self._engine.hash)
        self._drop_connection()
        if full:
            self._ballast.drop()
            self._full = True
        try:
            self._writable()
            committed = batch is not None and bool(batch.events) and (self._engine.seq, self._engine.hash) == before
            if full:
                self._compact()
            elif committed:
                self._force_checkpoint()
        except (apsw.Error, OSError, Unavailable) as second:
            self._drop_connection()
            self._doubtful.update(_reserved(operations, batch))
            unknown = StorageFailed(f"the ledger cannot be written: {second}; whether this was stored is not known yet")
            return Done(_replace(batch, len(operations), unknown))
        self._release_doubtful()
        if committed and batch is not None:
            self._resolve(batch.results)
            return Done(batch.results, everything(self._engine))
        if retry:
            return self._run_again(operations, batch, error, full)
        return Done(_replace(batch, len(operations), _failure(error, full)), everything(self._engine))

    def _run_again(self, operations: list[Operation[Any]], batch: Batch | None, error: Exception, full: bool) -> Done:
        """Run what must get through, once, on the new connection; after a broken rule everything, one by one."""
        constraint = isinstance(error, apsw.ConstraintError)
        results = _replace(batch, len(operations), _failure(error, full))
        for index, operation in enumerate(operations):
            kept = batch is not None and isinstance(batch.results[index], Exception)
            if not kept and (constraint or operation.urgent or not operation.writes):
                results[index] = self._flush(self._begin([operation]), False).results[0]
        return Done(results, everything(self._engine))

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        self._log.close()
        if connection is not None:
            try:
                connection.close(True)
            except apsw.Error as error:
                logger.debug("closing after a failure failed as well: %s", error)

    def _force_checkpoint(self) -> None:
        """Write what was committed a second time, to the database: a sync that failed once proves nothing later."""
        connection = self._writable()
        frames, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
        if frames != moved:
            raise Unavailable("readers keep the ledger's log from being moved")

    def _release_doubtful(self) -> None:
        """Give back holds whose callers were told of a failure, though they had been stored."""
        found = [execution for execution in self._doubtful if execution in self._engine.state.open]
        self._doubtful.clear()
        if found:
            self._flush(self._begin([Release(execution) for execution in found]), False)

    def _look_at_space(self) -> None:
        now = time.monotonic()
        if now - self._looked < SPACE_SECONDS:
            return
        self._looked = now
        try:
            if self._full:
                self._full = not self._ballast.fill()
            elif self._ballast.is_low():
                self._full = True
                self._compact()
        except OSError as error:
            logger.warning("the free space beside the ledger is not known: %s", error)

    def _refuse_writes(self, batch: Sequence[Operation[Any]]) -> list[Operation[Any]]:
        error = DiskFull("the disk is full: running calls are still settled, new ones are refused until there is space")
        return [Raise(error) if operation.writes and not operation.urgent else operation for operation in batch]


def _failure(error: Exception, full: bool) -> StorageFailed:
    if full:
        return DiskFull("the disk is full: nothing was stored")
    return StorageFailed(f"the ledger could not be written, and nothing was stored: {error}")


def _replace(batch: Batch | None, count: int, error: Exception) -> list[object]:
    """Return results in which what had gone well has failed, and what had been refused still is."""
    if batch is None:
        return [error] * count
    return [result if isinstance(result, Exception) else error for result in batch.results]


def _reserved(operations: Sequence[Operation[Any]], batch: Batch | None) -> list[str]:
    if batch is None:
        return []
    return [operation.execution for operation in operations if isinstance(operation, Reserve)]
