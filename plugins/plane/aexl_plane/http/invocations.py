"""Our own routes below ``/api/v1`` for running handlers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from aexl.api import Headers, Host
from aexl_plane.executions.asked import ASYNC_SECONDS, SYNC_SECONDS, digest_of, read_key
from aexl_plane.executions.costs import cost_usd
from aexl_plane.executions.live import Outcome
from aexl_plane.executions.orders import Orders
from aexl_plane.executions.service import ExecutionService
from aexl_plane.executions.targets import Target, Targets
from aexl_plane.http.execution_shapes import ExecutionDetail, NewInvocation, SnapshotInvocation, execution_detail
from aexl_plane.http.manage import PROJECT_API
from aexl_plane.http.request import JSON_BYTES, Reply, Request, decode_body
from aexl_plane.http.routing import Route

ID_HEADER: Final = b"x-aexl-execution-id"
REPLAYED_HEADER: Final = b"x-aexl-replayed"

New = TypeVar("New", bound=NewInvocation)


class InvocationRoutes:
    """Runs, in an environment and of a snapshot."""

    def __init__(self, host: Host, executions: ExecutionService, targets: Targets, orders: Orders) -> None:
        self._host = host
        self._executions = executions
        self._targets = targets
        self._orders = orders

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return (
            Route(
                method="POST",
                path=f"{PROJECT_API}/environments/{{environment}}/invocations",
                needs="execute",
                answer=self.invoke,
                summary="Run a handler of what an environment serves",
                takes=NewInvocation,
                gives=ExecutionDetail,
                statuses=(202,),
                failures=(422,),
            ),
            Route(
                method="POST",
                path=f"{PROJECT_API}/snapshots/{{snapshot}}/invocations",
                needs="execute",
                answer=self.invoke_snapshot,
                summary="Run a handler of a snapshot",
                takes=SnapshotInvocation,
                gives=ExecutionDetail,
                statuses=(202,),
                failures=(422,),
            ),
        )

    async def invoke(self, request: Request) -> Reply:
        """Run a handler of what an environment serves."""
        body, new = await _read(request, NewInvocation)
        target = await self._targets.served(request.project.id, request.parts["environment"])
        return await self._run(request, body, new, target)

    async def invoke_snapshot(self, request: Request) -> Reply:
        """Run a handler of a snapshot."""
        body, new = await _read(request, SnapshotInvocation)
        target = await self._targets.snapshot(request.project.id, request.parts["snapshot"], new.runtime)
        return await self._run(request, body, new, target)

    async def _run(self, request: Request, body: bytes, new: NewInvocation, target: Target) -> Reply:
        key = read_key(request.headers)
        order = self._orders.make(
            request.caller,
            request.workspace,
            request.project,
            target,
            new.asked(),
            key=key,
            digest=digest_of(request.method, request.target, body) if key is not None else "",
        )
        if new.mode == "async":
            outcome, status = await self._executions.enqueue(order), 202
        else:
            outcome, status = await self._executions.run(order), 200
        return await detail_reply(self._host, outcome, status)


async def _read(request: Request, model: type[New]) -> tuple[bytes, New]:
    body = await request.read(JSON_BYTES)
    new = decode_body(body, model)
    new.check(ASYNC_SECONDS if new.mode == "async" else SYNC_SECONDS)
    return body, new


async def detail_reply(host: Host, outcome: Outcome, status: int = 200) -> Reply:
    """Answer with an execution and what came of it."""
    detail = execution_detail(outcome, await cost_usd(host, outcome))
    return Reply(status, msgspec.json.encode(detail), execution_headers(outcome))


def execution_headers(outcome: Outcome, content_type: bytes = b"application/json") -> Headers:
    """Return the headers of an answer that an execution has made."""
    headers = [
        (b"content-type", content_type),
        (b"cache-control", b"no-store"),
        (ID_HEADER, outcome.execution.id.encode()),
    ]
    if outcome.replayed:
        headers.append((REPLAYED_HEADER, b"true"))
    return headers
