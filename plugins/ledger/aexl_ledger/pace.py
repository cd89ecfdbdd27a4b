"""How quick the disk has lately been. Pure."""

from __future__ import annotations

from typing import Final

QUICK_SECONDS: Final = 0.0005
"""A flush that takes no longer holds the loop up for less than two calls' own work."""

PROBATION: Final = 16
"""Quick flushes in a row after which the next ones are expected to be quick."""


class Pace:
    """Says whether the next flush will be quick; after one that was not, it takes ``PROBATION`` others to say so again."""

    def __init__(self) -> None:
        self._left = PROBATION

    @property
    def quick(self) -> bool:
        """Whether the last ``PROBATION`` flushes all were."""
        return self._left == 0

    def see(self, seconds: float) -> None:
        """Learn from a flush."""
        if seconds > QUICK_SECONDS:
            self._left = PROBATION
        elif self._left:
            self._left -= 1
