"""Which gates the runs of this process are about to ask, and which they have put up."""

from __future__ import annotations

from collections import defaultdict

import trio

from aexl_pipelines.journal.records import Gate, GateDecided, GateOpened, Progress, Record, RunEnded


class Desk:
    """Knows of a gate from the moment in which a run tells of it, which is before anybody can answer it."""

    def __init__(self) -> None:
        self._coming: dict[str, tuple[str, trio.Event]] = {}
        self._watching: defaultdict[str, set[trio.Event]] = defaultdict(set)

    def tell(self, root: str, run: str, seen: Record | Progress) -> None:
        """Hear of runs. Must not wait."""
        match seen:
            case GateOpened():
                self._coming[seen.gate.id] = root, trio.Event()
            case GateDecided():
                self._come(seen.gate)
            case RunEnded():
                for gate in [each for each, (of, _) in self._coming.items() if of in {root, run}]:
                    self._come(gate)
            case _:
                pass

    def opened(self, root: str, gate: Gate) -> None:
        """Note that a gate can be answered now. Must not wait."""
        self._come(gate.id)
        for event in self._watching.get(root, ()):
            event.set()

    async def until_open(self, gate: str) -> None:
        """Wait until a gate that a run has told of can be answered; not at all for any other."""
        if gate in self._coming:
            await self._coming[gate][1].wait()

    def watch(self, root: str, event: trio.Event) -> None:
        """Set an event as soon as a run, or one that it has called, waits for an answer."""
        self._watching[root].add(event)

    def unwatch(self, root: str, event: trio.Event) -> None:
        """Do not set it any more."""
        self._watching[root].discard(event)
        if not self._watching[root]:
            del self._watching[root]

    def _come(self, gate: str) -> None:
        coming = self._coming.pop(gate, None)
        if coming is not None:
            coming[1].set()
