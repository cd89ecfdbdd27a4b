"""Who watches the server's activity, and what they are told: calls as they are admitted, denied and settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec
import trio

from aexl.api import CallAdmitted, CallDenied, CallSettled, Subscriber, format_usd

WATCHERS: Final = 32
"""How many may watch at a time."""

BUFFER: Final = 256
"""Events that wait for one watcher; further ones are dropped, and it is told how many."""


def frame(event: str, data: Mapping[str, object]) -> bytes:
    """Return a server-sent event; its data is one line of JSON."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), msgspec.json.encode(data))


def describe(event: object) -> bytes:
    """Return the frame of a published event; nothing of what was said to a model is in it."""
    match event:
        case CallAdmitted():
            target = event.plan.targets[0]
            return frame(
                "admitted",
                {
                    **_call(event),
                    "provider": target.provider,
                    "provider_model": target.model,
                    "stream": event.call.stream,
                    "hold_usd": format_usd(event.plan.hold),
                },
            )
        case CallDenied():
            refused = event.refused
            return frame(
                "denied",
                {
                    **_call(event),
                    "execution": refused.execution,
                    "status": refused.status,
                    "code": refused.code,
                    "reason": refused.reason,
                },
            )
        case CallSettled():
            booked, outcome = event.booked, event.outcome
            return frame(
                "settled",
                {
                    **_call(event),
                    "execution": booked.execution,
                    "ending": outcome.ending.value,
                    "status": outcome.status,
                    "seconds": round(outcome.seconds, 6),
                    "cost_usd": format_usd(booked.amount),
                    "estimated": booked.estimated,
                    "overrun": booked.overrun,
                    "receipt": f"{booked.receipt.seq}:{booked.receipt.hash}",
                },
            )
        case _:
            raise TypeError(f"nobody subscribed to {type(event).__name__}")


def _call(event: CallAdmitted | CallDenied | CallSettled) -> dict[str, object]:
    call = event.call
    return {"agent": call.principal.agent, "model": call.model, "surface": call.surface, "call": call.id}


class Watcher:
    """One client's share: the frames it has not read yet."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[bytes](BUFFER)
        self._dropped = 0

    def tell(self, data: bytes) -> None:
        """Put a frame into the buffer; count it where the buffer is full. Must not wait."""
        try:
            self._send.send_nowait(data)
        except trio.WouldBlock:
            self._dropped += 1

    async def next(self) -> bytes:
        """Wait for a frame; if events were lost since the last one, it begins with one that says how many."""
        data = await self._receive.receive()
        if self._dropped:
            data = frame("dropped", {"count": self._dropped}) + data
            self._dropped = 0
        return data

    def close(self) -> None:
        """Give the buffer back."""
        self._send.close()
        self._receive.close()


class ActivityHub:
    """Passes what is published to the clients that watch; a slow one loses events and holds nobody up."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()

    def subscriber(self) -> Subscriber:
        """Return what the hook ``aexl_subscribers`` answers with."""
        events = (CallAdmitted, CallDenied, CallSettled)
        return Subscriber(name="activity", events=events, handle=self.handle, buffer=1024, wants=self.is_watched)

    def is_watched(self) -> bool:
        """Return whether anybody watches; events that nobody sees cost nothing."""
        return bool(self._watchers)

    async def handle(self, event: object) -> None:
        """Tell every watcher."""
        data = describe(event)
        for watcher in self._watchers:
            watcher.tell(data)

    @property
    def is_full(self) -> bool:
        """As many watch as may."""
        return len(self._watchers) >= WATCHERS

    @contextmanager
    def watch(self) -> Iterator[Watcher]:
        """Take part while the context is open."""
        watcher = Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            watcher.close()
