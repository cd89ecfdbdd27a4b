"""The runner's answer: one line of JSON, its keys in this order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

from aexl.sdk.registry import SDK_VERSION
from aexl_runtime.protocol.failures import Failure

SCHEMA_VERSION = "v1"


class Answer(NamedTuple):
    """How a run ended.

    Attributes:
        result: A value of JSON; ``None`` for a failure.
        http: The HTTP status.
        duration_ms: Import and call, as the caller waited.
        logs: Records of ``Logbook``.
        sandbox: What was and was not enforced; ``None`` where nothing of the project ran.
    """

    request_id: str
    trace_id: str | None = None
    failure: Failure | None = None
    result: Any = None
    http: int = 200
    duration_ms: int = 0
    cold_start: bool = True
    snapshot_id: str | None = None
    logs: Sequence[Mapping[str, object]] = ()
    sandbox: Mapping[str, object] | None = None

    @property
    def exit(self) -> int:
        """The runner's exit status."""
        return 0 if self.failure is None else self.failure.kind.exit

    def json(self, *, debug: bool = False) -> dict[str, Any]:
        """Return the answer as an object, in order."""
        failure = self.failure
        meta: dict[str, object] = {
            "request_id": self.request_id,
            "trace_id": self.trace_id,
            "duration_ms": self.duration_ms,
            "cold_start": self.cold_start,
            "snapshot_id": self.snapshot_id,
            "sdk_version": SDK_VERSION,
            "runtime_version": SDK_VERSION,
            "logs": list(self.logs),
            "serialize_ms": 0,
        }
        if self.sandbox is not None:
            meta["sandbox"] = self.sandbox
        return {
            "schema_version": SCHEMA_VERSION,
            "ok": failure is None,
            "http_status": self.http if failure is None else failure.status,
            "result": self.result,
            "error": None if failure is None else failure.error(debug=debug),
            "meta": meta,
        }

    def line(self, *, debug: bool = False, pretty: bool = False) -> str:
        """Return the answer as text, without a line end."""
        begun = perf_counter()
        whole = self.json(debug=debug)
        if pretty:
            return json.dumps(whole, ensure_ascii=False, indent=2)
        result = json.dumps(whole["result"], ensure_ascii=False, separators=(",", ":"))
        whole["meta"]["serialize_ms"] = int((perf_counter() - begun) * 1000)
        head = f'{{"schema_version":"v1","ok":{json.dumps(whole["ok"])},"http_status":{whole["http_status"]}'
        rest = {"error": whole["error"], "meta": whole["meta"]}
        return f'{head},"result":{result},{json.dumps(rest, ensure_ascii=False, separators=(",", ":"))[1:]}'
