"""W3C Trace Context: whose trace a call belongs to, and whether it is exported. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MAX_STATE: Final = 512
"""Characters of ``tracestate`` that must be passed on at least; longer ones are left out."""


class Parent(NamedTuple):
    """The caller's span, as ``traceparent`` names it."""

    trace_id: str
    span_id: str
    is_sampled: bool
    state: str


def read_parent(headers: Sequence[tuple[bytes, bytes]]) -> Parent | None:
    """Return the caller's span; ``None`` where the headers name none, or not in the way of the standard."""
    values = [value.strip() for name, value in headers if name == b"traceparent"]
    match = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more) or not trace_id.strip(b"0") or not span_id.strip(b"0"):
        return None
    states = b",".join(value.strip() for name, value in headers if name == b"tracestate")
    state = states.decode("latin-1") if len(states) <= _MAX_STATE and states.isascii() else ""
    return Parent(trace_id.decode(), span_id.decode(), bool(int(flags, 16) & 1), state)


def is_sampled(trace_id: str, ratio: float) -> bool:
    """Decide for a trace without a parent, alike in every process that sees the same id."""
    return int(trace_id[16:], 16) < round(ratio * (1 << 64))
