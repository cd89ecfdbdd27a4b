"""The book: ``Settlement`` on top of the writer, and what runs beside it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

import trio

from aexl.api.records import Attempt, Booked, Call, Hold, Outcome, Plan, Receipt, Replay
from aexl.errors import AexlError, Refused, Unavailable
from aexl_ledger import answers
from aexl_ledger.aftermath import Deny, Recover, Release
from aexl_ledger.attempts import Attempts
from aexl_ledger.directory import Directory
from aexl_ledger.driver import DiskFull, Driver, StorageFailed
from aexl_ledger.executions import InFlight, Reserve, Settle
from aexl_ledger.flight import Flight
from aexl_ledger.lifecycle import refusal
from aexl_ledger.metrics import Metrics
from aexl_ledger.operations import Operation
from aexl_ledger.options import LedgerOptions
from aexl_ledger.outcomes import succeeded
from aexl_ledger.retries import Retry
from aexl_ledger.sqlite import SqliteDriver, wall_micros
from aexl_ledger.windows import MICROS
from aexl_ledger.writer import Writer

if TYPE_CHECKING:
    from aexl.api import Host

logger = logging.getLogger("aexl.ledger")

R = TypeVar("R")

SMALL_ANSWER: Final = 16 * 1024
"""Bytes of an answer that is compressed in the loop, in some 0.2 ms; larger ones go to a thread."""

SETTLE_WAITS: Final = (0.05, 0.2, 1.0, 3.0)
"""Seconds between the tries to store a settlement. After the last the sweeper books the hold."""

EXPIRE_SECONDS: Final = 60.0
"""Between two deletions of what is too old."""


class Ledger:
    """The book of one process.

    Args:
        clock: Returns Unix microseconds.
        threaded: Store in a thread of its own; without it in the loop, for tests with a seed.
        driver: Stores the ledger instead of SQLite at ``path``.
    """

    name = "ledger"

    def __init__(
        self,
        path: Path,
        options: LedgerOptions,
        *,
        host: Host | None = None,
        clock: Callable[[], int] = wall_micros,
        threaded: bool = True,
        driver: Driver | None = None,
    ) -> None:
        self.path = path
        self.options = options
        self.directory = Directory(clock)
        self.metrics = Metrics()
        self._host = host
        self._threaded = threaded
        self._driver = driver or SqliteDriver(path, options, clock=clock)
        self.writer = Writer(
            self._driver,
            bound=options.queue,
            threaded=threaded,
            heard=self.directory.hear,
            measured=self.metrics.hear_batch,
        )
        self._flights: dict[str, Flight] = {}
        self._attempts = Attempts(options.retry_window, options.undelivered_bytes)
        self._retention = round(options.answer_retention * MICROS)

    @property
    def trouble(self) -> str | None:
        """What keeps the ledger from being written, as far as is known."""
        return self._driver.trouble

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the ledger open: recover what a crash left, and sweep.

        Raises:
            Unavailable: If the ledger cannot be opened; says why.
        """
        left = await self.writer.start()
        try:
            await self._recover(left)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._sweep)
                yield
                nursery.cancel_scope.cancel()
        finally:
            await self.writer.stop()

    async def _recover(self, left: Sequence[str]) -> None:
        """Book the holds of executions without an end, all in few transactions."""
        async with trio.open_nursery() as nursery:
            for execution in left:
                nursery.start_soon(self.writer.submit, Recover(execution))
        self.metrics.recovered += len(left)
        if left:
            logger.warning("booked the holds of %d executions that had no end", len(left))

    async def reserve(self, call: Call, plan: Plan) -> Hold | Replay:
        await trio.lowlevel.checkpoint_if_cancelled()
        if call.keyed:
            return await self._reserve_keyed(call, plan)
        if call.retry_count > 0:
            answer = await self._join(call)
            if answer is not None:
                return answer
        hold = await self._reserve(call, plan)
        assert isinstance(hold, Hold), "only keyed calls have claims"
        return hold

    async def _join(self, call: Call) -> Replay | None:
        """Return the answer of the attempt that a retry repeats, if it may join one and that has one."""
        attempt = self._attempts.join((call.principal.agent, call.fingerprint), trio.current_time())
        if attempt is None:
            return None
        flight = self._flights.get(attempt.execution)
        if flight is not None:
            await flight.wait(attempt.execution, trio.current_time() + self.options.flight_wait)
        return attempt.replay()

    async def _reserve_keyed(self, call: Call, plan: Plan) -> Hold | Replay:
        until = trio.current_time() + self.options.flight_wait
        while True:
            found = await self._reserve(call, plan)
            if not isinstance(found, InFlight):
                return found
            flight = self._flights.get(found.execution)
            if flight is not None:
                await flight.wait(found.execution, until)

    async def _reserve(self, call: Call, plan: Plan) -> Hold | Replay | InFlight:
        operation = Reserve(call, plan, self._retention)
        try:
            # The driver answers with what is stored where the operation answered ``Stored``.
            found = cast("Hold | Replay | InFlight", await self.writer.submit(operation))
        except Unavailable as error:
            raise _refusal(error) from error
        if type(found) is not Hold:
            return found
        agent, now = call.principal.agent, trio.current_time()
        deadline = min(call.deadline, now + self.options.hold_timeout) + self.options.sweep_slack
        flight = self._flights[found.execution] = Flight(agent, operation.claim(), deadline)
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
        except trio.Cancelled:
            await self._give_back(found)
            raise
        if not call.keyed:
            flight.attempt = self._attempts.begin(found.execution, (agent, call.fingerprint), now)
        return found

    async def retry(self, hold: Hold, attempt: Attempt) -> Hold:
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            held = await self.writer.submit(Retry(hold, attempt))
        except Unavailable as error:
            raise _refusal(error) from error
        await trio.lowlevel.checkpoint_if_cancelled()
        return held

    async def _give_back(self, hold: Hold) -> None:
        """Release a hold whose caller will never hear of it; where that fails the sweeper books it."""
        try:
            await self._persist(Release(hold.execution))
        except AexlError as error:
            logger.warning("the hold of %s could not be released: %s", hold.execution, error)
            self._flights[hold.execution].deadline = -1.0
        else:
            self._land(hold.execution, None, None)

    async def settle(self, hold: Hold, outcome: Outcome, answer: Replay | None) -> Booked:
        execution = hold.execution
        flight = self._flights.get(execution)
        good = answer is not None and succeeded(outcome)
        key = None if flight is None else flight.key
        packed = await self._pack(answer) if good and key is not None and answer is not None else None
        # The driver answers with what is stored where the operation answered ``BookedBefore``.
        booked = cast("Booked", await self._persist(Settle(execution, outcome, key, packed, self._retention)))
        if flight is not None and execution in self._flights:
            self._land(execution, answer if good else None, booked)
            self.metrics.hear_settlement(outcome, booked)
            if booked.overrun:
                self.interrupt(flight.agent, "frozen", f"execution {execution} cost more than was set aside for it")
        await trio.lowlevel.checkpoint_if_cancelled()
        return booked

    async def _persist(self, operation: Operation[R]) -> R:
        for wait in SETTLE_WAITS:
            try:
                return await self.writer.submit(operation)
            except StorageFailed as error:
                logger.warning("the end of an execution is not stored yet: %s", error)
            with trio.CancelScope(shield=True):
                await trio.sleep(wait)
        return await self.writer.submit(operation)

    async def _pack(self, answer: Replay) -> bytes | None:
        size = answers.size(answer)
        if size > self.options.answer_bytes:
            return None
        if size <= SMALL_ANSWER or not self._threaded:
            return answers.pack(answer)
        packed: bytes | None = None
        with trio.CancelScope(shield=True):
            packed = await trio.to_thread.run_sync(answers.pack, answer)
        return packed  # noqa: RET504 - mypy knows that a scope can swallow

    async def deny(self, call: Call, refused: Refused) -> Receipt | None:
        self.metrics.hear_denial(refused.code)
        operation = Deny(call, refused)
        try:
            receipt = await self.writer.submit(operation)
        except (Refused, Unavailable) as error:
            logger.debug("a refusal was not recorded: %s", error)
            return None
        refused.execution, refused.remaining = operation.execution, operation.remaining
        await trio.lowlevel.checkpoint_if_cancelled()
        return receipt

    def delivered(self, execution: str, complete: bool) -> None:
        self._attempts.deliver(execution, complete)

    async def ask(self, operation: Operation[R]) -> R:
        """Run an operation of a role; finishes what was begun when it is cancelled, and then raises.

        Raises:
            Unavailable: If it could not be stored, or too many wait.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            return await self.writer.submit(operation)
        except Refused as error:
            raise Unavailable(str(error)) from error
        finally:
            await trio.lowlevel.checkpoint_if_cancelled()

    def interrupt(self, agent: str, state: str, reason: str | None) -> None:
        """End the running calls of an agent and of its descendants."""
        if self._host is not None:
            verdict = refusal(agent, state, reason)
            for name in self.directory.family(agent):
                self._host.interrupt(name, verdict)

    def _land(self, execution: str, answer: Replay | None, booked: Booked | None) -> None:
        """Hear that an execution has its end, and wake who waits for it."""
        flight = self._flights.pop(execution)
        if flight.attempt is not None:
            size = 0 if answer is None else answers.size(answer)
            if size > self.options.answer_bytes:
                answer = None
            flight.attempt.booked = booked
            self._attempts.end(flight.attempt, answer, size)
        if flight.ended is not None:
            flight.ended.set()

    async def _sweep(self) -> None:
        """Book the holds of executions past their deadline, by trio's clock, which no one sets."""
        expiry = trio.current_time()
        while True:
            await trio.sleep(self.options.sweep_interval)
            now = trio.current_time()
            self._attempts.prune(now)
            if now >= expiry:
                expiry = now + EXPIRE_SECONDS
                self.writer.chore(self._driver.expire)
            for execution in [key for key, flight in self._flights.items() if flight.deadline < now]:
                try:
                    await self.writer.submit(Recover(execution))
                except AexlError as error:
                    logger.warning("the execution %s is past its deadline and cannot be booked: %s", execution, error)
                    continue
                if execution in self._flights:  # else it was settled while this was being booked
                    logger.warning("booked the hold of %s, which was past its deadline", execution)
                    self.metrics.recovered += 1
                    self._land(execution, None, None)


def _refusal(error: Unavailable) -> Refused:
    """Return what a caller hears whose money could not be set aside."""
    if isinstance(error, DiskFull):
        return Refused(str(error), code="disk_full", status=503, retry_after=30)
    if isinstance(error, StorageFailed):
        return Refused(str(error), code="ledger_unavailable", status=503, retry_after=5)
    return Refused(str(error), code="ledger_closed", status=503, retry_after=1)
