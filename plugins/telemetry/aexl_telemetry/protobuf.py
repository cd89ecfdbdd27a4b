"""Writing OTLP messages in protobuf's binary encoding. Pure.

The few messages that are sent do not need a code generator and its run-time
library: a table says each field's number and kind. Tests decode what is written
here with the official classes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple


class Field(NamedTuple):
    """One field of a message; ``kind`` is a scalar's or the name of a message."""

    number: int
    kind: str
    repeated: bool = False


_ATTRIBUTES: Final = Field(1, "KeyValue", True)
_SCOPE: Final = {"scope": Field(1, "Scope")}
_RESOURCE: Final = {"resource": Field(1, "Resource")}
_POINT: Final = {"startTimeUnixNano": Field(2, "fixed64"), "timeUnixNano": Field(3, "fixed64")}

MESSAGES: Final[Mapping[str, Mapping[str, Field]]] = {
    "ExportTraceServiceRequest": {"resourceSpans": Field(1, "ResourceSpans", True)},
    "ExportMetricsServiceRequest": {"resourceMetrics": Field(1, "ResourceMetrics", True)},
    "ResourceSpans": {**_RESOURCE, "scopeSpans": Field(2, "ScopeSpans", True)},
    "ResourceMetrics": {**_RESOURCE, "scopeMetrics": Field(2, "ScopeMetrics", True)},
    "Resource": {"attributes": _ATTRIBUTES},
    "Scope": {"name": Field(1, "string"), "version": Field(2, "string")},
    "ScopeSpans": {**_SCOPE, "spans": Field(2, "Span", True)},
    "ScopeMetrics": {**_SCOPE, "metrics": Field(2, "Metric", True)},
    "KeyValue": {"key": Field(1, "string"), "value": Field(2, "AnyValue")},
    "AnyValue": {
        "stringValue": Field(1, "string"),
        "boolValue": Field(2, "varint"),
        "intValue": Field(3, "varint"),
        "doubleValue": Field(4, "double"),
        "arrayValue": Field(5, "ArrayValue"),
    },
    "ArrayValue": {"values": Field(1, "AnyValue", True)},
    "Span": {
        "traceId": Field(1, "hex"),
        "spanId": Field(2, "hex"),
        "traceState": Field(3, "string"),
        "parentSpanId": Field(4, "hex"),
        "name": Field(5, "string"),
        "kind": Field(6, "varint"),
        "startTimeUnixNano": Field(7, "fixed64"),
        "endTimeUnixNano": Field(8, "fixed64"),
        "attributes": Field(9, "KeyValue", True),
        "status": Field(15, "Status"),
        "flags": Field(16, "fixed32"),
    },
    "Status": {"message": Field(2, "string"), "code": Field(3, "varint")},
    "Metric": {
        "name": Field(1, "string"),
        "description": Field(2, "string"),
        "unit": Field(3, "string"),
        "sum": Field(7, "Sum"),
        "histogram": Field(9, "Histogram"),
    },
    "Sum": {
        "dataPoints": Field(1, "NumberDataPoint", True),
        "aggregationTemporality": Field(2, "varint"),
        "isMonotonic": Field(3, "varint"),
    },
    "Histogram": {"dataPoints": Field(1, "HistogramDataPoint", True), "aggregationTemporality": Field(2, "varint")},
    "NumberDataPoint": {**_POINT, "asInt": Field(6, "sfixed64"), "attributes": Field(7, "KeyValue", True)},
    "HistogramDataPoint": {
        **_POINT,
        "count": Field(4, "fixed64"),
        "sum": Field(5, "double"),
        "bucketCounts": Field(6, "fixed64", True),
        "explicitBounds": Field(7, "double", True),
        "attributes": Field(9, "KeyValue", True),
        "min": Field(11, "double"),
        "max": Field(12, "double"),
    },
}
"""Fields by their names in JSON, for each message."""

Write = Callable[[Any], bytes]


def encode(message: str, value: Mapping[str, Any]) -> bytes:
    """Return a message in binary.

    Raises:
        KeyError: If the value has a field that the message has not.
    """
    writers = _WRITERS[message]
    return b"".join([writers[name](item) for name, item in value.items()])


def _writer(field: Field) -> Write:
    """Return what writes a field, its tag worked out once: an export has tens of thousands of them."""
    number, kind = field.number, field.kind
    packed = kind in ("fixed64", "sfixed64", "double")
    sized, wide, plain, narrow = (_varint(number << 3 | wire) for wire in (2, 1, 0, 5))
    if field.repeated and packed:
        pack = _packer(kind)
        return lambda items: _sized(sized, b"".join([pack(item) for item in items]))
    if field.repeated:
        return lambda items: b"".join([_sized(sized, encode(kind, item)) for item in items])
    if packed:
        pack = _packer(kind)
        return lambda item: wide + pack(item)
    scalars: dict[str, Write] = {
        "string": lambda item: _sized(sized, item.encode("utf-8", "replace")),
        "hex": lambda item: _sized(sized, bytes.fromhex(item)),
        "varint": lambda item: plain + _varint(int(item) & 0xFFFF_FFFF_FFFF_FFFF),
        "fixed32": lambda item: narrow + _FIXED32.pack(item),
    }
    return scalars.get(kind) or (lambda item: _sized(sized, encode(kind, item)))


def _packer(kind: str) -> Write:
    pack = {"fixed64": _FIXED64, "sfixed64": _SIGNED64, "double": _DOUBLE}[kind].pack
    return pack if kind == "double" else lambda item: pack(int(item))


def _sized(tag: bytes, data: bytes) -> bytes:
    size = len(data)
    return tag + (_SMALL[size] if size < len(_SMALL) else _varint(size)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_FIXED32: Final = struct.Struct("<I")
_FIXED64: Final = struct.Struct("<Q")
_SIGNED64: Final = struct.Struct("<q")
_DOUBLE: Final = struct.Struct("<d")
_SMALL: Final = tuple(_varint(size) for size in range(1024))
_WRITERS: Final = {
    message: {name: _writer(field) for name, field in fields.items()} for message, fields in MESSAGES.items()
}
