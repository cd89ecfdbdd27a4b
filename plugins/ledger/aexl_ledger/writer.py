"""The one writer: many tasks ask, one thread stores what has gathered, in one transaction.

While a batch is being made durable the next one gathers by itself; a single call
into the loop wakes everyone whom a batch answers. Without its thread the writer
runs in the loop, so that a test with a seed is the same each time.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import trio

from aexl.errors import Refused, Unavailable
from aexl_ledger.driver import Changes, Done, Driver
from aexl_ledger.operations import Operation

logger = logging.getLogger("aexl.ledger")

R = TypeVar("R")

LARGEST_BATCH: Final = 256
IDLE_SECONDS: Final = 0.25
"""Without work for this long the writer does what may wait."""


class _Request:
    """An operation, and the task that waits for its answer."""

    __slots__ = ("operation", "result", "task")

    def __init__(self, operation: Operation[Any], task: trio.lowlevel.Task) -> None:
        self.operation = operation
        self.task = task
        self.result: object = None


class _Chore:
    """Work of the driver's own, such as deleting what is too old; nobody waits for it."""

    __slots__ = ("work",)

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work


_Item = _Request | _Chore | None


def _never(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


class Writer:
    """Owns the driver from ``start`` to ``stop``.

    Args:
        bound: Operations that may wait; urgent ones are let in all the same.
        threaded: Run the driver in a thread of its own.
        heard: Told what a batch changed, in the loop, before its answers are given.
        measured: Told of each batch: seconds to make it durable, operations.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        bound: int,
        threaded: bool,
        heard: Callable[[Changes], None],
        measured: Callable[[float | None, int], None],
    ) -> None:
        self._driver = driver
        self._bound = bound
        self._threaded = threaded
        self._heard = heard
        self._measured = measured
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._gathered: list[_Request] = []
        self._thread: threading.Thread | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._running = False
        self.waiting = 0
        """Operations that wait for their answers."""

    async def start(self) -> list[str]:
        """Open the ledger; return the ids of executions without an end.

        Raises:
            Unavailable: If it cannot be opened; says why.
        """
        self._token = trio.lowlevel.current_trio_token()
        if self._threaded:
            done = await trio.to_thread.run_sync(self._driver.open)
            self._thread = threading.Thread(target=self._work, name="aexl-ledger", daemon=True)
            self._thread.start()
        else:
            done = self._driver.open()
        self._running = True
        self._heard(done.changes)
        return [str(execution) for execution in done.results]

    async def stop(self) -> None:
        """Store what waits, then close. Not cancellable; what is asked later is refused."""
        self._running = False
        with trio.CancelScope(shield=True):
            if self._thread is not None:
                self._queue.put(None)
                await trio.to_thread.run_sync(self._thread.join)
                self._thread = None
                await trio.to_thread.run_sync(self._driver.close)
            else:
                self._flush()
                self._driver.close()

    async def submit(self, operation: Operation[R]) -> R:
        """Run an operation; returns when it is durable. The wait cannot be cancelled.

        Raises:
            Refused: 503 if too many wait, or the writer has been stopped.
        """
        if not self._running:
            raise Unavailable("the ledger is not open: the server is starting or stopping")
        if self.waiting >= self._bound and not operation.urgent:
            raise Refused(
                f"{self.waiting} operations wait for the ledger: try again in a moment",
                code="overloaded",
                status=503,
                retry_after=1,
            )
        request = _Request(operation, trio.lowlevel.current_task())
        self.waiting += 1
        if self._threaded:
            self._queue.put(request)
        else:
            self._gather(request)
        await trio.lowlevel.wait_task_rescheduled(_never)
        result = request.result
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[return-value]  # what the operation's ``finish`` returned

    def chore(self, work: Callable[[], None]) -> None:
        """Run something of the driver's own between two batches. Must not wait; errors are logged."""
        if self._threaded:
            self._queue.put(_Chore(work))
        else:
            _run_chore(work)

    def _gather(self, request: _Request) -> None:
        self._gathered.append(request)
        if len(self._gathered) == 1:
            assert self._token is not None, "started"
            self._token.run_sync_soon(self._flush)

    def _flush(self) -> None:
        while self._gathered:
            batch, self._gathered = self._gathered[:LARGEST_BATCH], self._gathered[LARGEST_BATCH:]
            self._deliver(batch, self._execute(batch))
            _run_chore(self._maintain_busy)

    def _work(self) -> None:
        """The thread: gather, store, tell; until ``None`` comes."""
        assert self._token is not None, "started"
        last = False
        settled = True
        while not last:
            try:
                item = self._queue.get() if settled else self._queue.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                _run_chore(self._maintain_idle)
                settled = True
                continue
            batch: list[_Request] = []
            while True:
                if item is None:
                    last = True
                elif isinstance(item, _Chore):
                    _run_chore(item.work)
                else:
                    batch.append(item)
                if len(batch) >= LARGEST_BATCH or self._queue.empty():
                    break
                item = self._queue.get_nowait()
            if batch:
                done = self._execute(batch)
                try:
                    self._token.run_sync_soon(self._deliver, batch, done)
                except trio.RunFinishedError:
                    logger.warning("the loop ended before %d answers of the ledger", len(batch))
                _run_chore(self._maintain_busy)
                settled = False

    def _maintain_idle(self) -> None:
        self._driver.maintain(True)

    def _maintain_busy(self) -> None:
        self._driver.maintain(False)

    def _execute(self, batch: list[_Request]) -> Done:
        try:
            return self._driver.execute([request.operation for request in batch])
        except Exception as error:
            logger.exception("the ledger's driver failed in a way it must not")
            return Done([error] * len(batch))

    def _deliver(self, batch: list[_Request], done: Done) -> None:
        changes = done.changes
        if changes.head is not None:
            self._heard(changes)
        self._measured(done.commit_seconds, len(batch))
        self.waiting -= len(batch)
        for request, result in zip(batch, done.results, strict=True):
            request.result = result
            trio.lowlevel.reschedule(request.task)


def _run_chore(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:
        logger.warning("the ledger's housekeeping failed: %s", error)
