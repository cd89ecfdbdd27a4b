"""The one writer: many tasks ask, what has gathered is stored in one transaction, one batch after the other.

While a batch is being made durable the next one gathers by itself; a single call
into the loop wakes everyone whom a batch answers. A batch of quick operations is
decided and written in the loop, and only the wait for the disk is the thread's,
unless the disk is so quick that even that is shorter in the loop: two threads that
both run Python take the interpreter's lock from each other, which cost more than
the work itself (docs/explanation/performance.md). Everything else is the thread's. Without the thread the writer runs in the
loop, so that a test with a seed is the same each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

import outcome
import trio

from aexl.errors import Refused, Unavailable
from aexl_ledger.disk_thread import Chore, DiskThread, Job, run_chore, store
from aexl_ledger.driver import Changes, Done, Driver
from aexl_ledger.operations import Operation

R = TypeVar("R")

LARGEST_BATCH: Final = 256

MOST_PASSES: Final = 32
"""Passes of the loop for which a batch gathers at most."""

IDLE_PASS: Final = 0.000_02
"""Seconds: a pass that was over sooner found nothing to do."""


_Request: TypeAlias = tuple[Operation[Any], trio.lowlevel.Task]
"""An operation, and the task that waits for its answer."""


def _never(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


class Writer:
    """Owns the driver from ``start`` to ``stop``.

    Args:
        bound: Operations that may wait; urgent ones are let in all the same.
        threaded: Wait for the disk in a thread.
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
        self._gathered: list[_Request] = []
        self._thread: DiskThread | None = None
        self._task: trio.lowlevel.Task | None = None  # of ``_write``, while it has nothing to do
        self._done: Done | None = None
        self._ended = trio.Event()
        self._running = False
        self.waiting = 0
        """Operations that wait for their answers."""

    async def start(self) -> list[str]:
        """Open the ledger; return the ids of executions without an end.

        Raises:
            Unavailable: If it cannot be opened; says why.
        """
        if self._threaded:
            done = await trio.to_thread.run_sync(self._driver.open)
            self._thread = DiskThread(self._driver, trio.lowlevel.current_trio_token())
            self._thread.start()
        else:
            done = self._driver.open()
        self._running = True
        trio.lowlevel.spawn_system_task(self._write, name="aexl ledger writer")
        self._heard(done.changes)
        return [str(execution) for execution in done.results]

    async def stop(self) -> None:
        """Store what waits, then close. Not cancellable; what is asked later is refused."""
        self._running = False
        with trio.CancelScope(shield=True):
            self._wake()
            await self._ended.wait()
            if self._thread is not None:
                await self._thread.stop()
                await trio.to_thread.run_sync(self._driver.close)
            else:
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
        self.waiting += 1
        if not self._gathered:
            self._wake()
        self._gathered.append((operation, trio.lowlevel.current_task()))
        result: R = await trio.lowlevel.wait_task_rescheduled(_never)  # what the operation's ``finish`` returned
        return result

    def chore(self, work: Chore) -> None:
        """Run something of the driver's own between two batches. Must not wait; errors are logged."""
        if self._thread is not None:
            self._thread.do(work)
        else:
            run_chore(work)

    async def _write(self) -> None:
        """The task that gathers, stores and answers; ends when the writer has been stopped and nothing waits."""
        while self._running or self._gathered:
            if not self._gathered:
                await self._sleep()
                continue
            await self._gather()
            requests, self._gathered = self._gathered[:LARGEST_BATCH], self._gathered[LARGEST_BATCH:]
            self._answer(requests, await self._store([operation for operation, _ in requests]))
        self._ended.set()

    async def _gather(self) -> None:
        """Let the loop go on while it has something to do: a flush costs more than many of its passes."""
        idle, now = 0, trio.current_time()
        for _ in range(MOST_PASSES):
            gathered, began = len(self._gathered), now
            await trio.lowlevel.cancel_shielded_checkpoint()
            now = trio.current_time()
            busy = len(self._gathered) > gathered or now - began > IDLE_PASS
            idle = 0 if busy else idle + 1
            if idle == 2:  # once is by chance: the loop runs tasks in one order and in the reverse
                return

    async def _store(self, operations: list[Operation[Any]]) -> Done:
        if self._thread is None:
            done = store(self._driver, Job(operations, self._hear))
            run_chore(lambda: self._driver.maintain(False))
            return done
        job = Job(operations, self._hear)
        self._done = self._thread.begin(job)
        if self._done is None:
            self._thread.store(job)
        while self._done is None:
            await self._sleep()
        done, self._done = self._done, None
        return done

    def _hear(self, done: Done) -> None:
        self._done = done
        self._wake()

    def _answer(self, requests: list[_Request], done: Done) -> None:
        changes = done.changes
        if changes.head is not None:
            self._heard(changes)
        self._measured(done.commit_seconds, len(requests))
        self.waiting -= len(requests)
        for (_, task), result in zip(requests, done.results, strict=True):
            answer = outcome.Error(result) if isinstance(result, BaseException) else outcome.Value(result)
            trio.lowlevel.reschedule(task, answer)

    async def _sleep(self) -> None:
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(_never)

    def _wake(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)
