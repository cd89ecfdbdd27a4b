"""Server-sent events: a run's journal, with what its agents do at the moment."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec
import trio

from aexl.api import ASGIReceive, ASGIScope, ASGISend, Headers
from aexl_pipelines.journal.following import follow
from aexl_pipelines.journal.lines import Position, Written, as_json, decode_lines
from aexl_pipelines.journal.records import Progress, Record
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
    """Put each record when the run has told of it, as the journal has it: none is missed, or told before its time."""

    async def put_records(take: Callable[[], Sequence[Written]]) -> None:
        for written in await trio.to_thread.run_sync(take):
            if written.number > after:
                await put(record_frame(written))

    dropped = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_listening, job, listener)
        await put_records(tail.take_first)
        async for root, run, seen in listener.heard:
            if run != root:
                continue  # a run that this one has called has a stream of its own
            if isinstance(seen, Progress):
                await put(frame("progress", as_json(seen)))
            else:
                await put_records(functools.partial(tail.take, seen))
            if listener.dropped > dropped:
                await put(frame("dropped", msgspec.json.encode({"count": listener.dropped - dropped})))
                dropped = listener.dropped
        await put_records(tail.take_rest)


async def _end_listening(job: Job, listener: Listener) -> None:
    await job.done.wait()
    listener.end()


def record_frame(written: Written) -> bytes:
    """Return a record as an event: its tag is the event's name, its number the event's id."""
    data = as_json(written.record)
    fields: Mapping[str, object] = msgspec.json.decode(data)
    return frame(str(fields["type"]), data, written.number)


class _Tail:
    """Reads on in a journal, no further than its reader has heard: what an agent did meanwhile comes first."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._position = Position()
        self._waiting: list[Written] = []
        self._begun = self._path.stat().st_size  # at once, in the moment in which the listening began

    def take_first(self) -> list[Written]:
        """Return the records that were there when this was made. Blocks."""
        self._read(self._begun)
        return self._take(len(self._waiting))

    def take(self, until: Record) -> list[Written]:
        """Return what follows up to a record; nothing for one that was returned before. Blocks."""
        count = self._count(until)
        if count == 0:
            self._read()
            count = self._count(until)
        return self._take(count)

    def take_rest(self) -> list[Written]:
        """Return what follows to the end. Blocks."""
        self._read()
        return self._take(len(self._waiting))

    def _count(self, until: Record) -> int:
        """Return how many of those that wait come up to a record, with it; 0 where it is not among them."""
        wanted = _key(until)
        return next((at for at, each in enumerate(self._waiting, 1) if _key(each.record) == wanted), 0)

    def _take(self, count: int) -> list[Written]:
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def _read(self, end: int = -1) -> None:
        with self._path.open("rb") as file:
            file.seek(self._position.size)
            data = file.read() if end < 0 else file.read(end - self._position.size)
        found = list(decode_lines(data, self._position))
        if found:
            self._position = found[-1][1]
        self._waiting += [written for written, _ in found]


def _key(record: Record) -> tuple[object, ...]:
    return type(record), record.at, getattr(record, "step", None)
