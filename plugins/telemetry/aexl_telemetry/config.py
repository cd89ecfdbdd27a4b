"""The table ``[telemetry]`` of ``aexl.toml``."""

from __future__ import annotations

from typing import Literal

import msgspec

Protocol = Literal["http/protobuf", "http/json"]


class TelemetryConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``[telemetry]``. What is left out comes from OpenTelemetry's own variables, else from the defaults.

    Attributes:
        enabled: False exports nothing, whatever the variables say.
        endpoint: The collector's base URL, to which ``/v1/traces`` and ``/v1/metrics`` are appended; off without one.
        headers: Headers for the collector, such as its key.
        protocol: The encoding, ``http/protobuf`` or ``http/json``.
        compression: ``gzip`` or ``none``.
        service_name: What the resource is called; ``aexl`` by default.
        sample: The share of traces that are exported where the caller has not decided, from 0 to 1; metrics count all.
        capture_content: Attach prompts and answers to spans.
        content_bytes: The most bytes of content in one attribute; what is older is left out first.
        queue: Spans that may wait; further ones are dropped and counted.
        batch: Spans in one request.
        interval: Seconds between exports of spans.
        metrics_interval: Seconds between exports of metrics.
        timeout: Seconds for one request.
        retry_seconds: How long a batch that the collector did not take is tried again before it is dropped.
        flush_seconds: How long the server waits for the last export when it stops.
    """

    enabled: bool = True
    endpoint: str | None = None
    headers: dict[str, str] = {}
    protocol: Protocol | None = None
    compression: Literal["none", "gzip"] | None = None
    service_name: str | None = None
    sample: float | None = None
    capture_content: bool = False
    content_bytes: int = 32768
    queue: int = 2048
    batch: int = 512
    interval: float = 5.0
    metrics_interval: float = 60.0
    timeout: float | None = None
    retry_seconds: float = 60.0
    flush_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.sample is not None and not 0 <= self.sample <= 1:
            raise ValueError(f"sample must be from 0 to 1, not {self.sample}")
        for name in ("queue", "batch", "interval", "metrics_interval", "timeout"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be greater than 0, not {value}")
        for name in ("content_bytes", "retry_seconds", "flush_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
