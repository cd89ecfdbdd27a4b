"""One agent's queue: who comes first is let in first, exactly when there is room.

A theory of the machine, for whoever edits it. Room appears in two ways: a call
ends (``Turns.leave``), or time passes. The first is told; for the second, the
head of the queue, and nobody else, sleeps until the time at which there will be
room, which ``_arm`` sets on its cancel scope from outside. Two rules follow:

1. Whatever can make room or change the head ends with ``advance``.
2. Nobody passes the queue: a call that finds someone waiting waits as well.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import trio

from aexl.api import Limits
from aexl_policy.rates.windows import Usage

MAX_WAITING: Final = 1000
"""Calls of one agent that may wait at a time."""


class Place:
    """What one call takes: a request, some tokens, and a slot."""

    __slots__ = ("limits", "taken_at", "tokens")

    def __init__(self, limits: Limits, bound: int) -> None:
        self.limits = limits
        self.tokens = 0 if limits.tpm is None else min(bound, limits.tpm)
        self.taken_at = math.nan

    @property
    def is_hopeless(self) -> bool:
        """A limit of nothing: no waiting will help."""
        limits = self.limits
        return any(limit is not None and limit <= 0 for limit in (limits.rpm, limits.tpm, limits.concurrency))


class _Waiter:
    __slots__ = ("event", "gives_up_at", "place", "scope")

    def __init__(self, place: Place, gives_up_at: float) -> None:
        self.place = place
        self.gives_up_at = gives_up_at
        self.event = trio.Event()  # set when the place has been taken
        self.scope = trio.CancelScope(deadline=gives_up_at)


class Turns:
    """Lets the calls of one agent in, in order."""

    __slots__ = ("_ahead", "_waiting", "usage")

    def __init__(self) -> None:
        self.usage = Usage()
        self._waiting: deque[_Waiter] = deque()
        self._ahead = 0  # tokens that those in the queue need

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    def enter(self, place: Place, now: float) -> bool:
        """Take the place if there is room and nobody waits; return whether it was taken. Must not wait."""
        if self._waiting or self._free_at(place, now) > now:
            return False
        self._take(place, now)
        return True

    def earliest(self, place: Place, now: float) -> float:
        """Return when a call that joins the queue now can be let in at the earliest.

        Exact where only requests are limited; else a bound from below, because
        nobody knows when running calls end and what they turn out to use.
        """
        limits, usage = place.limits, self.usage
        at = now
        if place.is_hopeless:
            return math.inf
        if limits.rpm is not None:
            at = usage.requests.free_at(limits.rpm, len(self._waiting), now)
        if limits.tpm is not None:
            at = max(at, usage.tokens.free_at(limits.tpm, min(self._ahead + place.tokens, limits.tpm), now))
        return at

    async def wait(self, place: Place, seconds: float) -> bool:
        """Wait for a turn, at most so long; return whether the place was taken.

        If cancelled, nothing was taken.
        """
        now = trio.current_time()
        waiter = _Waiter(place, now + seconds)
        self._waiting.append(waiter)
        self._ahead += place.tokens
        try:
            self.advance(now)
            while not waiter.event.is_set():
                with waiter.scope:
                    await waiter.event.wait()
                if waiter.event.is_set():
                    break
                now = trio.current_time()
                self.advance(now)
                if not waiter.event.is_set() and now >= waiter.gives_up_at:
                    return False
                waiter.scope = trio.CancelScope(deadline=waiter.scope.deadline)
                self._arm(now)
        except trio.Cancelled:
            if waiter.event.is_set():
                self.leave(place, None, trio.current_time())
            raise
        finally:
            if not waiter.event.is_set():
                self._waiting.remove(waiter)
                self._ahead -= place.tokens
                self.advance(trio.current_time())
        return True

    def leave(self, place: Place, used: int | None, now: float) -> None:
        """Give a place back; ``used`` tokens stay counted, ``None`` means that nothing was sent. Must not wait."""
        usage = self.usage
        usage.running -= 1
        if place.limits.tpm is not None:
            usage.tokens.settle(place.tokens, used or 0, now)
        if used is None and place.limits.rpm is not None:
            usage.requests.remove(place.taken_at)
        self.advance(now)

    def advance(self, now: float) -> None:
        """Let in whoever has room, from the head, and set the next head's alarm. Must not wait."""
        waiting = self._waiting
        while waiting and self._free_at(waiting[0].place, now) <= now:
            waiter = waiting.popleft()
            self._ahead -= waiter.place.tokens
            self._take(waiter.place, now)
            waiter.event.set()
        self._arm(now)

    def _arm(self, now: float) -> None:
        if self._waiting:
            head = self._waiting[0]
            head.scope.deadline = min(head.gives_up_at, self._free_at(head.place, now))

    def _take(self, place: Place, now: float) -> None:
        place.taken_at = now
        self.usage.running += 1
        self.usage.tokens.hold(place.tokens)
        if place.limits.rpm is not None:
            self.usage.requests.add(now)

    def _free_at(self, place: Place, now: float) -> float:
        """Return when there is room by the passing of time alone; infinite if a running call must end first."""
        limits, usage = place.limits, self.usage
        if place.is_hopeless or (limits.concurrency is not None and usage.running >= limits.concurrency):
            return math.inf
        at = now
        if limits.rpm is not None:
            at = usage.requests.free_at(limits.rpm, 0, now)
        if limits.tpm is not None:
            tokens = usage.tokens
            if tokens.held + place.tokens > limits.tpm:
                return math.inf
            at = max(at, tokens.free_at(limits.tpm, place.tokens + tokens.held, now))
        return at
