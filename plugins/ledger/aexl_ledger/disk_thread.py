"""The thread that waits for the disk: it makes batches durable, and does what may wait between them."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import trio

from aexl_ledger.driver import Begun, Done, Driver
from aexl_ledger.operations import Operation

logger = logging.getLogger("aexl.ledger")

IDLE_SECONDS: Final = 0.25
"""Without work for this long the thread does what may wait."""

Chore = Callable[[], None]


class Job:
    """A batch on its way to the disk.

    Attributes:
        begun: What the loop has done of it already.
        answered: Is called in the loop.
    """

    __slots__ = ("answered", "begun", "operations")

    def __init__(
        self, operations: Sequence[Operation[Any]], begun: Begun | None, answered: Callable[[Done], None]
    ) -> None:
        self.operations = operations
        self.begun = begun
        self.answered = answered


class DiskThread:
    """Runs what blocks, one after the other.

    Args:
        driver: Used by the thread, and between two batches by the loop, through ``begin``.
        token: Of the loop.
    """

    def __init__(self, driver: Driver, token: trio.lowlevel.TrioToken) -> None:
        self._driver = driver
        self._token = token
        self._queue: queue.SimpleQueue[Job | Chore | None] = queue.SimpleQueue()
        self._driving = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="aexl-ledger", daemon=True)

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    async def stop(self) -> None:
        """End it, when everything that was given to it is done."""
        self._queue.put(None)
        await trio.to_thread.run_sync(self._thread.join)

    def begin(self, operations: Sequence[Operation[Any]]) -> Begun | None:
        """Begin a batch in the loop; ``None`` while the thread uses the driver. Does not wait."""
        if not self._driving.acquire(blocking=False):
            return None
        try:
            return self._driver.begin(operations)
        finally:
            self._driving.release()

    def store(self, job: Job) -> None:
        """Make a batch durable. The next one may be begun when this one has been answered."""
        self._queue.put(job)

    def do(self, chore: Chore) -> None:
        """Do something of the driver's own between two batches; errors are logged."""
        self._queue.put(chore)

    def _work(self) -> None:
        settled = True
        while True:
            try:
                item = self._queue.get() if settled else self._queue.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._do(self._maintain_idle)
                settled = True
                continue
            if item is None:
                return
            if not isinstance(item, Job):
                self._do(item)
                continue
            self._store(item)
            if self._driver.maintenance_due:
                self._do(self._maintain_busy)
            settled = False

    def _do(self, chore: Chore) -> None:
        with self._driving:
            run_chore(chore)

    def _store(self, job: Job) -> None:
        if job.begun is not None:  # the loop begins no other before this one is answered
            done = store(self._driver, job)
        else:
            with self._driving:
                done = store(self._driver, job)
        try:
            self._token.run_sync_soon(job.answered, done)
        except trio.RunFinishedError:
            logger.warning("the loop ended before %d answers of the ledger", len(job.operations))

    def _maintain_idle(self) -> None:
        self._driver.maintain(True)

    def _maintain_busy(self) -> None:
        self._driver.maintain(False)


def store(driver: Driver, job: Job) -> Done:
    """Store a batch, or what is left to do of it; an exception of the driver's, which is a bug, answers everybody."""
    try:
        return driver.execute(job.operations) if job.begun is None else driver.flush(job.begun)
    except Exception as error:
        logger.exception("the ledger's driver failed in a way it must not")
        return Done([error] * len(job.operations))


def run_chore(chore: Chore) -> None:
    """Run what nobody waits for."""
    try:
        chore()
    except Exception as error:
        logger.warning("the ledger's housekeeping failed: %s", error)
