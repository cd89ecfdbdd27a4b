"""Calls without a key whose answers were not delivered yet. Pure.

An SDK that loses its connection asks again by itself, with the same body and
``x-stainless-retry-count``. Such a retry may join one attempt that was never
fully delivered, so that a lost connection does not cost twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from aexl.api.records import Booked, Replay

MOST_UNDELIVERED: Final = 10_000

AttemptKey = tuple[str, bytes]
"""Agent and fingerprint."""


class Attempt:
    """A call without a key, until its answer was delivered, it failed, or a retry joined it.

    Attributes:
        alone: No equal call was running when it began.
        left: Its client is known to have gone.
        answer: What a retry is sent, once there is one; ``size`` is its bytes, ``booked`` what it cost.
    """

    __slots__ = ("alone", "answer", "began", "booked", "ended", "execution", "key", "left", "size")

    def __init__(self, execution: str, key: AttemptKey, began: float, alone: bool) -> None:
        self.execution = execution
        self.key = key
        self.began = began
        self.alone = alone
        self.left = False
        self.ended = False
        self.answer: Replay | None = None
        self.booked: Booked | None = None
        self.size = 0

    def replay(self) -> Replay | None:
        """Return what a retry that has joined is sent."""
        if self.answer is None:
            return None
        return msgspec.structs.replace(self.answer, execution=self.execution, booked=self.booked)


class Attempts:
    """The attempts that a retry may still join.

    Args:
        window: Seconds after its beginning in which an attempt can be joined.
        room: Bytes of answers that are kept; the oldest go first.
    """

    def __init__(self, window: float, room: int) -> None:
        self._window = window
        self._room = room
        self._kept = 0
        self._by_key: dict[AttemptKey, Attempt] = {}
        self._by_execution: dict[str, Attempt] = {}

    def begin(self, execution: str, key: AttemptKey, now: float) -> Attempt:
        """Hear that a call without a key runs; return what stands for it, even where it cannot be joined."""
        earlier = self._by_key.get(key)
        attempt = Attempt(execution, key, now, alone=earlier is None or earlier.ended)
        if earlier is not None:
            if earlier.left and now - earlier.began <= self._window:
                return attempt  # the one whose client has left stays the one to be joined
            self._drop(earlier)
        if len(self._by_key) >= MOST_UNDELIVERED:
            self._drop(next(iter(self._by_key.values())))
        self._by_key[key] = self._by_execution[execution] = attempt
        return attempt

    def join(self, key: AttemptKey, now: float) -> Attempt | None:
        """Return the attempt that a retry joins, and let no other join it.

        One that is in flight beside another equal one is joined only when its
        client is known to have left: the retry may belong to either.
        """
        attempt = self._by_key.get(key)
        if attempt is None:
            return None
        if now - attempt.began > self._window:
            self._drop(attempt)
            return None
        if not (attempt.alone or attempt.left or attempt.ended):
            return None
        self._drop(attempt)
        return attempt

    def end(self, attempt: Attempt, answer: Replay | None, size: int) -> None:
        """Hear that a call was settled; without an ``answer`` there is nothing to join."""
        attempt.ended = True
        attempt.answer = answer
        if attempt.execution not in self._by_execution:
            return  # joined already: whoever did so takes the answer from the attempt
        if answer is None or size > self._room:
            self._drop(attempt)
            return
        attempt.size = size
        self._kept += size
        while self._kept > self._room:
            self._drop(next(each for each in self._by_key.values() if each.size))

    def deliver(self, execution: str, complete: bool) -> None:
        """Hear that an answer was sent, to its end or not."""
        attempt = self._by_execution.get(execution)
        if attempt is None:
            return
        if complete:
            self._drop(attempt)
        else:
            attempt.left = True

    def prune(self, now: float) -> None:
        """Forget what nobody may join any more."""
        for attempt in [each for each in self._by_key.values() if now - each.began > self._window]:
            self._drop(attempt)

    def __iter__(self) -> Iterator[Attempt]:
        return iter(self._by_key.values())

    @property
    def kept(self) -> int:
        """Bytes of the answers that are kept."""
        return self._kept

    def _drop(self, attempt: Attempt) -> None:
        del self._by_key[attempt.key]
        del self._by_execution[attempt.execution]
        self._kept -= attempt.size
