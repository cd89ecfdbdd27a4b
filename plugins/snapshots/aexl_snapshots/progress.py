"""How far something is, told while it runs, and whether it should stop. For threads and tasks alike."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

WINDOW: Final = 3.0
"""Seconds over which a rate is taken."""

INTERVAL: Final = 0.05
"""Seconds between two reports of one phase; the first and the last are always told."""


class Report(NamedTuple):
    """How far a phase is.

    Attributes:
        phase: What is done: ``reading``, ``pushing``, ``pulling``, ``checking``, ``packing``.
        done: Bytes.
        total: Bytes; 0 while nobody knows.
        rate: Bytes a second, lately.
        left: Seconds until the end at this rate; ``None`` while nobody knows.
    """

    phase: str
    done: int
    total: int
    rate: float
    left: float | None


class Meter:
    """Counts bytes, tells whoever watches, and asks whether to go on.

    Args:
        watch: Told from whichever thread counts; must not wait.
        check: Called often from worker threads, and raises to stop them (``trio.from_thread.check_cancelled``).
    """

    def __init__(
        self,
        watch: Callable[[Report], None] | None = None,
        check: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch = watch
        self._check = check
        self._clock = clock
        self._lock = threading.Lock()
        self._phase, self._done, self._total = "", 0, 0
        self._told = float("-inf")
        self._seen: deque[tuple[float, int]] = deque(maxlen=1024)

    def begin(self, phase: str, total: int = 0) -> None:
        """Start a phase of ``total`` bytes."""
        with self._lock:
            self._phase, self._done, self._total = phase, 0, total
            self._told = float("-inf")
            self._seen.clear()
        self.add(0)

    def grow(self, total: int) -> None:
        """Add to the total of the phase."""
        with self._lock:
            self._total += total

    def add(self, done: int) -> None:
        """Count bytes.

        Raises:
            BaseException: Whatever ``check`` raises.
        """
        if self._check is not None:
            self._check()
        if self._watch is None:
            return
        with self._lock:
            self._done += done
            now = self._clock()
            if now - self._told < INTERVAL and self._done != self._total:
                return
            self._told = now
            report = self._report(now)
        self._watch(report)

    def _report(self, now: float) -> Report:
        self._seen.append((now, self._done))
        while len(self._seen) > 2 and self._seen[0][0] < now - WINDOW:
            self._seen.popleft()
        began, before = self._seen[0]
        rate = (self._done - before) / (now - began) if now > began else 0.0
        left = (self._total - self._done) / rate if rate > 0 and self._total else None
        return Report(self._phase, self._done, self._total, rate, left)


def unwatched() -> Meter:
    """Return a meter that nobody looks at."""
    return Meter()
