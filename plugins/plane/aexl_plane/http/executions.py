"""Our own routes below ``/api/v1`` for what has run: answers, logs, replay, cancellation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Final, get_args

import msgspec
import trio

from aexl.api import Host
from aexl.errors import Conflict, Invalid
from aexl_plane.executions.asked import SYNC_SECONDS
from aexl_plane.executions.costs import cost_usd
from aexl_plane.executions.difference import compare
from aexl_plane.executions.live import LiveRun, Outcome
from aexl_plane.executions.orders import Orders
from aexl_plane.executions.service import ExecutionService
from aexl_plane.executions.targets import Target, Targets
from aexl_plane.http.execution_shapes import (
    ExecutionDetail,
    ExecutionList,
    LogPage,
    NewReplay,
    ReplayDetail,
    Status,
    comparable,
    execution_detail,
    execution_summary,
)
from aexl_plane.http.invocations import detail_reply, execution_headers
from aexl_plane.http.manage import PROJECT_API
from aexl_plane.http.request import Reply, Request, Stream, json_reply
from aexl_plane.http.routing import Parameter, Route
from aexl_plane.records import Execution

LISTED: Final = 1000
"""Executions in one answer."""

QUIET_SECONDS: Final = 15.0
"""After so long without a record a stream says that it is still there."""

_BATCH: Final = 100
"""Records in one piece of a stream."""

_STATUSES: Final = get_args(Status)

_FILTERS: Final = (
    Parameter("environment", {"type": "string"}, "Only of this environment."),
    Parameter("status", {"type": "string", "enum": list(_STATUSES)}, "Only with this status."),
    Parameter("before", {"type": "string"}, "Only what is older than this execution."),
    Parameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": LISTED, "default": 100}, "The most that are listed."
    ),
)
_LOG_QUERY: Final = (
    Parameter(
        "after", {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": 0}, "Only records after this one."
    ),
    Parameter("follow", {"type": "boolean", "default": False}, "An event stream, to the execution's end."),
)


class ExecutionRoutes:
    """What has run, and what runs."""

    def __init__(self, host: Host, executions: ExecutionService, targets: Targets, orders: Orders) -> None:
        self._host = host
        self._executions = executions
        self._targets = targets
        self._orders = orders

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        executions = f"{PROJECT_API}/executions"
        one = f"{executions}/{{execution}}"
        return (
            Route(
                method="GET",
                path=executions,
                needs="read",
                answer=self.list,
                summary="List executions, newest first",
                gives=ExecutionList,
                query=_FILTERS,
            ),
            Route(
                method="GET",
                path=one,
                needs="read",
                answer=self.get,
                summary="Show an execution with its answer and its cost",
                gives=ExecutionDetail,
            ),
            Route(
                method="GET",
                path=f"{one}/logs",
                needs="read",
                answer=self.logs,
                summary="Show an execution's log, or follow it",
                gives=LogPage,
                query=_LOG_QUERY,
                streams=True,
            ),
            Route(
                method="POST",
                path=f"{one}:cancel",
                needs="execute",
                answer=self.cancel,
                summary="End an execution that waits or runs",
                gives=ExecutionDetail,
            ),
            Route(
                method="POST",
                path=f"{one}:replay",
                needs="execute",
                answer=self.replay,
                summary="Run an execution's request again, and compare",
                takes=NewReplay,
                gives=ReplayDetail,
                failures=(410, 422),
            ),
        )

    async def list(self, request: Request) -> Reply:
        """List executions."""
        query = request.query
        status = query.get("status")
        if status is not None and status not in _STATUSES:
            raise Invalid(f"status must be {', '.join(_STATUSES)}, not {status[:20]!r}")
        found = await self._executions.list(
            request.project.id,
            query.get("environment"),
            status,
            query.get("before"),
            request.number("limit", 100, LISTED),
        )
        return json_reply(ExecutionList(executions=[execution_summary(each) for each in found]))

    async def get(self, request: Request) -> Reply:
        """Show an execution."""
        outcome = await self._executions.find(request.project.id, request.parts["execution"])
        return await detail_reply(self._host, outcome)

    async def logs(self, request: Request) -> Reply | Stream:
        """Show a log, or follow it."""
        project, id = request.project.id, request.parts["execution"]
        follow = _wants_stream(request)
        after = _number(request.headers.get("last-event-id") if follow else None, request.query.get("after"))
        live = self._executions.live(project, id)
        if live is None:
            live = _ended(await self._executions.find(project, id))
        if follow:
            headers = execution_headers(Outcome(live.execution), b"text/event-stream")
            return Stream(200, _events(live, after), headers)
        first, records = live.after(after)
        page = LogPage(
            status=live.execution.status, records=records, first=first, next=max(after, first + len(records) - 1)
        )
        return json_reply(page)

    async def cancel(self, request: Request) -> Reply:
        """End an execution."""
        outcome = await self._executions.cancel(request.project.id, request.parts["execution"], request.caller.who)
        return await detail_reply(self._host, outcome)

    async def replay(self, request: Request) -> Reply:
        """Run a request again."""
        wanted, project = await request.json(NewReplay), request.project
        before, recorded = await self._executions.recorded(project.id, request.parts["execution"])
        if before.execution.ended is None:
            raise Conflict(f"execution {before.execution.id} has not ended; there is nothing to compare with yet")
        target = await self._target(project.id, wanted, before.execution)
        asked = msgspec.structs.replace(
            recorded.asked, timeout_seconds=min(recorded.asked.timeout_seconds, SYNC_SECONDS)
        )
        order = self._orders.make(
            request.caller, request.workspace, project, target, asked, replays=before.execution.id
        )
        return await self._compared(before, await self._executions.run(order))

    async def _target(self, project: str, wanted: NewReplay, before: Execution) -> Target:
        if wanted.environment is not None:
            if wanted.snapshot is not None or wanted.runtime is not None:
                raise Invalid("a replay is on a snapshot or in an environment, not both")
            return await self._targets.served(project, wanted.environment)
        if wanted.snapshot is None and wanted.runtime is None and before.deployment is not None:
            return await self._targets.deployed(project, before.deployment)
        runtime = before.runtime if wanted.runtime is None else wanted.runtime
        return await self._targets.snapshot(project, wanted.snapshot or before.snapshot, runtime)

    async def _compared(self, before: Outcome, after: Outcome) -> Reply:
        original, execution = [execution_detail(each, await cost_usd(self._host, each)) for each in (before, after)]
        old, new = comparable(original), comparable(execution)
        changes, truncated = (None, False) if old is None or new is None else compare(old, new)
        told = ReplayDetail(
            execution=execution,
            original=original,
            same=None if changes is None else not changes,
            changes=changes,
            truncated=truncated,
        )
        return Reply(200, msgspec.json.encode(told), execution_headers(after))


def _wants_stream(request: Request) -> bool:
    follow = request.flag("follow")
    asked = request.headers.get("accept", "").partition(";")[0].strip() == "text/event-stream"
    return asked if follow is None else follow


def _number(*texts: str | None) -> int:
    text = next((each for each in texts if each is not None), "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Invalid(f"after must be the number of a record, not {text[:20]!r}")
    return int(text)


def _ended(outcome: Outcome) -> LiveRun:
    """Return an execution that has ended, to be read like one that runs."""
    made = LiveRun(outcome.execution)
    for record in (outcome.answer or {}).get("meta", {}).get("logs", ()):
        made.hear(record)
    made.end(outcome)
    return made


async def _events(live: LiveRun, number: int) -> AsyncGenerator[bytes, None]:
    """Yield a log as events, and the end; a reader that is slower than the log is told what it has lost."""
    while True:
        ended = live.has_ended
        first, records = live.after(number)
        if first > number + 1:
            yield f'event: lost\ndata: {{"records":{first - number - 1}}}\n\n'.encode()
            number = first - 1
        for at in range(0, len(records), _BATCH):
            batch = records[at : at + _BATCH]
            yield b"".join(b"id: %d\nevent: log\ndata: %b\n\n" % (number + n, each) for n, each in enumerate(batch, 1))
            number += len(batch)
        if ended:
            break
        with trio.move_on_after(QUIET_SECONDS) as quiet:
            await live.changed(number)
        if quiet.cancelled_caught:
            yield b": it goes on\n\n"
    execution = live.execution
    told = {"execution": execution.id, "status": execution.status, "http_status": execution.http_status}
    yield b"event: end\ndata: %b\n\n" % msgspec.json.encode({**told, "code": execution.code})
