"""Answers as their readers see them: one that is arriving, and one that the book had kept."""

from __future__ import annotations

from typing import Final

import trio

from aexl.api import Booked, Headers, Hold, Receipt, Replay, Settlement
from aexl.core.calls.pipe import Pipe, Whole

_NOTHING: Final = Whole([])


class LiveAnswer:
    """The ``Answer`` of a running call, which writes it while a client's task waits for ``head`` and reads ``chunks``.

    Attributes:
        error: Why there is no answer, once ``head`` has returned.
        is_delivered: The client has everything.
    """

    __slots__ = (
        "_book",
        "_ready",
        "_waiting",
        "booked",
        "chunks",
        "error",
        "execution",
        "headers",
        "is_delivered",
        "receipt",
        "status",
        "stream",
    )
    replayed = False

    def __init__(self, hold: Hold, book: Settlement) -> None:
        self._book = book
        self._ready = False
        self._waiting: trio.lowlevel.Task | None = None
        self.execution = hold.execution
        self.receipt: Receipt = hold.receipt
        self.booked: Booked | None = None
        self.status = 0
        self.headers: Headers = ()
        self.stream = False
        self.chunks: Pipe | Whole = _NOTHING
        self.error: BaseException | None = None
        self.is_delivered = False

    async def head(self) -> None:
        """Wait until the answer can begin, or has failed (see ``error``)."""
        if not self._ready:
            self._waiting = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._waiting = None
        return trio.lowlevel.Abort.SUCCEEDED

    def reset(self) -> None:
        """Forget an attempt that failed before the reader was let go on."""
        self.status = 0
        self.headers = ()
        self.stream = False
        self.chunks = _NOTHING

    @property
    def has_begun(self) -> bool:
        """The reader has been let go on."""
        return self._ready

    def begin(self) -> None:
        """Let the reader go on."""
        self._ready = True
        if self._waiting is not None:
            task, self._waiting = self._waiting, None
            trio.lowlevel.reschedule(task)

    def delivered(self) -> None:
        """Hear that the client has everything."""
        self.is_delivered = True
        self._book.delivered(self.execution, True)


class StoredAnswer:
    """The ``Answer`` that the book had kept."""

    replayed = True

    def __init__(self, replay: Replay, book: Settlement) -> None:
        self._book = book
        self.execution = replay.execution
        self.status = replay.status
        self.headers: Headers = replay.headers
        self.stream = replay.stream
        self.booked: Booked | None = replay.booked
        self.receipt = replay.booked.receipt if replay.booked else Receipt(seq=0, hash="")
        self.chunks = Whole(list(replay.chunks))

    def delivered(self) -> None:
        """Hear that the client has everything."""
        self._book.delivered(self.execution, True)
