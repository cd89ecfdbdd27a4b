"""A connection that only reads, beside the writer or in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import apsw

from aexl.errors import Unavailable
from aexl_ledger.schema import APPLICATION_ID, MIGRATIONS

T = TypeVar("T")


class Reader:
    """Reads a ledger; used by one thread at a time. Each read is short, so that it never holds up the writer.

    Raises:
        Unavailable: If there is no ledger at ``path``, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise Unavailable(f"there is no ledger at {path}: `aexl serve` makes one")
        try:
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            self._connection.set_busy_timeout(5000)
            owner, version = self._connection.pragma("application_id"), self._connection.pragma("user_version")
        except apsw.Error as error:
            raise Unavailable(f"the ledger {path} cannot be read: {error}") from error
        if owner != APPLICATION_ID or version != len(MIGRATIONS):
            self._connection.close()
            raise Unavailable(f"the ledger {path} is not of this version of aexl: start the server once, or update")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run ``work`` in a transaction that sees one state of the ledger.

        Raises:
            Unavailable: If the database cannot be read.
        """
        try:
            self._connection.execute("BEGIN")
            try:
                return work(self._connection)
            finally:
                self._connection.execute("ROLLBACK")
        except apsw.Error as error:
            raise Unavailable(f"the ledger cannot be read: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
