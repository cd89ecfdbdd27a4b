"""The messages of OTLP, as JSON values in its own spelling; ``protobuf`` writes the same in binary. Pure.

64-bit integers are decimal strings, ids are hexadecimal, enums are numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Json = dict[str, Any]
Value = str | bool | int | float | Sequence[str]

SCOPE: Final = "aexl"
KIND_CLIENT: Final = 3
STATUS_ERROR: Final = 2
CUMULATIVE: Final = 2


def attributes(values: Mapping[str, Value | None]) -> list[Json]:
    """Return key-value pairs; those without a value are left out."""
    return [{"key": key, "value": _any(value)} for key, value in values.items() if value is not None]


def _any(value: Value) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [{"stringValue": item} for item in value]}}


def traces(resource: Mapping[str, Value], version: str, spans: Sequence[Json]) -> Json:
    """Return an ``ExportTraceServiceRequest``."""
    inner = {"scope": {"name": SCOPE, "version": version}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": attributes(resource)}, "scopeSpans": [inner]}]}


def metrics(resource: Mapping[str, Value], version: str, found: Iterable[Json]) -> Json:
    """Return an ``ExportMetricsServiceRequest``."""
    inner = {"scope": {"name": SCOPE, "version": version}, "metrics": list(found)}
    return {"resourceMetrics": [{"resource": {"attributes": attributes(resource)}, "scopeMetrics": [inner]}]}
