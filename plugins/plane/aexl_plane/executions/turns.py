"""Whose turn it is among executions that nobody waits for: bounded, project by project, in a circle. Pure."""

from __future__ import annotations

from collections import Counter, deque

from aexl.errors import Refused
from aexl_plane.storage.executions import Queued

AGAIN_SECONDS = 5.0
"""When a project whose queue is full may ask again."""


class Turns:
    """Who waits, and how many run. Nothing here waits itself."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[str]] = {}
        self._held: Counter[str] = Counter()
        self._running: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """How many run."""
        return self._running.total()

    def hold(self, project: str, most: int) -> None:
        """Hold a place in a project's queue, to be taken with ``enter`` or given back with ``release``.

        Raises:
            Refused: 429 if so many wait already.
        """
        waiting = self._held[project] + len(self._waiting.get(project, ()))
        if waiting >= most:
            raise Refused(
                f"{waiting} executions of this project wait for their turn already; [plane] async_queued allows {most}",
                code="too_many_executions",
                status=429,
                retry_after=AGAIN_SECONDS,
            )
        self._held[project] += 1

    def release(self, project: str) -> None:
        """Give a held place back."""
        self._held[project] -= 1
        if not self._held[project]:
            del self._held[project]

    def enter(self, queued: Queued) -> None:
        """Let one wait; bounded by ``hold`` alone, because what is kept from before a restart waits too."""
        self._waiting.setdefault(queued.project, deque()).append(queued.id)

    def leave(self, queued: Queued) -> None:
        """Let one that was cancelled wait no more."""
        waiting = self._waiting.get(queued.project)
        if waiting is not None and queued.id in waiting:
            waiting.remove(queued.id)
            if not waiting:
                del self._waiting[queued.project]

    def take(self, each: int, together: int) -> Queued | None:
        """Return whose turn it is; it counts as running until ``done``.

        Args:
            each: How many of one project may run at a time.
            together: How many may run at a time.
        """
        if self.running >= together:
            return None
        for project, waiting in self._waiting.items():
            if self._running[project] < each:
                queued = Queued(waiting.popleft(), project)
                del self._waiting[project]
                if waiting:
                    self._waiting[project] = waiting  # behind the others
                self._running[project] += 1
                return queued
        return None

    def done(self, project: str) -> None:
        """One of a project's has ended."""
        self._running[project] -= 1
        if not self._running[project]:
            del self._running[project]
