"""A circuit breaker: leaves a target alone after it has failed several times in a row. Pure.

==========  ==========================================  =============================================
state       calls                                       becomes
==========  ==========================================  =============================================
closed      go there                                    open after ``failures`` failures in a row, or
                                                        when the target asks to be left alone
open        go there only where nothing else is left    half-open when its time is over
half-open   one goes there, the others elsewhere        closed when it succeeds, else open again, for
                                                        twice as long, up to ten times ``seconds``
==========  ==========================================  =============================================

Times are of a clock that only goes forward, in seconds.
"""

from __future__ import annotations

from typing import Final, Literal

BreakerState = Literal["closed", "half-open", "open"]

LONGEST: Final = 10
"""So many times ``seconds`` a breaker stays open at most; a target may ask for more by itself."""


class Breaker:
    """The breaker of one target.

    Args:
        failures: In a row, that open it; 0 means never.
        seconds: For which it is open the first time; also how long the one call of a half-open breaker is waited for.
    """

    __slots__ = ("_failures", "_length", "_probed", "_row", "_seconds", "_until", "opened")

    def __init__(self, failures: int, seconds: float) -> None:
        self._failures = failures
        self._seconds = seconds
        self._row = 0
        self._length = seconds
        self._until = 0.0
        self._probed = 0.0
        self.opened = 0
        """How often it has opened."""

    def state(self, now: float) -> BreakerState:
        """Return its state."""
        if not self._until:
            return "closed"
        return "open" if now < self._until else "half-open"

    def left(self, now: float) -> float:
        """Return the seconds until it is half-open."""
        return max(0.0, self._until - now)

    def admits(self, now: float) -> bool:
        """Return whether calls are wanted; of a half-open breaker, one in ``seconds``."""
        state = self.state(now)
        return state == "closed" or (state == "half-open" and now >= self._probed)

    def probe(self, now: float) -> None:
        """Hear that a call is on its way; a half-open breaker wants no other meanwhile."""
        if self._until:
            self._probed = now + self._seconds

    def succeeded(self) -> None:
        """Hear of an answer."""
        self._row = 0
        self._until = 0.0
        self._length = self._seconds

    def failed(self, now: float, asked: float | None = None) -> None:
        """Hear of a failure; ``asked`` is how long the target wants to be left alone, if it said so."""
        if not self._failures:
            return
        self._row += 1
        half_open = self.state(now) == "half-open"
        if half_open:
            self._length = min(2 * self._length, LONGEST * self._seconds)
        if half_open or self._row >= self._failures or asked is not None:
            if self.state(now) != "open":
                self.opened += 1
            self._until = max(self._until, now + (self._length if asked is None else asked))
            self._probed = 0.0
