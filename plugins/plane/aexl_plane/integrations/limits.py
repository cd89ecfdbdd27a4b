"""How often, and how many at a time, connections may be asked for something. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from aexl.errors import Refused

WINDOW: Final = 60.0
"""Seconds in which calls are counted; it slides, so that nothing can be had twice at its edge."""


class _Use:
    __slots__ = ("begun", "running")

    def __init__(self) -> None:
        self.begun: deque[float] = deque()
        self.running = 0


class Limits:
    """What connections use now. A connection that nobody used for a minute is forgotten."""

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}

    def enter(self, connection: str, now: float, *, per_minute: int, concurrent: int) -> None:
        """Count a call that begins; ``leave`` ends it.

        Raises:
            Refused: 429, with the seconds after which there is room. Nothing was counted.
        """
        self._forget(now)
        use = self._uses.setdefault(connection, _Use())
        if use.running >= concurrent:
            raise Refused(
                f"{use.running} calls of this integration run already; it may have {concurrent} at a time",
                code="rate_limited",
                status=429,
                retry_after=1.0,
            )
        if len(use.begun) >= per_minute:
            raise Refused(
                f"this integration may be called {per_minute} times a minute",
                code="rate_limited",
                status=429,
                retry_after=max(1.0, use.begun[-per_minute] + WINDOW - now),
            )
        use.begun.append(now)
        use.running += 1

    def leave(self, connection: str) -> None:
        """End a call that was counted."""
        self._uses[connection].running -= 1

    def __len__(self) -> int:
        return len(self._uses)

    def _forget(self, now: float) -> None:
        """Drop what is older than the window, of all connections: there are as many as were used in it."""
        for connection in list(self._uses):
            use = self._uses[connection]
            while use.begun and use.begun[0] <= now - WINDOW:
                use.begun.popleft()
            if not use.begun and not use.running:
                del self._uses[connection]
