"""Telling subscribers what happens, without ever waiting for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import trio

from aexl.api import Sample, Subscriber

logger = logging.getLogger("aexl.events")

_Queue = tuple[Subscriber, trio.MemorySendChannel[object]]


class Hub:
    """Passes events to subscribers, each through a bounded buffer of its own."""

    def __init__(self) -> None:
        self._queues: list[_Queue] = []
        self._by_kind: dict[type[object], list[_Queue]] = {}  # those that hear of a kind of event, once it was seen
        self._dropped: dict[str, int] = {}

    def publish(self, event: object) -> None:
        """Put an event into the buffers of who wants it; where one is full, drop and count it."""
        kind = type(event)
        if kind not in self._by_kind:
            self._by_kind[kind] = [entry for entry in self._queues if issubclass(kind, entry[0].events)]
        for subscriber, queue in self._by_kind[kind]:
            if subscriber.wants():
                try:
                    queue.send_nowait(event)
                except trio.WouldBlock:
                    self._dropped[subscriber.name] += 1
                except trio.BrokenResourceError:
                    continue

    async def run(
        self, subscribers: Sequence[Subscriber], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve the subscribers until cancelled. One that raises is logged and goes on with the next event."""
        async with trio.open_nursery() as nursery:
            for subscriber in subscribers:
                send, receive = trio.open_memory_channel[object](subscriber.buffer)
                self._queues.append((subscriber, send))
                self._dropped[subscriber.name] = 0
                self._by_kind.clear()
                nursery.start_soon(_deliver, subscriber, receive)
            task_status.started()

    def samples(self) -> list[Sample]:
        """Return how many events each subscriber has missed."""
        text = "Events that a subscriber missed because its buffer was full."
        return [
            Sample(name="aexl_events_dropped_total", kind="counter", help=text, value=n, labels={"subscriber": name})
            for name, n in self._dropped.items()
        ]


async def _deliver(subscriber: Subscriber, events: trio.MemoryReceiveChannel[object]) -> None:
    async for event in events:
        try:
            await subscriber.handle(event)
        except Exception:
            logger.exception("subscriber %s failed on %s", subscriber.name, type(event).__name__)
