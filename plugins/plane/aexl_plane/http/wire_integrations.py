"""Integrations as today's clients ask for them.

What goes wrong with one is told with a status of 200 and ``ok: false``: clients raise that
at once, where a status of its own would make them ask again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aexl.api import format_usd
from aexl.errors import CallError
from aexl_plane.http.integration_shapes import ActionParams, connection_shape
from aexl_plane.http.integrations import find_connection
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.http.wire_files import PROJECT
from aexl_plane.integrations.recording import check_key
from aexl_plane.integrations.service import IntegrationService
from aexl_plane.storage import connections
from aexl_plane.storage.database import Database


class IntegrationRoutes:
    """The handlers."""

    def __init__(self, database: Database, integrations: IntegrationService) -> None:
        self._database = database
        self._integrations = integrations

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        one = f"{PROJECT}/integrations/{{connection}}"
        return (
            Route(method="GET", path=f"{PROJECT}/integrations", needs="read", answer=self.list),
            Route(method="GET", path=one, needs="read", answer=self.get),
            Route(method="POST", path=f"{one}/health-check", needs="execute", answer=self.check),
            Route(method="POST", path=f"{one}/action/{{action}}:invoke", needs="execute", answer=self.invoke),
        )

    async def list(self, request: Request) -> Reply:
        """Return a project's integrations."""
        project, caller = request.project, request.caller
        found = await self._database.read(lambda db: connections.list_connections(db, project.id))
        return json_reply(
            [connection_shape(each, project.workspace, *self._integrations.find(caller, each)) for each in found]
        )

    async def get(self, request: Request) -> Reply:
        """Return one integration."""
        found = await find_connection(self._database, request)
        live, why = self._integrations.find(request.caller, found)
        return json_reply(connection_shape(found, request.project.workspace, live, why))

    async def check(self, request: Request) -> Reply:
        """Try an integration."""
        body = await request.json(dict[str, Any])
        found = await find_connection(self._database, request)
        try:
            data = await self._integrations.check(request.caller, found, body)
        except CallError as error:
            return json_reply({"ok": False, "error": {"code": error.code, "message": error.reason}, "data": {}})
        return json_reply({"ok": True, "error": None, "data": data})

    async def invoke(self, request: Request) -> Reply:
        """Run an action, if the integration has been granted it."""
        wanted = await request.json(ActionParams)
        found, workspace = await find_connection(self._database, request), request.project.workspace
        named = wanted.params.get("idempotency_key")
        key = check_key(request.headers.get("idempotency-key") or (named if isinstance(named, str) else None))
        action = request.parts["action"]
        try:
            done = await self._integrations.invoke(request.caller, workspace, found, action, wanted.params, key)
        except CallError as error:
            told = {"code": error.code, "message": error.reason}
            return json_reply({"ok": False, "http_status": error.status, "error": told})
        cost = None if done.cost is None else format_usd(done.cost)
        return json_reply({"ok": True, "result": done.result, "execution": done.execution, "cost_usd": cost})
