"""What is booked of a call: how it went, what it costs, what a repetition of it is answered with."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl.api import Attempt, Ending, Hold, Outcome, Plan, Replay, Reply, Target
from aexl.core.calls.answer import LiveAnswer
from aexl.core.calls.charge import COMPLETED, charge, with_lost
from aexl.core.calls.estimate import bound_output
from aexl.errors import AexlError, CallError, Refused

RECORDED: Final = 1024 * 1024
"""Bytes of an answer that are kept until it is settled, for a replay and for an estimate."""


class Course(msgspec.Struct):
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

    target: Target
    started: float
    reply: Reply | None = None
    ending: Ending = Ending.UNSENT
    failure: CallError | None = None
    finished: bool = False
    recorded: list[bytes] = []
    size: int = 0
    retry_after: float | None = None
    first_byte: float | None = None

    def end(self, ending: Ending, failure: CallError | None) -> None:
        """Note how it ended."""
        self.ending = ending
        self.failure = failure

    @property
    def may_be_charged(self) -> bool:
        """The provider neither said that it failed, nor was never reached."""
        return self.ending not in (Ending.REJECTED, Ending.UNSENT)

    def outcome(self, plan: Plan, hold: Hold, now: float, *, stream: bool, lost: int = 0) -> Outcome:
        """Return what the book is told, if the call ends now.

        Args:
            hold: Of one attempt.
            now: On trio's clock.
            lost: Nano-dollars that earlier attempts may have cost.
        """
        reply, ending = self.reply, self.ending
        usage = reply.usage if reply else None
        exact = usage is not None and ending is COMPLETED
        delivered = 0 if exact else self._bound(stream)
        own = charge(plan, hold, self.target, ending, usage, delivered)
        return Outcome(
            ending=ending,
            charge=with_lost(own, lost) if lost else own,
            usage=usage,
            target=self.target,
            status=reply.status if reply else None,
            seconds=now - self.started,
            first_byte=self.first_byte,
            upstream_id=reply.upstream_id if reply else None,
            retry_after=self.retry_after,
        )

    def attempt(self, number: int, extra: int, now: float) -> Attempt:
        """Return what is put on record of an attempt that failed."""
        return Attempt(
            number=number,
            target=self.target,
            ending=self.ending,
            code=self.failure.code if self.failure is not None else "status",
            status=self.reply.status if self.reply else None,
            seconds=now - self.started,
            extra=extra,
        )

    def _bound(self, stream: bool) -> int:
        """Return the most output tokens that can have arrived; bytes beyond the record count whole."""
        return bound_output(self.recorded) + max(0, self.size - RECORDED if stream else 0)

    def replay(self, answer: LiveAnswer) -> Replay | None:
        """Return what a repeated request may be answered with: complete successes that fit."""
        if self.ending is not COMPLETED or not self.finished or self.size > RECORDED:
            return None
        return Replay(
            execution=answer.execution,
            status=answer.status,
            headers=answer.headers,
            chunks=self.recorded,
            stream=answer.stream,
        )


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
