"""What one server exports: it hears of calls, makes spans and numbers of them, and sends them off."""

from __future__ import annotations

import logging
import platform
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import islice
from typing import Final

import trio

from aexl.api import CallDenied, CallSettled, Host, Provider, Sample, Subscriber, Upstream, uuid7
from aexl_telemetry.answers import Answered, read_answer
from aexl_telemetry.exporter import Exporter
from aexl_telemetry.meters import Meters
from aexl_telemetry.observer import Notebook, Observed
from aexl_telemetry.otlp import Json, metrics, traces
from aexl_telemetry.settings import Settings, Signal
from aexl_telemetry.spans import Spans

logger = logging.getLogger("aexl.telemetry")

BUFFER: Final = 4096
"""Events that may wait for being looked at."""

_MESSAGES: Final[dict[Signal, str]] = {"traces": "ExportTraceServiceRequest", "metrics": "ExportMetricsServiceRequest"}
_NOTHING: Final = Answered()


class Station:
    """Telemetry of one server.

    Args:
        settings: With at least one destination.
    """

    def __init__(self, host: Host, settings: Settings) -> None:
        self._table = table = settings.table
        self._version = host.version
        self._resource = {
            **settings.resource,
            "service.version": host.version,
            "service.instance.id": uuid7(),
            "telemetry.sdk.name": "aexl",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": host.version,
            "process.runtime.version": platform.python_version(),
        }
        self._notebook = Notebook()
        self._spans = Spans(settings.sample, table.content_bytes if table.capture_content else None)
        self._meters = Meters(time.time_ns())
        self._queue: deque[Json] = deque()
        self._queue_full = 0
        self._is_due = trio.Event()
        self._stopping = trio.Event()
        self._handled = 0
        self._exporters = {
            signal: Exporter(
                _MESSAGES[signal],
                destination,
                host.transport(Upstream(private=True, connections=2)),
                version=host.version,
                retry_seconds=table.retry_seconds,
            )
            for signal, destination in settings.destinations.items()
        }

    def wrap(self, provider: Provider) -> Provider:
        """Return the provider, looked at."""
        return Observed(provider, self._notebook)

    def subscriber(self) -> Subscriber:
        """Return who hears of calls."""
        return Subscriber(name="telemetry", events=(CallSettled, CallDenied), handle=self._hear, buffer=BUFFER)

    async def _hear(self, event: object) -> None:
        self._handled += 1
        end, now = time.time_ns(), trio.current_time()
        span: Json | None = None
        if isinstance(event, CallSettled):
            answered = self._read(event)
            self._meters.settled(event, answered)
            seconds = event.outcome.seconds
            if "traces" in self._exporters:
                queued = max(0.0, now - seconds - event.call.received)
                span = self._spans.settled(event, answered, end - round(seconds * 1e9), end, queued)
        elif isinstance(event, CallDenied):
            self._meters.denied(event)
            if "traces" in self._exporters:
                span = self._spans.denied(event, end - round(max(0.0, now - event.call.received) * 1e9), end)
        if span is not None:
            self._put(span)

    def _read(self, event: CallSettled) -> Answered:
        seen = self._notebook.take(event.call.id)
        status = event.outcome.status
        if seen is None or status is None or not 200 <= status < 300:
            return _NOTHING
        surface, content = event.call.surface, self._table.capture_content
        return read_answer(surface, seen.pieces(), stream=seen.is_stream, content=content)

    def _put(self, span: Json) -> None:
        if len(self._queue) >= self._table.queue:
            self._queue_full += 1
            return
        self._queue.append(span)
        if len(self._queue) >= self._table.batch:
            self._is_due.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Export while the server runs, and what is left when it stops, within ``flush_seconds``."""
        async with trio.open_nursery() as nursery:
            if "traces" in self._exporters:
                nursery.start_soon(self._export_spans)
            if "metrics" in self._exporters:
                nursery.start_soon(self._export_metrics)
            try:
                yield
            finally:
                nursery.cancel_scope.shield = True  # a host that is being cancelled waits as well
                nursery.cancel_scope.deadline = trio.current_time() + self._table.flush_seconds
                await self._hear_out()
                for exporter in self._exporters.values():
                    exporter.hurry()
                self._stopping.set()
                self._is_due.set()
        self._give_up()

    async def _hear_out(self) -> None:
        """Let the subscriber's task hear what was published before the server stopped."""
        before = -1
        while before != self._handled:
            before = self._handled
            for _ in range(10):
                await trio.lowlevel.checkpoint()

    async def _export_spans(self) -> None:
        while not self._stopping.is_set():
            with trio.move_on_after(self._table.interval):
                await self._is_due.wait()
            self._is_due = trio.Event()
            await self._flush_spans()

    async def _flush_spans(self) -> None:
        exporter = self._exporters.get("traces")
        while exporter is not None and self._queue:
            batch = list(islice(self._queue, self._table.batch))
            await exporter.send(traces(self._resource, self._version, batch), len(batch))
            for _ in batch:  # only now, so that what is being sent counts among what waits
                self._queue.popleft()

    async def _export_metrics(self) -> None:
        while not self._stopping.is_set():
            with trio.move_on_after(self._table.metrics_interval):
                await self._stopping.wait()
            await self._flush_metrics()

    async def _flush_metrics(self) -> None:
        exporter = self._exporters.get("metrics")
        found = self._meters.export(time.time_ns())
        if exporter is not None and found:
            await exporter.send(metrics(self._resource, self._version, found), len(found))

    def _give_up(self) -> None:
        """Count what could not be sent in time."""
        if self._queue:
            logger.warning("%d spans were not exported before the server stopped", len(self._queue))
            self._queue_full += len(self._queue)
            self._queue.clear()

    async def probe(self) -> str | None:
        """Say why exports are dropped, if they are."""
        problems = [f"{signal}: the collector {e.problem}" for signal, e in self._exporters.items() if e.problem]
        return "; ".join(problems) or None

    def samples(self) -> Iterable[Sample]:
        """Return the numbers for ``/metrics``."""
        for signal, exporter in self._exporters.items():
            waiting = self._queue_full if signal == "traces" else 0
            text = "Spans and metrics that a collector took."
            yield _counter("aexl_telemetry_exported_total", text, exporter.exported, signal)
            text = "Spans and metrics that were dropped: no collector took them, or too many waited."
            yield _counter("aexl_telemetry_dropped_total", text, exporter.dropped + waiting, signal)


def _counter(name: str, text: str, value: int, signal: str) -> Sample:
    return Sample(name=name, kind="counter", help=text, value=value, labels={"signal": signal})
