"""Hearing what happens in running runs, without holding them up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import trio

from aexl_pipelines.journal.records import ChildBegun, Progress, Record, RunEnded

BUFFER: Final = 1000
"""What waits for one listener; more is dropped, and counted."""

Seen = tuple[str, str, Record | Progress]
"""The run that was begun first, the run that it is about, and what was seen."""


class Hears(Protocol):
    """Somebody who hears what a hub sees."""

    def tell(self, root: str, run: str, seen: Record | Progress) -> None:
        """Hear of a run; ``root`` is the one that has called it, or it itself. Must not wait."""
        ...


class Listener:
    """One listener's share.

    Attributes:
        heard: What it has not taken yet.
        dropped: How much was lost because the buffer was full.
    """

    def __init__(self, wants: Callable[[str], bool], buffer: int) -> None:
        self._send, self.heard = trio.open_memory_channel[Seen](buffer)
        self._wants = wants
        self.dropped = 0

    def tell(self, root: str, run: str, seen: Record | Progress) -> None:
        """Put it into the buffer, or count it as dropped. Must not wait."""
        if self._wants(root):
            try:
                self._send.send_nowait((root, run, seen))
            except trio.WouldBlock:
                self.dropped += 1
            except trio.ClosedResourceError:
                return  # it was ended, and what waits is still being read

    def end(self) -> None:
        """Let nothing more come; what waits is still to be had. Must not wait."""
        self._send.close()

    def close(self) -> None:
        """Give the buffer back."""
        self._send.close()
        self.heard.close()


class Hub:
    """An observer of all runs of this process, which passes on what it sees."""

    def __init__(self) -> None:
        self._listeners: set[Hears] = set()
        self._roots: dict[str, str] = {}

    def see(self, run: str, seen: Record | Progress) -> None:
        """Tell the listeners. Must not wait."""
        root = self.root(run)
        if isinstance(seen, ChildBegun):
            self._roots[seen.run] = root
        for listener in tuple(self._listeners):
            listener.tell(root, run, seen)
        if isinstance(seen, RunEnded):
            self._roots.pop(run, None)

    def root(self, run: str) -> str:
        """Return the run that has called a run, or has called the one that has; itself for any other."""
        return self._roots.get(run, run)

    def add(self, listener: Hears) -> None:
        """Let somebody hear of all runs."""
        self._listeners.add(listener)

    def remove(self, listener: Hears) -> None:
        """Let them hear no more."""
        self._listeners.discard(listener)

    @contextmanager
    def listen(self, wants: Callable[[str], bool], buffer: int = BUFFER) -> Iterator[Listener]:
        """Hear of some runs, and of those that they call, while the context is open."""
        listener = Listener(wants, buffer)
        self.add(listener)
        try:
            yield listener
        finally:
            self.remove(listener)
            listener.close()
