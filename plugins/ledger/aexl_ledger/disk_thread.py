"""The thread that waits for the disk: it makes batches durable, and does what may wait between them.

While the disk is quick, the loop waits for it itself: giving a batch to the
thread and its answer back takes longer than the wait (``pace.py``).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import trio

from aexl_ledger.driver import Begun, Done, Driver
from aexl_ledger.operations import Operation
from aexl_ledger.pace import Pace

logger = logging.getLogger("aexl.ledger")

IDLE_SECONDS: Final = 0.25
"""Without work for this long the thread does what may wait."""

Chore = Callable[[], None]


class Job:
    """A batch on its way to the disk.

    Attributes:
        begun: What the loop has done of it already.
        answered: Is called in the loop, if it was the thread that stored the batch.
    """

    __slots__ = ("answered", "begun", "operations")

    def __init__(self, operations: Sequence[Operation[Any]], answered: Callable[[Done], None]) -> None:
        self.operations = operations
        self.begun: Begun | None = None
        self.answered = answered


class DiskThread:
    """Runs what blocks, one after the other.

    Args:
        driver: Used by the thread, and between two jobs of the thread by the loop, through ``begin``.
        token: Of the loop.
    """

    def __init__(self, driver: Driver, token: trio.lowlevel.TrioToken) -> None:
        self._driver = driver
        self._token = token
        self._queue: queue.SimpleQueue[Job | Chore | None] = queue.SimpleQueue()
        self._driving = threading.Lock()
        self._pace = Pace()
        self._settled = True  # nothing was stored since the thread did what may wait
        self._stirred = False  # the loop has stored something since the thread last looked
        self._thread = threading.Thread(target=self._work, name="aexl-ledger", daemon=True)

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    async def stop(self) -> None:
        """End it, when everything that was given to it is done."""
        self._queue.put(None)
        await trio.to_thread.run_sync(self._thread.join)

    def begin(self, job: Job) -> Done | None:
        """Do in the loop what it can do of a batch without a noticeable wait, which may be all of it.

        Returns:
            The answers; ``None`` if the thread must do the rest: give it to ``store``.
        """
        if not all(operation.quick for operation in job.operations) or not self._driving.acquire(blocking=False):
            return None
        try:
            job.begun = self._driver.begin(job.operations)
            if job.begun.error is not None or not self._pace.quick:
                return None
            done = self._flush(job)
        finally:
            self._driving.release()
        self._stir()
        return done

    def store(self, job: Job) -> None:
        """Make a batch durable. The next one may be begun when this one has been answered."""
        self._queue.put(job)

    def do(self, chore: Chore) -> None:
        """Do something of the driver's own between two batches; errors are logged."""
        self._queue.put(chore)

    def _stir(self) -> None:
        """Let the thread know that something was stored without it; wakes it only if it sleeps without a limit."""
        self._stirred = True
        if self._driver.maintenance_due:
            self._queue.put(self._maintain_busy)
        elif self._settled:
            self._settled = False
            self._queue.put(_look)

    def _work(self) -> None:
        while True:
            try:
                item = self._queue.get() if self._settled else self._queue.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._rest()
                continue
            if item is None:
                return
            self._settled = False
            if not isinstance(item, Job):
                self._do(item)
                continue
            self._store(item)
            if self._driver.maintenance_due:
                self._do(self._maintain_busy)

    def _rest(self) -> None:
        """Do what may wait, if the loop has not stored anything meanwhile."""
        self._settled = True  # first: from here on the loop says so, or it is seen here
        if self._stirred:
            self._stirred = self._settled = False
        else:
            self._do(self._maintain_idle)

    def _do(self, chore: Chore) -> None:
        with self._driving:
            run_chore(chore)

    def _flush(self, job: Job) -> Done:
        started = time.perf_counter()
        done = store(self._driver, job)
        self._pace.see(time.perf_counter() - started)
        return done

    def _store(self, job: Job) -> None:
        if job.begun is not None:  # the loop begins no other before this one is answered
            done = self._flush(job)
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


def _look() -> None:
    """Do nothing; the thread wakes up for it."""


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
