"""What is booked of a call: how it went, what it costs, what a repetition of it is answered with."""

from __future__ import annotations

from math import inf
from typing import Final

import trio

from aexl.api import Attempt, Booked, Ending, Hold, Outcome, Plan, Replay, Reply, Settlement, Target
from aexl.core.calls.answer import LiveAnswer
from aexl.core.calls.charge import charge, with_lost
from aexl.core.calls.estimate import bound_output
from aexl.errors import AexlError, CallError, Refused

RECORDED: Final = 1024 * 1024
"""Bytes of an answer that are kept until it is settled, for a replay and for an estimate."""


class Course:
    """How a call has gone so far.

    Attributes:
        target: Where it went last.
        reply: What that provider answers with, once it does.
        ending: How it ended, or would if it ended now.
        failure: What the reader is to hear of that.
        finished: The answer ended as its dialect says.
        recorded: The body; of a stream the first ``RECORDED`` bytes.
        size: Bytes of the body.
        retry_after: Seconds that the provider asks to be left alone for.
        started: When it was dispatched, on trio's clock.
        first_byte: Seconds from then to the answer's head.
    """

    __slots__ = (
        "ending",
        "failure",
        "finished",
        "first_byte",
        "recorded",
        "reply",
        "retry_after",
        "size",
        "started",
        "target",
    )

    def __init__(self, target: Target, started: float = 0.0) -> None:
        self.target = target
        self.reply: Reply | None = None
        self.ending = Ending.UNSENT
        self.failure: CallError | None = None
        self.finished = False
        self.recorded: list[bytes] = []
        self.size = 0
        self.retry_after: float | None = None
        self.started = started
        self.first_byte: float | None = None

    def end(self, ending: Ending, failure: CallError | None) -> None:
        """Note how it ended."""
        self.ending = ending
        self.failure = failure

    @property
    def may_be_charged(self) -> bool:
        """The provider neither said that it failed, nor was never reached."""
        return self.ending not in (Ending.REJECTED, Ending.UNSENT)

    def outcome(self, plan: Plan, hold: Hold, *, stream: bool, lost: int = 0) -> Outcome:
        """Return what the book is told, if the call ends now.

        Args:
            hold: Of one attempt.
            lost: Nano-dollars that earlier attempts may have cost.
        """
        reply, ending = self.reply, self.ending
        usage = reply.usage if reply else None
        exact = usage is not None and ending is Ending.COMPLETED
        delivered = 0 if exact else self._bound(stream)
        own = charge(plan, hold, self.target, ending=ending, usage=usage, delivered=delivered)
        return Outcome(
            ending=ending,
            charge=with_lost(own, lost) if lost else own,
            usage=usage,
            target=self.target,
            status=reply.status if reply else None,
            seconds=trio.current_time() - self.started,
            first_byte=self.first_byte,
            upstream_id=reply.upstream_id if reply else None,
            retry_after=self.retry_after,
        )

    def attempt(self, number: int, extra: int) -> Attempt:
        """Return what is put on record of an attempt that failed."""
        return Attempt(
            number=number,
            target=self.target,
            ending=self.ending,
            code=self.failure.code if self.failure is not None else "status",
            status=self.reply.status if self.reply else None,
            seconds=trio.current_time() - self.started,
            extra=extra,
        )

    def _bound(self, stream: bool) -> int:
        """Return the most output tokens that can have arrived; bytes beyond the record count whole."""
        return bound_output(self.recorded) + max(0, self.size - RECORDED if stream else 0)

    def replay(self, answer: LiveAnswer) -> Replay | None:
        """Return what a repeated request may be answered with: complete successes that fit."""
        if self.ending is not Ending.COMPLETED or not self.finished or self.size > RECORDED:
            return None
        return Replay(
            execution=answer.execution,
            status=answer.status,
            headers=answer.headers,
            chunks=self.recorded,
            stream=answer.stream,
        )


async def settle(book: Settlement, hold: Hold, outcome: Outcome, replay: Replay | None) -> Booked:
    """Book, also in a host that is being cancelled; a shield is dear, and seldom needed."""
    if trio.current_effective_deadline() == -inf:
        scope = trio.CancelScope(shield=True)
        with scope:
            return await book.settle(hold, outcome, replay)
    return await book.settle(hold, outcome, replay)


def unbooked(error: AexlError | None) -> Refused:
    """Return what a caller hears when its call ran and could not be booked: the hold stays until recovery."""
    if isinstance(error, Refused):
        return error
    return Refused(
        "the ledger could not book this call; its hold stays until the ledger has recovered",
        code="ledger_unavailable",
        status=503,
        retry_after=5,
    )
