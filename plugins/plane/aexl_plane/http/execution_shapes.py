"""What is asked and answered about runs of handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from aexl.api import BUILTIN
from aexl_plane.executions.asked import Asked
from aexl_plane.executions.difference import Change
from aexl_plane.executions.live import Outcome
from aexl_plane.records import Execution
from aexl_plane.stamps import stamp

Status = Literal["queued", "running", "ok", "failed", "cancelled", "lost"]

_REASONS: Final[Mapping[str, str]] = {
    "CANCELLED": "somebody has cancelled it",
    "LOST": "the server ended while it ran; how far it came is not known, and it is not run again by itself",
    "UNAVAILABLE": "no worker could be had, or what is needed to run it was not there",
}


class NewInvocation(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run in an environment.

    Attributes:
        action: ``invoke`` a handler by kind and name, or ``execute`` a function by module and name.
        kind: Of ``invoke``.
        handler: Its name; of ``execute``: ``module.function``.
        event: Its input; of kinds ``http`` and ``mcp`` the input is ``http`` or ``mcp``.
        timeout_seconds: Up to 600 for ``sync``, 86,400 for ``async``.
        mode: ``sync`` waits for the answer; ``async`` answers 202 at once.
    """

    mode: Literal["sync", "async"] = "sync"

    def asked(self) -> Asked:
        """Return what the handler is asked."""
        return Asked(**{name: getattr(self, name) for name in Asked.__struct_fields__})


class SnapshotInvocation(NewInvocation, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to run of a snapshot; ``runtime`` is the interpreter's name, the built-in one if left out."""

    runtime: str = ""


class NewReplay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """On what to run a request again: a snapshot, or what an environment serves; by default what it ran on before.

    Attributes:
        snapshot: Its id, or the name of a head.
        environment: Not together with a snapshot.
        runtime: With a snapshot: the interpreter's name; by default the one of before.
    """

    snapshot: str | None = None
    environment: str | None = None
    runtime: str | None = None


class ExecutionError(msgspec.Struct, frozen=True, kw_only=True):
    """Why an execution gave no result; ``code`` is the runner's, or ``CANCELLED``, ``LOST``, ``UNAVAILABLE``."""

    code: str
    message: str
    details: Mapping[str, Any] = {}


class ExecutionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a handler; times are ISO 8601.

    Attributes:
        environment: Where it ran; ``null`` for a snapshot that was named.
        runtime: The interpreter's name.
        handler: Its name; ``METHOD /path`` of kind ``http``, ``server/tool`` of kind ``mcp``.
        http_status: What the handler, or its failure, says as an HTTP status.
        code: Of the error, if it has no result.
        replays: The execution whose request was run again.
        by: Who asked for it.
        duration_ms: From its start to its end.
    """

    id: str
    environment: str | None
    deployment: str | None
    snapshot: str
    runtime: str
    action: str
    kind: str
    handler: str
    mode: Literal["sync", "async"]
    status: Status
    http_status: int | None
    code: str | None
    replays: str | None
    by: str
    created: str
    started: str | None
    ended: str | None
    duration_ms: int | None


class ExecutionDetail(ExecutionSummary, frozen=True, kw_only=True):
    """A run of a handler with its answer.

    Attributes:
        result: Left out before the end, without one, and where it was too large to be kept or has expired.
        error: Why there is none.
        cost_usd: What its calls to models cost, a decimal text; ``null`` before the end, or where nobody keeps a ledger.
    """

    result: Any | UnsetType = UNSET
    error: ExecutionError | None = None
    cost_usd: str | None = None


class ExecutionList(msgspec.Struct, frozen=True, kw_only=True):
    """Executions, newest first."""

    executions: Sequence[ExecutionSummary]


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an execution's log.

    Attributes:
        records: As the runner's answer has them in ``meta.logs``.
        first: The number of the first of them; they count from 1.
        next: What to ask for with ``after`` to go on.
    """

    status: Status
    records: Sequence[Any]
    first: int
    next: int


class ReplayDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was run again.

    Attributes:
        execution: The new one.
        original: The one that it was recorded with.
        same: Whether both ended alike; ``null`` where the answer of the first is not kept any more.
        changes: What differs between ``status``, ``http_status``, ``result`` and ``error`` of both.
        truncated: More differs than is told.
    """

    execution: ExecutionDetail
    original: ExecutionDetail
    same: bool | None
    changes: Sequence[Change] | None
    truncated: bool


def execution_summary(execution: Execution) -> ExecutionSummary:
    """Return an execution as it is listed."""
    return ExecutionSummary(**_summary(execution))


def execution_detail(outcome: Outcome, cost: str | None) -> ExecutionDetail:
    """Return an execution with its answer."""
    execution, answer = outcome.execution, outcome.answer
    result: Any = UNSET
    error: ExecutionError | None = None
    if answer is not None and answer.get("error") is not None:
        error = msgspec.convert(answer["error"], ExecutionError)
    elif execution.code is not None:
        reason = _REASONS.get(execution.code, "what was answered is not kept")
        error = ExecutionError(code=execution.code, message=reason)
    elif answer is not None:
        result = answer.get("result", UNSET)
    return ExecutionDetail(**_summary(execution), result=result, error=error, cost_usd=cost)


def comparable(detail: ExecutionDetail) -> Mapping[str, object] | None:
    """Return how an execution ended, as a replay compares it; ``None`` where it is not known any more."""
    if detail.result is UNSET and detail.error is None:
        return None
    error = None if detail.error is None else {"code": detail.error.code, "message": detail.error.message}
    result = None if detail.result is UNSET else detail.result
    return {"status": detail.status, "http_status": detail.http_status, "result": result, "error": error}


def _summary(execution: Execution) -> dict[str, Any]:
    started, ended = execution.started, execution.ended
    return {
        "id": execution.id,
        "environment": execution.environment,
        "deployment": execution.deployment,
        "snapshot": execution.snapshot,
        "runtime": execution.runtime or BUILTIN,
        "action": execution.action,
        "kind": execution.kind,
        "handler": execution.handler,
        "mode": execution.mode,
        "status": execution.status,
        "http_status": execution.http_status,
        "code": execution.code,
        "replays": execution.replays,
        "by": execution.by,
        "created": stamp(execution.created),
        "started": None if started is None else stamp(started),
        "ended": None if ended is None else stamp(ended),
        "duration_ms": None if started is None or ended is None else max(0, round((ended - started) * 1000)),
    }
