"""One admitted call, from dispatch to settlement, in a task of the host's nursery."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from aexl.api import Call, Ending, Headers, Hold, Lease, Plan, Provider, Reply, Target
from aexl.api.events import CallSettled
from aexl.core.calls.answer import LiveAnswer
from aexl.core.calls.charge import COMPLETED
from aexl.core.calls.pipe import Pipe, Whole
from aexl.core.calls.retries import Next, judge, pause, retry_after
from aexl.core.calls.settlement import RECORDED, Course, unbooked
from aexl.errors import AexlError, CallError, ProviderFailed, Refused

if TYPE_CHECKING:
    from aexl.core.calls.path import CallPath

logger = logging.getLogger("aexl.calls")


class RunningCall:
    """Drives one call and writes its ``answer``.

    Whether the client's task stays or leaves, this task opens the targets, reads
    the answer and settles once.
    """

    def __init__(
        self,
        path: CallPath,
        call: Call,
        plan: Plan,
        hold: Hold,
        targets: Sequence[tuple[Target, Provider]],
        leases: Sequence[Lease],
    ) -> None:
        self._path = path
        self._targets = targets
        self._leases = leases
        self.call = call
        self.plan = plan
        self.hold = hold
        self._each = hold  # what one attempt may cost
        self._lost = 0  # nano-dollars that earlier attempts may have cost
        self.answer = LiveAnswer(hold, path.book)
        self._course = Course(targets[0][0], call.received)
        self._resting = False  # between two attempts
        self._scope: trio.CancelScope | None = None  # while it is dispatched
        self._deadline = call.deadline
        self._stopped = False
        self._verdict: Refused | None = None
        self._left = False
        self._settled = False
        self.is_cut = False
        """Its dispatch was begun and has not come to its end; it never will once an exception has left it."""

    @property
    def is_left(self) -> bool:
        """Nobody reads the answer any more, and it has not been settled."""
        return self._left

    def leave(self) -> None:
        """Hear that nobody reads the answer any more: drain the upstream within bounds, or end it now."""
        answer = self.answer
        if not answer.is_delivered:
            self._path.book.delivered(answer.execution, False)
        if self._left or self._settled:
            return
        self._left = True
        if isinstance(answer.chunks, Pipe):
            answer.chunks.abandon()
        seconds = self._path.drain_seconds()
        if seconds <= 0:
            self.expire()
        else:
            self._deadline = min(self._deadline, self._path.now() + seconds)
            if self._scope is not None:
                self._path.deadlines.arm(self, self._deadline)

    def interrupt(self, verdict: Refused) -> None:
        """End the call now; who reads it gets ``verdict``."""
        self._verdict = verdict.copy()  # others of the agent's calls are given it too
        self.expire()

    def expire(self) -> None:
        """End the call now; what has been dispatched is settled as it is."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()

    async def dispatch(self, scope: trio.CancelScope) -> bool:
        """Send the call and read its answer; ``settle`` must follow. What went wrong is in the answer.

        Args:
            scope: Innermost of this task; is cancelled to end the call.

        Returns:
            Whether ``scope`` can serve another call.
        """
        deadlines = self._path.deadlines
        self._scope = scope
        self.is_cut = True
        deadlines.arm(self, self._deadline)
        if self._stopped:
            scope.cancel()
        try:
            if await self._try(*self._targets[0]):
                await self._try_on()
            self.is_cut = False
        finally:
            self._scope = None
            deadlines.waiting.pop(self, None)
        return not self._stopped

    async def _try_on(self) -> None:
        """Try the other targets, and all of them again, as far as the plan goes and an attempt may follow."""
        number = 1
        useless = {0} if judge(self._course) is Next.ELSEWHERE else set()
        for round_number in range(self.plan.rounds):
            if round_number and not await self._wait(round_number):
                return
            for index, (target, provider) in enumerate(self._targets):
                if index in useless or round_number == index == 0:
                    continue
                if not await self._go_on(number):
                    return
                number += 1
                if not await self._try(target, provider):
                    return
                if judge(self._course) is Next.ELSEWHERE:
                    useless.add(index)

    async def _try(self, planned: Target, provider: Provider) -> bool:
        """Open one target and read its answer; return whether another attempt may follow."""
        target = _granted(planned, self.call, self.plan, self.hold)
        self._course = course = Course(target, self._path.now())
        self._resting = False
        try:
            async with provider.open(self.call, target) as reply:
                course.reply = reply
                course.first_byte = self._path.now() - course.started
                course.ending, course.failure = await self._read(reply)
        except ProviderFailed as error:
            course.reply = None
            course.end(Ending.UNSENT if error.charged == "no" else Ending.LOST, error)
        except Exception as error:
            logger.exception("provider %s failed in a way it must not", target.provider)
            course.end(Ending.LOST, _broken(target, error))
        if course.ending is COMPLETED or self.answer.has_begun or self._left:
            return False
        self._resting = True
        if course.reply is not None:
            course.retry_after = retry_after(course.reply.headers, time.time())
        return judge(course) is not Next.NOTHING

    async def _wait(self, round_number: int) -> bool:
        """Wait for another round; return whether there is one."""
        seconds = pause(round_number, self._course.retry_after, self.plan.patience, random.random)
        if seconds is None or self._path.now() + seconds >= self.call.deadline:
            return False
        await trio.sleep(seconds)
        return not self._left

    async def _go_on(self, number: int) -> bool:
        """Put the attempt that failed on record, and hold what it may cost; return whether another may follow."""
        course = self._course
        extra = self._each.amount if course.may_be_charged else 0
        book = self._path.retrying
        if book is not None:
            try:
                self.hold = await book.retry(self.hold, course.attempt(number, extra, self._path.now()))
            except AexlError as error:
                logger.info("execution %s is not tried elsewhere: %s", self.answer.execution, error)
                return False
        elif extra:
            return False
        self._path.tried(course.outcome(self.plan, self._each, self._path.now(), stream=False))
        self._lost += extra
        self.answer.reset()
        return True

    async def _read(self, reply: Reply) -> tuple[Ending, CallError | None]:
        """Pass the body on, or gather it; return how it ended and what the reader is to hear."""
        answer, course = self.answer, self._course
        good = 200 <= reply.status < 300
        answer.status = reply.status
        answer.headers = _merged(reply.headers, self._leases) if self._leases else reply.headers
        pipe = Pipe() if self.call.stream and good else None
        if pipe is not None:
            answer.stream = True
            answer.chunks = pipe
        receive = reply.chunks.receive
        options = self._path.options
        try:
            while True:
                chunk = await receive()
                course.size += len(chunk)
                if course.size <= RECORDED or pipe is None:
                    course.recorded.append(chunk)
                if pipe is not None:
                    if not answer.has_begun:  # from here on, nothing is tried again
                        answer.begin()
                    await pipe.send(chunk)
                elif course.size > options.answer_bytes:
                    return Ending.LOST, _too_large(options.answer_bytes)
                if self._left and course.size > options.drain_bytes:
                    return Ending.LEFT, None
        except trio.EndOfChannel:
            pass
        except ProviderFailed as error:
            return (Ending.CUT if good else Ending.REJECTED), error
        if not good:
            return Ending.REJECTED, None
        course.finished = reply.finished
        ended = course.finished or reply.usage is not None
        return (COMPLETED if ended else Ending.CUT), None

    def _cancelled_ending(self) -> Ending:
        course = self._course
        if self._resting:
            return course.ending
        if course.reply is None or (not self.answer.has_begun and not course.recorded):
            return Ending.LOST
        return Ending.LEFT if self._left or self._verdict else Ending.CUT

    async def settle(self) -> None:
        """Book once, then let the reader go on. Only cancellation is raised."""
        answer, course = self.answer, self._course
        if self.is_cut:
            course.end(self._cancelled_ending(), self._verdict or _timed_out())
        outcome = course.outcome(self.plan, self._each, self._path.now(), stream=answer.stream, lost=self._lost)
        trouble: BaseException | None = course.failure
        try:
            settling = self._path.book.settle(self.hold, outcome, course.replay(answer))
            if self._path.is_ending:
                with trio.CancelScope(shield=True):  # is dear, and seldom needed
                    answer.booked = await settling
            else:
                answer.booked = await settling
        except AexlError as error:
            trouble = unbooked(error)
        except Exception:
            logger.exception("settling execution %s failed", answer.execution)
            trouble = unbooked(None)
        self._settled = True
        for lease in reversed(self._leases):
            lease.close(outcome)
        self._path.finished(self, outcome)
        if answer.booked is not None:
            answer.receipt = answer.booked.receipt if not answer.stream else answer.receipt
            self._path.publish(CallSettled(call=self.call, outcome=outcome, booked=answer.booked))
        if isinstance(trouble, CallError):
            trouble.execution = answer.execution
            trouble.receipt = f"{answer.receipt.seq}:{answer.receipt.hash}" if answer.receipt.seq else None
            if answer.booked is not None:
                trouble.cost, trouble.remaining = answer.booked.amount, answer.booked.remaining
        if answer.stream and isinstance(answer.chunks, Pipe):
            answer.chunks.end(trouble)
        elif trouble is not None:
            answer.error = trouble
        else:
            answer.chunks = Whole(course.recorded)
        answer.begin()


