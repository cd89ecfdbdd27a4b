"""Deadlines that cost two dictionary writes where a cancel scope costs microseconds.

An upstream's stream is read many times a second, and each read has a deadline that
hardly ever comes; so has each call. Here a wait only notes its deadline. One task
sleeps until the earliest deadline it knows of, and interrupts what is overdue then.
Who has a task for that gives it to ``watch``. A transport has none, because it is made
before there is a nursery one could live in: for it a system task of trio's is begun
when something waits, which never raises, and ends when nothing waits any more.
"""

from __future__ import annotations

import math
from typing import Protocol

import trio


class Interruptible(Protocol):
    """Something that may wait for too long."""

    def expire(self) -> None:
        """Make the wait end at once. Must neither wait nor raise."""
        ...


class Deadlines:
    """The waits of one transport, or the calls of one host, that have a deadline.

    Attributes:
        waiting: What waits now, and until when on trio's clock. Write to it through
            ``arm``; take out of it with ``pop``.
    """

    __slots__ = ("_earliest", "_scope", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[Interruptible, float] = {}
        self._earliest = math.inf  # never later than the earliest of waiting; perhaps sooner
        self._scope: trio.CancelScope | None = None  # of the sleeping task, if there is one

    def arm(self, what: Interruptible, at: float) -> None:
        """Have ``what`` expire at a time on trio's clock, unless it is taken out before."""
        self.waiting[what] = at
        if at < self._earliest:
            self._earliest = at
            if self._scope is None:
                self._scope = trio.CancelScope(deadline=at)
                trio.lowlevel.spawn_system_task(self._watch, name="aexl upstream deadlines")
            else:
                self._scope.deadline = at

    async def watch(self) -> None:
        """Watch until cancelled: for who has a task of its own for it, and calls this before anything is armed."""
        self._scope = trio.CancelScope()
        while True:
            await self._watch_once()

    async def _watch(self) -> None:
        try:
            while self._earliest < math.inf:
                await self._watch_once()
        finally:
            self._scope = None
            self._earliest = math.inf

    async def _watch_once(self) -> None:
        assert self._scope is not None
        with self._scope:
            await trio.sleep_forever()
        self._expire(trio.current_time())
        self._earliest = min(self.waiting.values(), default=math.inf)
        self._scope = trio.CancelScope(deadline=self._earliest)

    def _expire(self, now: float) -> None:
        for what in [what for what, at in self.waiting.items() if at <= now]:
            del self.waiting[what]
            what.expire()
