"""``/apps/{workspace}/{project}/{environment}/…``: the HTTP handlers of what an environment serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from aexl.errors import Invalid
from aexl_plane.executions.asked import Asked
from aexl_plane.executions.live import Outcome
from aexl_plane.executions.orders import Orders
from aexl_plane.executions.service import ExecutionService
from aexl_plane.executions.targets import Target, Targets
from aexl_plane.executions.web import MARKS, Site, WebAnswer, answer_of, ask_for, clean_path
from aexl_plane.http.execution_shapes import execution_detail
from aexl_plane.http.invocations import ID_HEADER
from aexl_plane.http.request import JSON_BYTES, Reply, Request
from aexl_plane.http.routing import ANY, Route

APPS: Final = "/apps"

SECONDS: Final = 30.0
"""How long a handler may take."""

_PLACE: Final = f"{APPS}/{{workspace}}/{{project}}/{{environment}}"
_SITES: Final = 256
"""Deployments whose handlers are remembered."""

_BEFORE: Final = 5
"""Slashes of a path in front of the handler's own: ``/apps/w/p/e/``."""


class AppRoutes:
    """Somebody's own routes."""

    def __init__(self, executions: ExecutionService, targets: Targets, orders: Orders) -> None:
        self._executions = executions
        self._targets = targets
        self._orders = orders
        self._sites: dict[str | None, Site] = {}

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return tuple(
            Route(method=ANY, path=path, needs="execute", answer=self.answer)
            for path in (_PLACE, f"{_PLACE}/", f"{_PLACE}/{{path...}}")
        )

    async def answer(self, request: Request) -> Reply:
        """Let a handler answer."""
        target = await self._targets.served(request.project.id, request.parts["environment"])
        sent, _, query = request.target.partition("?")
        parts = sent.split("/", _BEFORE)
        path = clean_path(f"/{parts[-1]}" if len(parts) > _BEFORE else "")
        site = self._site(target)
        if request.method == "OPTIONS" and site.allowed(path):
            return Reply(204, b"", ((b"allow", ", ".join(site.allowed(path)).encode()),))
        site.find(request.method, path)
        body = await request.read(JSON_BYTES)
        asked = Asked(
            kind="http", http=ask_for(request.method, path, query, request.headers, body), timeout_seconds=SECONDS
        )
        order = self._orders.make(request.caller, request.workspace, request.project, target, asked)
        outcome = await self._executions.run(order)
        status, headers, data = _answered(outcome)
        return Reply(status, data, (*headers, (ID_HEADER, outcome.execution.id.encode())))

    def _site(self, target: Target) -> Site:
        found = self._sites.get(target.deployment)
        if found is None:
            if len(self._sites) >= _SITES:
                self._sites.clear()
            self._sites[target.deployment] = found = Site(target.described)
        return found


def _answered(outcome: Outcome) -> WebAnswer:
    detail = execution_detail(outcome, None)
    if detail.error is None:
        try:
            return answer_of(outcome.execution.http_status or 200, detail.result)
        except Invalid as error:
            return _failed(500, "BAD_ANSWER", str(error))
    return _failed(outcome.execution.http_status or 500, detail.error.code, detail.error.message)


def _failed(status: int, code: str, message: str) -> WebAnswer:
    body = {"error": {"message": message, "type": "handler_error", "param": None, "code": code}}
    headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"), *MARKS)
    return WebAnswer(status, headers, msgspec.json.encode(body))
