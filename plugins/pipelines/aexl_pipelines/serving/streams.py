"""Server-sent events: a run's journal, with what its agents do at the moment."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec
import trio

from aexl.api import ASGIReceive, ASGIScope, ASGISend, Headers
from aexl_pipelines.journal.following import follow
from aexl_pipelines.journal.lines import Position, Written, as_json, decode_lines
from aexl_pipelines.journal.records import Progress
from aexl_pipelines.journal.writing import NAME
from aexl_pipelines.serving.jobs import Job, Station
from aexl_pipelines.serving.watching import Listener

HEARTBEAT: Final = 15.0
"""Seconds of silence after which a comment shows that the connection lives; proxies cut idle ones at 30 and more."""

_HEADERS: Final[Headers] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)

Put = Callable[[bytes], Awaitable[None]]


def frame(event: str, data: bytes, number: int | None = None) -> bytes:
    """Return one event; its data is one line of JSON."""
    head = b"" if number is None else b"id: %d\n" % number
    return b"%bevent: %b\ndata: %b\n\n" % (head, event.encode(), data)


class EventStream:
    """An answer that goes on: ends when its source ends, the client leaves, or the server begins to stop.

    Args:
        source: Puts frames, in order; waits where the client reads slowly.
    """

    def __init__(self, station: Station, source: Callable[[Put], Awaitable[None]]) -> None:
        self._station = station
        self._source = source
        self._silent_since = 0.0

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:  # noqa: ARG002 - ASGI's
        """Serve one client."""
        self._station.watch_for_the_end()
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        writing = trio.Lock()

        async def put(data: bytes) -> None:
            async with writing:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            self._silent_since = trio.current_time()

        await put(b": stream\n\n")
        async with trio.open_nursery() as nursery:
            for waiting in (functools.partial(_gone, receive), self._station.stopping.wait):
                nursery.start_soon(_end_after, waiting, nursery.cancel_scope)
            nursery.start_soon(self._beat, put)
            await self._source(put)
            nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _beat(self, put: Put) -> None:
        while True:
            await trio.sleep_until(self._silent_since + HEARTBEAT)
            if trio.current_time() >= self._silent_since + HEARTBEAT:
                await put(b": still here\n\n")


async def _end_after(waiting: Callable[[], Awaitable[None]], streaming: trio.CancelScope) -> None:
    await waiting()
    streaming.cancel()


async def _gone(receive: ASGIReceive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def tell_run(station: Station, folder: Path, after: int, put: Put) -> None:
    """Put a run's records with numbers above ``after``, and what its agents do, until the run is over."""
    job = station.job(folder.name)
    if job is None:
        async with aclosing(follow(folder)) as records:
            await _tell_records(records, after, put)
        return
    with station.hub.listen(lambda run: run == folder.name) as listener:
        await _tell_live(job, listener, _Tail(folder), after, put)


async def _tell_records(records: AsyncGenerator[Written, None], after: int, put: Put) -> None:
    async for written in records:
        if written.number > after:
            await put(record_frame(written))


async def _tell_live(job: Job, listener: Listener, tail: _Tail, after: int, put: Put) -> None:
    """Read the journal whenever the run has told that there is more of it: so no record is missed or told twice."""

    async def put_records() -> None:
        for written in await trio.to_thread.run_sync(tail.read):
            if written.number > after:
                await put(record_frame(written))

    dropped = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_listening, job, listener)
        await put_records()
        async for root, run, seen in listener.heard:
            if run != root:
                continue  # a run that this one has called has a stream of its own
            if isinstance(seen, Progress):
                await put(frame("progress", as_json(seen)))
            else:
                await put_records()
            if listener.dropped > dropped:
                await put(frame("dropped", msgspec.json.encode({"count": listener.dropped - dropped})))
                dropped = listener.dropped
        await put_records()


async def _end_listening(job: Job, listener: Listener) -> None:
    await job.done.wait()
    listener.end()


def record_frame(written: Written) -> bytes:
    """Return a record as an event: its tag is the event's name, its number the event's id."""
    data = as_json(written.record)
    fields: Mapping[str, object] = msgspec.json.decode(data)
    return frame(str(fields["type"]), data, written.number)


class _Tail:
    """Reads on in a journal."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._position = Position()

    def read(self) -> list[Written]:
        """Return the records that have come since the last time. Blocks."""
        with self._path.open("rb") as file:
            file.seek(self._position.size)
            data = file.read()
        found = list(decode_lines(data, self._position))
        if found:
            self._position = found[-1][1]
        return [written for written, _ in found]
