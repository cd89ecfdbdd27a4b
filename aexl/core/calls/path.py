"""The way every call goes, whoever makes it (DESIGN section 3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final

import outcome
import trio

from aexl.api import (
    Admission,
    Answer,
    Call,
    Dispatcher,
    Hold,
    Lease,
    Outcome,
    Plan,
    Planning,
    Provider,
    Replay,
    Retrying,
    Reviser,
    Settlement,
    Target,
)
from aexl.api.events import CallAdmitted, CallDenied
from aexl.core.calls.answer import StoredAnswer
from aexl.core.calls.metrics import CallMetrics
from aexl.core.calls.options import CallOptions
from aexl.core.calls.run import RunningCall
from aexl.core.calls.unbooked import Unbooked
from aexl.core.http.upstream.deadlines import Deadlines
from aexl.errors import AexlError, Refused

logger = logging.getLogger("aexl.calls")

MOST_PARKED: Final = 64
"""Tasks that are kept for calls to come."""


class CallPath:
    """Plans, admits, books and runs calls.

    Args:
        gates: In the order in which a call passes them.
        book: ``None`` where no plugin offers one.
        publish: Tells the host's subscribers.
    """

    def __init__(
        self,
        *,
        gates: Sequence[Admission],
        book: Settlement | None,
        dispatcher: Dispatcher | None,
        publish: Callable[[object], None],
        options: CallOptions,
    ) -> None:
        self.gates = tuple(gates)
        self.revisers = tuple(gate for gate in gates if isinstance(gate, Reviser))
        self.book: Settlement = book or Unbooked()
        self.retrying = self.book if isinstance(self.book, Retrying) else None
        self.dispatcher = dispatcher
        self.publish = publish
        self.options = options
        self.providers: Mapping[str, Provider] = {}
        self.metrics = CallMetrics()
        self.deadlines = Deadlines()
        self.now: Callable[[], float] = trio.current_time
        """The time on trio's clock; while calls are served, without looking for the clock each time."""
        self.is_ending = False
        """Every call is being cancelled, with the host."""
        self._nursery: trio.Nursery | None = None
        self._running: set[RunningCall] = set()
        self._parked: dict[trio.lowlevel.Task, None] = {}
        self._idle = trio.Event()
        self._idle.set()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the nursery in which calls run, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.now = trio.lowlevel.current_clock().current_time
            nursery.start_soon(self.deadlines.watch)
            task_status.started()
            await trio.lowlevel.wait_task_rescheduled(self._end)

    def _end(self, _: object) -> trio.lowlevel.Abort:
        """Hear that the host goes down, before the task of any call does."""
        self.is_ending = True
        return trio.lowlevel.Abort.SUCCEEDED

    async def drain(self, grace: float) -> None:
        """Wait for running calls to be settled; after ``grace`` seconds end and settle them."""
        with trio.move_on_after(grace):
            await self._idle.wait()
        for call in tuple(self._running):
            call.interrupt(Refused("the server is shutting down", code="shutting_down", status=503, retry_after=1))
        await self._idle.wait()

    def interrupt(self, agent: str, verdict: Refused) -> int:
        """End the running calls of an agent; see ``Host.interrupt``."""
        ended = [run for run in self._running if run.call.principal.agent == agent]
        for run in ended:
            run.interrupt(verdict)
        return len(ended)

    @property
    def in_flight(self) -> int:
        """How many calls have been dispatched and are not settled."""
        return len(self._running)

    def call(self, call: Call) -> CallContext:
        """Return the context in which a call runs; see ``Host.call``."""
        return CallContext(self, call)

    async def begin(self, call: Call) -> RunningCall | StoredAnswer:
        """Take a call through plan, gates and book, and start it.

        Raises:
            Refused: With execution and receipt, after the refusal was recorded.
        """
        leases: list[Lease] = []
        granted: Hold | Replay | None = None
        try:
            for reviser in self.revisers:
                call = await reviser.revise(call)
            plan = self._plan(call)
            targets = self._resolve(plan)
            for gate in self.gates:
                lease = await gate.admit(call, plan)
                if lease is not None:
                    leases.append(lease)
            granted = await self.book.reserve(call, plan)
        except Refused as refused:
            await self._deny(call, refused)
            raise
        except Exception as error:
            denial = _failed(error)
            await self._deny(call, denial)
            raise denial from error
        finally:
            if not isinstance(granted, Hold):
                for lease in reversed(leases):
                    lease.close(None)
        if isinstance(granted, Replay):
            self.metrics.replayed += 1
            return StoredAnswer(granted, self.book)
        return self._start(RunningCall(self, call, plan, granted, targets, leases))

    def _plan(self, call: Call) -> Plan:
        if call.surface == "tools":
            return self._plan_tool(call)
        if self.dispatcher is None:
            raise Refused("no plugin plans calls: enable the catalog", code="no_dispatcher", status=503)
        return self.dispatcher.plan(call, self.providers)

    def _plan_tool(self, call: Call) -> Plan:
        for provider in self.providers.values():
            plan = provider.plan(call) if isinstance(provider, Planning) else None
            if plan is not None:
                return plan
        raise Refused(
            f"there is no tool {call.model[:100]!r}; see [tools.<name>] in aexl.toml",
            code="tool_not_found",
            status=404,
            param="tool_name",
        )

    def _resolve(self, plan: Plan) -> list[tuple[Target, Provider]]:
        """Find the providers of a plan now, so that a reload cannot change them while the call waits."""
        try:
            return [(target, self.providers[target.provider]) for target in plan.targets]
        except KeyError as error:
            raise Refused(
                f"provider {error.args[0]!r} is not configured", code="provider_missing", status=503
            ) from error

    def _start(self, run: RunningCall) -> RunningCall:
        assert self._nursery is not None, "CallPath.serve must run"
        self.metrics.admitted += 1
        self._running.add(run)
        if len(self._running) == 1:
            self._idle = trio.Event()
        if self._parked:
            trio.lowlevel.reschedule(self._parked.popitem()[0], outcome.Value(run))
        else:
            self._nursery.start_soon(self._work, run)
        self.publish(CallAdmitted(call=run.call, plan=run.plan))
        return run

    async def _work(self, first: RunningCall) -> None:
        """Run calls, one after the other: a task that waits for the next costs less than a new one.

        They share a cancel scope, which is dear as well, until one of them is cancelled.
        """
        run: RunningCall | None = first
        while run is not None:
            try:
                with trio.CancelScope() as scope:
                    while run is not None and await run.dispatch(scope):
                        await run.settle()
                        run = await self._park()
            except BaseException:  # the host goes down
                if run is not None and run.is_cut:
                    await run.settle()
                raise
            if run is not None:
                await run.settle()
                run = await self._park()

    async def _park(self) -> RunningCall | None:
        """Wait for the next call; ``None`` where enough others do."""
        if len(self._parked) >= MOST_PARKED:
            return None
        self._parked[trio.lowlevel.current_task()] = None
        run: RunningCall = await trio.lowlevel.wait_task_rescheduled(self._leave)
        return run

    def _leave(self, _: object) -> trio.lowlevel.Abort:
        """The host goes down, and with it every task that waits for a call."""
        self._parked.clear()
        return trio.lowlevel.Abort.SUCCEEDED

    def finished(self, run: RunningCall, result: Outcome) -> None:
        """Hear from a run that it has been settled."""
        self._running.discard(run)
        if not self._running:
            self._idle.set()
        self.metrics.settled(result)
        if self.dispatcher is not None:
            self.dispatcher.report(result.target, result)

    def tried(self, result: Outcome) -> None:
        """Hear from a run of an attempt that failed, and is followed by another."""
        self.metrics.retried += 1
        if self.dispatcher is not None:
            self.dispatcher.report(result.target, result)

    async def _deny(self, call: Call, refused: Refused) -> None:
        self.metrics.denied[refused.code] = self.metrics.denied.get(refused.code, 0) + 1
        refused.execution = call.id
        refused.cost = 0
        try:
            receipt = await self.book.deny(call, refused)
        except AexlError as error:
            logger.warning("a refusal (%s) could not be recorded: %s", refused.code, error)
        else:
            if receipt is not None:
                refused.receipt = f"{receipt.seq}:{receipt.hash}"
        self.publish(CallDenied(call=call, refused=refused))  # only now, when it has its execution and receipt

    def drain_seconds(self) -> float:
        """Return how long an answer that nobody reads may be drained from now; 0 means not at all."""
        draining = sum(run.is_left for run in self._running)
        allowed = self.options.on_leave == "drain" and draining <= self.options.drains
        return self.options.drain_seconds if allowed else 0.0


def _failed(error: Exception) -> Refused:
    """Return the refusal for a gate, a plan or a book that failed in a way it must not: an error denies."""
    logger.error("admission failed", exc_info=error)
    if isinstance(error, AexlError):
        return Refused(str(error), code="admission_failed", status=503, retry_after=1)
    return Refused(
        f"the call could not be admitted ({type(error).__name__}); the server's log says why",
        code="admission_failed",
        status=500,
    )


class CallContext:
    """The context of one call: entered when its answer begins, left when its reader is done."""

    def __init__(self, path: CallPath, call: Call) -> None:
        self._path = path
        self._call = call
        self._run: RunningCall | None = None

    async def __aenter__(self) -> Answer:
        begun = await self._path.begin(self._call)
        if isinstance(begun, StoredAnswer):
            return begun
        self._run = begun
        answer = begun.answer
        try:
            await answer.head()
        except BaseException:
            begun.leave()
            raise
        if answer.error is not None:
            raise answer.error
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run is not None:
            self._run.leave()
