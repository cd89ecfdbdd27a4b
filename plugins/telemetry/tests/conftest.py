"""A collector on loopback that takes what it is sent apart with the official classes, and refuses what they refuse."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from aexl.testing.upstream import Received, ScriptedServer, Step, response

KINDS = {b"/v1/traces": ExportTraceServiceRequest, b"/v1/metrics": ExportMetricsServiceRequest}
Answers = Callable[[Received], Sequence[Step] | None]


def decode(path: bytes, content_type: bytes, data: bytes) -> Any:
    """Return the message, after having made sure that every byte of it is known."""
    message = KINDS[path]()
    if content_type == b"application/x-protobuf":
        message.ParseFromString(data)
        again = KINDS[path]()
        again.CopyFrom(message)
        again.DiscardUnknownFields()
        assert again.SerializeToString(deterministic=True) == message.SerializeToString(deterministic=True)
    else:
        assert content_type == b"application/json"
        json_format.ParseDict(_ids_as_base64(json.loads(data)), message)  # an unknown field is an error
    return message


def _ids_as_base64(value: Any) -> Any:
    """OTLP's JSON has ids in hexadecimal, where protobuf's own has base64."""
    if isinstance(value, list):
        return [_ids_as_base64(item) for item in value]
    if isinstance(value, dict):
        return {
            name: base64.b64encode(bytes.fromhex(item)).decode()
            if name in ("traceId", "spanId", "parentSpanId")
            else _ids_as_base64(item)
            for name, item in value.items()
        }
    return value


class Collected:
    """What a collector was sent, and how it answers.

    Attributes:
        answers: Asked for each request; ``None`` takes it.
        headers: The headers of every request.
        tried: How many requests came.
    """

    def __init__(self) -> None:
        self.answers: Answers = lambda _: None
        self.messages: list[tuple[bytes, Any]] = []
        self.headers: list[dict[bytes, bytes]] = []
        self.tried = 0
        self.changed = trio.Event()

    def script(self, received: Received) -> Sequence[Step]:
        self.tried += 1
        self.headers.append(dict(received.headers))
        answer = self.answers(received)
        if answer is None:
            data = received.body
            if received.header(b"content-encoding") == b"gzip":
                data = gzip.decompress(data)
            content_type = received.header(b"content-type") or b""
            self.messages.append((received.target, decode(received.target, content_type, data)))
            answer = [response(b"{}" if b"json" in content_type else b"", headers=((b"content-type", content_type),))]
        self.changed.set()
        self.changed = trio.Event()
        return answer

    async def wait(self, count: int, path: bytes = b"/v1/traces") -> None:
        """Wait until so many messages have been taken."""
        while len([1 for seen, _ in self.messages if seen == path]) < count:
            await self.changed.wait()

    def spans(self) -> list[Any]:
        """Return every span that was taken."""
        found = [message.resource_spans[0] for path, message in self.messages if path == b"/v1/traces"]
        return [span for resource in found for span in resource.scope_spans[0].spans]

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of the last export by name."""
        last = [message for path, message in self.messages if path == b"/v1/metrics"][-1]
        return {metric.name: metric for metric in last.resource_metrics[0].scope_metrics[0].metrics}

    def resource(self) -> dict[str, Any]:
        path, message = self.messages[-1]
        found = message.resource_spans if path == b"/v1/traces" else message.resource_metrics
        return values(found[0].resource)


def values(holder: Any) -> dict[str, Any]:
    """Return the attributes of a span, point or resource as plain values; a key that stands twice is an error."""
    found: dict[str, Any] = {}
    for pair in holder.attributes:
        assert pair.key not in found
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        found[pair.key] = [item.string_value for item in value.values] if kind == "array_value" else value
    return found


@pytest.fixture
async def collector():
    """A collector, and its URL."""
    collected = Collected()
    async with ScriptedServer(collected.script) as server:
        collected.url = server.url  # type: ignore[attr-defined]  # only here is it known
        yield collected


@pytest.fixture
def attributes_of() -> Callable[[Any], dict[str, Any]]:
    return values


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