def _granted(target: Target, call: Call, plan: Plan, hold: Hold) -> Target:
    """Return the target with the output limit that the hold covers."""
    if hold.output_bound >= plan.output_bound:
        return target
    limit = hold.output_bound // max(call.choices, 1)
    asked = target.output_limit or call.output_limit
    return Target(
        provider=target.provider,
        model=target.model,
        price=target.price,
        output_limit=limit if asked is None else min(limit, asked),
    )


def _merged(headers: Headers, leases: Sequence[Lease]) -> Headers:
    """Add the gates' headers, where the provider has none of the name."""
    extra = [header for lease in leases for header in lease.headers]
    if not extra:
        return headers
    names = {name for name, _ in headers}
    return [*headers, *(header for header in extra if header[0] not in names)]


def _broken(target: Target, error: Exception) -> ProviderFailed:
    return ProviderFailed(
        f"provider {target.provider!r} failed ({type(error).__name__}); the server's log says why",
        code="provider_failed",
        status=502,
        charged="unknown",
    )


def _too_large(room: int) -> ProviderFailed:
    return ProviderFailed(
        f"the provider's answer is longer than {room} bytes",
        code="upstream_too_large",
        status=502,
        charged="unknown",
    )


def _timed_out() -> ProviderFailed:
    return ProviderFailed("the call took longer than it may", code="call_timeout", status=504, charged="unknown")
