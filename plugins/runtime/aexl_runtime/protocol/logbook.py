"""The log of one run, as its caller gets it: what the runner does, and what the handler says, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

MOST_RECORDS: Final = 1000
MOST_BYTES: Final = 256 * 1024
"""Of what handlers say in one run; the rest is counted and dropped."""

LEVELS: Final = frozenset({"DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"})
Heard = Callable[[Mapping[str, object]], None]
"""See ``aexl.api.handlers.Heard``, which is not imported here: only the standard library is."""

_RESERVED: Final = "runner."
"""Events that only the runner writes; a handler's own of that name gets ``handler.`` before it."""


class Logbook:
    """Records of one run. Ids are put in here, so that no handler can write another's.

    Args:
        clock: Seconds of Unix time.
        heard: Is told of each record.
    """

    def __init__(
        self, request_id: str, trace_id: str | None, clock: Any = time.time, heard: Heard | None = None
    ) -> None:
        self._request_id = request_id
        self._trace_id = trace_id
        self._clock = clock
        self._heard = heard
        self.snapshot_id: str | None = None
        self.records: list[dict[str, object]] = []
        self._said = 0
        self._bytes = 0
        self.dropped = 0

    def runner(
        self, event: str, resource: tuple[str | None, str | None], fields: Mapping[str, object], level: str = "INFO"
    ) -> None:
        """Add what the runner did."""
        self._add(f"{_RESERVED}{event}", level, resource, fields)

    def said(self, record: Mapping[str, Any]) -> None:
        """Add what a handler logged: its words, our ids."""
        size = len(str(record.get("fields", ""))) + len(str(record.get("event", "")))
        if self._is_full(size):
            return
        event = str(record.get("event", ""))[:200]
        if event.startswith(_RESERVED):
            event = f"handler.{event}"
        level = record.get("level")
        fields = record.get("fields")
        kind, name = record.get("resource_kind"), record.get("resource_name")
        self._add(
            event,
            level if level in LEVELS else "INFO",
            (None if kind is None else str(kind)[:200], None if name is None else str(name)[:200]),
            fields if isinstance(fields, dict) else {},
        )

    def printed(self, stream: str, text: str) -> None:
        """Add what was written to standard output or standard error."""
        if not self._is_full(len(text)):
            self._add(stream, "INFO", (None, None), {"text": text})

    def close(self) -> None:
        """Say how much was dropped, if anything was."""
        if self.dropped:
            self.runner("log.dropped", (None, None), {"records": self.dropped}, "WARN")

    def _is_full(self, size: int) -> bool:
        if self._said >= MOST_RECORDS or self._bytes + size > MOST_BYTES:
            self.dropped += 1
            return True
        self._said += 1
        self._bytes += size
        return False

    def _add(
        self, event: str, level: str, resource: tuple[str | None, str | None], fields: Mapping[str, object]
    ) -> None:
        record: dict[str, object] = {
            "ts_ms": int(self._clock() * 1000),
            "level": level,
            "event": event,
            "request_id": self._request_id,
            "trace_id": self._trace_id,
            "snapshot_id": self.snapshot_id,
            "resource_kind": resource[0],
            "resource_name": resource[1],
            "fields": dict(fields),
        }
        self.records.append(record)
        if self._heard is not None:
            self._heard(record)
