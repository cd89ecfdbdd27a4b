"""One admitted call, from dispatch to settlement, in a task of the host's nursery."""

from __future__ import annotations

import logging
from math import inf
from typing import TYPE_CHECKING, Final

import trio

from aexl.api import Booked, Call, Ending, Headers, Hold, Lease, Outcome, Plan, Provider, Receipt, Replay, Reply, Target
from aexl.api.events import CallSettled
from aexl.core.calls.charge import charge
from aexl.core.calls.estimate import bound_output
from aexl.core.calls.pipe import Pipe, Whole
from aexl.errors import AexlError, CallError, ProviderFailed, Refused

if TYPE_CHECKING:
    from aexl.core.calls.path import CallPath

logger = logging.getLogger("aexl.calls")

RECORDED: Final = 1024 * 1024
"""Bytes of an answer that are kept until it is settled, for a replay and for an estimate."""


class RunningCall:
    """Drives one call, and is its ``Answer``.

    The client's task waits for ``head`` and reads ``chunks``; whether it stays or
    leaves, this task opens the targets, reads the answer and settles once.
    """

    replayed = False

    def __init__(
        self,
        path: CallPath,
        call: Call,
        plan: Plan,
        hold: Hold,
        targets: list[tuple[Target, Provider]],
        leases: list[Lease],
    ) -> None:
        self._path = path
        self._targets = targets
        self._leases = leases
        self.call = call
        self.plan = plan
        self.hold = hold
        self.execution = hold.execution
        self.receipt: Receipt = hold.receipt
        self.booked: Booked | None = None
        self.status = 0
        self.headers: Headers = ()
        self.stream = False
        self.chunks: Pipe | Whole = Pipe()
        self.error: BaseException | None = None
        self._scope = trio.CancelScope(deadline=call.deadline)
        self._verdict: Refused | None = None
        self._left = False
        self._settled = False
        self._delivered = False
        self._finished = False
        self._recorded: list[bytes] = []
        self._size = 0
        self._started = 0.0
        self._first_byte: float | None = None
        self._target = targets[0][0]
        self._reply: Reply | None = None
        self._ending = Ending.UNSENT
        self._failure: CallError | None = None
        self._ready = False
        self._waiting: trio.lowlevel.Task | None = None

    async def head(self) -> None:
        """Wait until the answer can begin, or has failed (see ``error``)."""
        if not self._ready:
            self._waiting = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._waiting = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _begin(self) -> None:
        self._ready = True
        if self._waiting is not None:
            task, self._waiting = self._waiting, None
            trio.lowlevel.reschedule(task)

    def delivered(self) -> None:
        """Hear that the client has everything."""
        self._delivered = True
        self._path.book.delivered(self.execution, True)

    @property
    def is_left(self) -> bool:
        """Nobody reads the answer any more, and it has not been settled."""
        return self._left

    def leave(self) -> None:
        """Hear that nobody reads the answer any more: drain the upstream within bounds, or end it now."""
        if not self._delivered:
            self._path.book.delivered(self.execution, False)
        if self._left or self._settled:
            return
        self._left = True
        if isinstance(self.chunks, Pipe):
            self.chunks.abandon()
        seconds = self._path.drain_seconds()
        if seconds <= 0:
            self._scope.cancel()
        else:
            self._scope.deadline = min(self._scope.deadline, trio.current_time() + seconds)

    def interrupt(self, verdict: Refused) -> None:
        """End the call now; who reads it gets ``verdict``."""
        self._verdict = verdict
        self._scope.cancel()

    async def run(self) -> None:
        """Dispatch, read and settle. What went wrong is in ``error`` or ends the pipe; only cancellation is raised."""
        self._started = trio.current_time()
        try:
            with self._scope:
                await self._dispatch()
        except trio.Cancelled:  # the host goes down
            self._ended(self._cancelled_ending(), self._timed_out())
            await self._settle()
            raise
        if self._scope.cancelled_caught:
            self._ended(self._cancelled_ending(), self._verdict or self._timed_out())
        await self._settle()

    def _ended(self, ending: Ending, failure: CallError | None) -> None:
        self._ending = ending
        self._failure = failure

    async def _dispatch(self) -> None:
        """Open one target after the other, until one may have taken the call; read its answer."""
        for target, provider in self._targets:
            self._target = target = self._granted(target)
            try:
                async with provider.open(self.call, target) as reply:
                    self._reply = reply
                    self._first_byte = trio.current_time() - self._started
                    self._ended(*await self._read(reply))
            except ProviderFailed as error:
                self._reply = None
                self._ended(Ending.UNSENT if error.charged == "no" else Ending.LOST, error)
                if error.charged == "no":
                    continue
            except Exception as error:
                logger.exception("provider %s failed in a way it must not", target.provider)
                self._ended(Ending.LOST, _broken(target, error))
            return

    def _outcome(self) -> Outcome:
        reply, ending = self._reply, self._ending
        usage = reply.usage if reply else None
        exact = usage is not None and ending is Ending.COMPLETED
        delivered = 0 if exact else self._bound()
        return Outcome(
            ending=ending,
            charge=charge(self.plan, self.hold, self._target, ending=ending, usage=usage, delivered=delivered),
            usage=usage,
            target=self._target,
            status=reply.status if reply else None,
            seconds=trio.current_time() - self._started,
            first_byte=self._first_byte,
            upstream_id=reply.upstream_id if reply else None,
        )

    def _granted(self, target: Target) -> Target:
        """Return the target with the output limit that the hold covers."""
        if self.hold.output_bound >= self.plan.output_bound:
            return target
        limit = self.hold.output_bound // max(self.call.choices, 1)
        asked = target.output_limit or self.call.output_limit
        return Target(
            provider=target.provider,
            model=target.model,
            price=target.price,
            output_limit=limit if asked is None else min(limit, asked),
        )

    async def _read(self, reply: Reply) -> tuple[Ending, CallError | None]:
        """Pass the body on, or gather it; return how it ended and what the reader is to hear."""
        good = 200 <= reply.status < 300
        self.status = reply.status
        self.headers = self._merge(reply.headers)
        if self.call.stream and good:
            self.stream = True
            self._begin()
        send = self.chunks.send if self.stream and isinstance(self.chunks, Pipe) else None
        receive = reply.chunks.receive
        room = self._path.options.answer_bytes
        try:
            while True:
                chunk = await receive()
                self._size += len(chunk)
                if self._size <= RECORDED or send is None:
                    self._recorded.append(chunk)
                if send is not None:
                    await send(chunk)
                elif self._size > room:
                    return Ending.LOST, ProviderFailed(
                        f"the provider's answer is longer than {room} bytes",
                        code="upstream_too_large",
                        status=502,
                        charged="unknown",
                    )
                if self._left and self._size > self._path.options.drain_bytes:
                    return Ending.LEFT, None
        except trio.EndOfChannel:
            pass
        except ProviderFailed as error:
            return (Ending.CUT if good else Ending.REJECTED), error
        if not good:
            return Ending.REJECTED, None
        self._finished = reply.finished
        ended = reply.finished or reply.usage is not None
        return (Ending.COMPLETED if ended else Ending.CUT), None

    def _cancelled_ending(self) -> Ending:
        if self._reply is None or (not self._ready and not self._recorded):
            return Ending.LOST
        return Ending.LEFT if self._left or self._verdict else Ending.CUT

    def _timed_out(self) -> ProviderFailed:
        return ProviderFailed("the call took longer than it may", code="call_timeout", status=504, charged="unknown")

    def _bound(self) -> int:
        """Return the most output tokens that can have arrived; bytes beyond the record count whole."""
        return bound_output(self._recorded) + max(0, self._size - RECORDED if self.stream else 0)

    async def _settle(self) -> None:
        """Book once, then let the reader go on."""
        outcome = self._outcome()
        trouble: BaseException | None = self._failure
        try:
            self.booked = await self._book(outcome)
        except AexlError as error:
            trouble = _unbooked(error)
        except Exception:
            logger.exception("settling execution %s failed", self.execution)
            trouble = _unbooked(None)
        self._settled = True
        for lease in reversed(self._leases):
            lease.close(outcome)
        self._path.finished(self, outcome)
        if self.booked is not None:
            self.receipt = self.booked.receipt if not self.stream else self.receipt
            self._path.publish(CallSettled(call=self.call, outcome=outcome, booked=self.booked))
        if isinstance(trouble, CallError):
            trouble.execution = self.execution
            trouble.receipt = f"{self.receipt.seq}:{self.receipt.hash}" if self.receipt.seq else None
        if self.stream and isinstance(self.chunks, Pipe):
            self.chunks.end(trouble)
        elif trouble is not None:
            self.error = trouble
        else:
            self.chunks = Whole(self._recorded)
        self._begin()

    async def _book(self, outcome: Outcome) -> Booked:
        """Settle, also in a host that is being cancelled; a shield is dear, and seldom needed."""
        book, answer = self._path.book, self._replay(outcome)
        if trio.current_effective_deadline() == -inf:
            scope = trio.CancelScope(shield=True)
            with scope:
                return await book.settle(self.hold, outcome, answer)
        return await book.settle(self.hold, outcome, answer)

    def _replay(self, outcome: Outcome) -> Replay | None:
        """Return what a repeated request may be answered with: complete successes that fit."""
        if outcome.ending is not Ending.COMPLETED or not self._finished or self._size > RECORDED:
            return None
        return Replay(
            execution=self.execution,
            status=self.status,
            headers=self.headers,
            chunks=self._recorded,
            stream=self.stream,
        )

    def _merge(self, headers: Headers) -> Headers:
        """Add the gates' headers, where the provider has none of the name."""
        names: set[bytes] | None = None
        merged = list(headers)
        for lease in self._leases:
            for name, value in lease.headers:
                if names is None:
                    names = {known for known, _ in headers}
                if name not in names:
                    merged.append((name, value))
        return merged


def _broken(target: Target, error: Exception) -> ProviderFailed:
    return ProviderFailed(
        f"provider {target.provider!r} failed ({type(error).__name__}); the server's log says why",
        code="provider_failed",
        status=502,
        charged="unknown",
    )


def _unbooked(error: AexlError | None) -> Refused:
    """Return what a caller hears when its call ran and could not be booked: the hold stays until recovery."""
    if isinstance(error, Refused):
        return error
    return Refused(
        "the ledger could not book this call; its hold stays until the ledger has recovered",
        code="ledger_unavailable",
        status=503,
        retry_after=5,
    )
