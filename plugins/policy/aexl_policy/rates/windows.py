"""Sliding windows, as arithmetic on times that are passed in.

The rule for requests: in any 60 seconds at most ``limit`` are let in. The times
of the last 60 seconds are kept exactly, so there is no edge at which two
windows' worth could pass.

The rule for tokens: what calls used in any 60 seconds is at most ``limit``, as
long as no call uses more than was held for it. A call's tokens count from its
admission, at the most it can use, until 60 seconds after its settlement, at
what it did use. (To let them expire 60 seconds after admission would forget a
long call while it still runs.)
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

WINDOW: Final = 60.0
"""Seconds."""

_GRAIN: Final = 0.0625
"""Used tokens expire in steps of a sixteenth second, rounded up, so that an agent needs at most 961 numbers."""


class Requests:
    """The times at which requests were let in, as far as the last 60 seconds go."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def add(self, now: float) -> None:
        """Let one in."""
        self._times.append(now)

    def remove(self, time: float) -> None:
        """Give the place back of one that was let in at ``time`` but sent nowhere."""
        times = self._times
        for index in range(len(times) - 1, -1, -1):
            if times[index] == time:
                del times[index]
                return

    def count(self, now: float) -> int:
        """Return how many count now."""
        times = self._times
        while times and times[0] + WINDOW <= now:
            times.popleft()
        return len(times)

    def free_at(self, limit: int, ahead: int, now: float) -> float:
        """Return when the next one has a place, if ``ahead`` others take theirs as soon as they can."""
        count = self.count(now)
        if ahead < limit - count:
            return now
        rounds, place = divmod(ahead - max(limit - count, 0), limit)
        before = self._times[place + max(count - limit, 0)] if place < count else now
        return before + WINDOW + rounds * WINDOW

    def clear_at(self, now: float) -> float:
        """Return when none of them counts any more."""
        return self._times[-1] + WINDOW if self.count(now) else now


class Tokens:
    """The tokens that count: held for running calls, used by calls that ended in the last 60 seconds."""

    __slots__ = ("_ended", "_used", "held")

    def __init__(self) -> None:
        self.held = 0
        self._used = 0
        self._ended: deque[list[float]] = deque()  # [when they expire, how many], by rising time

    def hold(self, amount: int) -> None:
        """Let a call in that may use ``amount``."""
        self.held += amount

    def settle(self, held: int, used: int, now: float) -> None:
        """Put what a call used in the place of what was held for it."""
        self.held -= held
        if used <= 0:
            return
        self._used += used
        expires = math.ceil(now / _GRAIN) * _GRAIN + WINDOW
        if self._ended and self._ended[-1][0] == expires:
            self._ended[-1][1] += used
        else:
            self._ended.append([expires, used])

    def count(self, now: float) -> int:
        """Return how many count now."""
        ended = self._ended
        while ended and ended[0][0] <= now:
            self._used -= int(ended.popleft()[1])
        return self.held + self._used

    def free_at(self, limit: int, amount: int, now: float) -> float:
        """Return when ``amount`` more have a place at the earliest, should the running calls turn out to use nothing."""
        excess = self.count(now) - self.held + amount - limit
        if excess <= 0:
            return now
        for expires, used in self._ended:
            excess -= int(used)
            if excess <= 0:
                return expires
        return now + WINDOW

    def clear_at(self, now: float) -> float:
        """Return when none of the used ones counts any more."""
        return self._ended[-1][0] if self.count(now) > self.held else now


class Usage:
    """What counts against one agent's rates."""

    __slots__ = ("requests", "running", "tokens")

    def __init__(self) -> None:
        self.requests = Requests()
        self.tokens = Tokens()
        self.running = 0

    def is_idle(self, now: float) -> bool:
        """Tell whether nothing counts any more, so that all this may be forgotten."""
        return not self.running and not self.requests.count(now) and not self.tokens.count(now)
