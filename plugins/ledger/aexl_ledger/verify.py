"""Proves that the tables follow from the events, and that nobody changed an event.

Every event is read once, in short ranges, checked against the chain and folded
into a state of its own; what the tables say must be what that state says. What
was cut off at the end of the ledger with its traces in the tables cannot be
seen here: for that there are the receipts that every answer carried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from aexl_ledger import reading, tables
from aexl_ledger.chain import Broken, Chain
from aexl_ledger.fold import fold
from aexl_ledger.reader import Reader
from aexl_ledger.state import State

RANGE: Final = 5_000
"""Events of one read, some 30 ms."""

CORRECTED: Final = 7
"""Place of ``corrected`` in a row of ``executions``: it changes after the end, and is compared by itself."""

Progress = Callable[[int, int], None]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found.

    Attributes:
        events: How many events hold.
        first_bad: The first sequence number that is wrong; ``None`` where all hold, or only a table is wrong.
        detail: One sentence.
        head: The hash of the last event that holds, in hexadecimal.
    """

    ok: bool
    events: int
    first_bad: int | None
    detail: str
    head: str
    seconds: float


class _Differs(Exception):
    """A table does not say what the events say."""


class Verification:
    """One pass over a ledger; ``progress`` is told how many events of how many are done."""

    def __init__(self, reader: Reader, progress: Progress | None = None) -> None:
        self._reader = reader
        self._progress = progress or (lambda _done, _of: None)
        self._state = State()
        self._chain = Chain()
        self._executions = 0
        self._corrected: dict[str, int] = {}

    def run(self) -> Verdict:
        """Check everything that was stored when the last range is read.

        Raises:
            Unavailable: If the ledger cannot be read.
        """
        started = time.perf_counter()
        first_bad: int | None = None
        detail = "every event follows from the one before it, and the tables from the events"
        try:
            of = self._reader.read(reading.read_head)
            while self._reader.read(self._step) == RANGE:
                self._progress(self._chain.seq, max(of, self._chain.seq))
            self._reader.read(self._finish)
            self._progress(self._chain.seq, self._chain.seq)
        except Broken as broken:
            first_bad, detail = broken.seq, str(broken)
        except _Differs as differs:
            detail = str(differs)
            return self._verdict(False, None, detail, started)
        return self._verdict(first_bad is None, first_bad, detail, started)

    def _verdict(self, ok: bool, first_bad: int | None, detail: str, started: float) -> Verdict:
        return Verdict(
            ok=ok,
            events=self._chain.seq,
            first_bad=first_bad,
            detail=detail,
            head=self._chain.hash.hex(),
            seconds=time.perf_counter() - started,
        )

    def _step(self, connection: apsw.Connection) -> int:
        """Check and fold one range; return how many events it had."""
        rows = reading.read_events(connection, self._chain.seq, RANGE)
        state, check = self._state, self._chain.check
        for seq, body, digest in rows:
            event = check(seq, body, digest)
            try:
                fold(state, event.kind, event.subject, event.time, seq, event.data)
            except (LookupError, AssertionError, TypeError, ValueError) as error:
                raise Broken(seq, f"{event.kind} of {event.subject} cannot follow what was before it") from error
            if event.kind == "execution.corrected":
                self._corrected[event.subject] = event.data["amount"]
        self._compare_ended(connection)
        return len(rows)

    def _compare_ended(self, connection: apsw.Connection) -> None:
        """Compare the executions that ended in this range, which no later event but a correction touches."""
        ended = self._state.ended
        expected = tables.execution_rows(ended.values())
        stored = tables.stored_executions(connection, list(expected))
        if _without_corrected(stored) != _without_corrected(expected):
            for execution, row in expected.items():
                found = stored.get(execution)
                if found is None or _mask(found) != _mask(row):
                    raise Broken(ended[execution].ended or 0, f"the table says of execution {execution}: {found}")
        self._executions += len(expected)
        self._state.clear_touched()

    def _finish(self, connection: apsw.Connection) -> None:
        """Check what came meanwhile, and in the same moment compare the tables that go on changing."""
        while self._step(connection):
            pass
        expected, stored = tables.rows_of(self._state), tables.stored_rows(connection)
        for table, rows in expected.items():
            wrong = rows ^ stored[table]
            if wrong:
                name = min(str(row[0]) for row in wrong)
                raise _Differs(f"the table {table} does not say of {name!r} what the events say")
        count, corrected = tables.count_executions(connection)
        if count != self._executions + len(self._state.open):
            raise _Differs(f"the table executions has {count} rows, and the events {self._executions} executions")
        if corrected != self._corrected:
            wrong_one = min(dict(corrected.items() ^ self._corrected.items()))
            raise _Differs(f"the table executions does not say of the correction of {wrong_one} what the events say")


def _mask(row: tables.Row) -> tables.Row:
    return (*row[:CORRECTED], *row[CORRECTED + 1 :])


def _without_corrected(rows: dict[str, tables.Row]) -> dict[str, tables.Row]:
    return {key: _mask(row) for key, row in rows.items()}


def verify(path: Path, progress: Progress | None = None) -> Verdict:
    """Verify the ledger at ``path``, beside a running server or without one. Blocks.

    Raises:
        Unavailable: If there is none, or it cannot be read.
    """
    with Reader(path) as reader:
        return Verification(reader, progress).run()


def verify_mapping(path: Path) -> dict[str, Any]:
    """Return the verdict for programs; see ``verify``."""
    return dict(msgspec.structs.asdict(verify(path)))
