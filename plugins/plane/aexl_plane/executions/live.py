"""An execution that has not ended, for those who wait for it or watch it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import trio

from aexl.errors import AexlError
from aexl_plane.records import Execution

RECORDS: Final = 2000
"""Records of its log that are held; the oldest goes. More than the runtime lets a run say."""

Record = Mapping[str, object]

_PLAIN: Final = ("ts_ms", "level", "request_id", "trace_id", "snapshot_id")
"""What a record always has that no handler has written."""


class Outcome(NamedTuple):
    """What became of an execution.

    Attributes:
        answer: The runner's envelope; ``None`` if it has not ended, or nothing was kept.
        spent: Nano-dollars booked for models, where it ran just now; ``None`` where the ledger must be asked.
        replayed: It ran before, for the same key.
    """

    execution: Execution
    answer: Mapping[str, Any] | None = None
    spent: int | None = None
    replayed: bool = False


class LiveRun:
    """One execution, queued or running.

    Attributes:
        scope: Around the run; cancelling it ends it.
        cancelled_by: Who asked for its end.
    """

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self.scope = trio.CancelScope()
        self.cancelled_by: str | None = None
        self._outcome: Outcome | AexlError | None = None
        self._records: deque[msgspec.Raw] = deque(maxlen=RECORDS)
        self._heard = 0
        self._waiting = trio.lowlevel.ParkingLot()

    @property
    def has_begun(self) -> bool:
        """Something of the handler may have run."""
        return self._heard > 0

    @property
    def has_ended(self) -> bool:
        """It is known what became of it."""
        return self._outcome is not None

    @property
    def records(self) -> Sequence[msgspec.Raw]:
        """The log so far, as far as it is held; each record as JSON."""
        return tuple(self._records)

    def hear(self, record: Record) -> None:
        """Take a record of its log."""
        self._records.append(_encode(record))
        self._heard += 1
        self._waiting.unpark_all()

    def end(self, outcome: Outcome | AexlError) -> None:
        """Tell everybody what became of it; an error is why it was not run, or why its end could not be kept."""
        self._outcome = outcome
        self._waiting.unpark_all()

    async def outcome(self) -> Outcome:
        """Wait for its end.

        Raises:
            AexlError: If it was not run, or its end could not be kept.
        """
        while self._outcome is None:
            await self._waiting.park()
        if isinstance(self._outcome, AexlError):
            raise self._outcome
        return self._outcome

    def after(self, number: int) -> tuple[int, Sequence[msgspec.Raw]]:
        """Return what of the log follows a record, and the number of the first of it; records count from 1.

        What the first is higher than ``number`` by more than one has been dropped.
        """
        first = self._heard - len(self._records) + 1
        skipped = max(0, number + 1 - first)
        return first + skipped, tuple(self._records)[skipped:]

    async def changed(self, number: int) -> None:
        """Wait until there is more of the log than this record, or the end."""
        while self._heard <= number and self._outcome is None:
            await self._waiting.park()


def _encode(record: Record) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(record))
    except (UnicodeEncodeError, RecursionError):  # a worker can send texts that are none, and depths without end
        kept = {name: record[name] for name in _PLAIN if name in record}
        return msgspec.Raw(msgspec.json.encode({**kept, "event": "runner.unreadable", "fields": {}}))
