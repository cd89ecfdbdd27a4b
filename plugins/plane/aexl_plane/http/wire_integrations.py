"""Integrations as today's clients ask for them.

A connector does what an integration is asked for. Where none is there for a provider,
the integration is listed as unavailable, and asking it for anything says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from aexl.errors import AexlError, CallError
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.http.wire_files import PROJECT
from aexl_plane.records import Caller, Connection, Project
from aexl_plane.storage import connections
from aexl_plane.storage.database import Database

UNAVAILABLE: Final = "nothing here can run integrations of this provider"


class Connector(Protocol):
    """Does the work of one provider's integrations."""

    @property
    def version(self) -> str:
        """The connector's own version."""
        ...

    async def check(self, connection: Connection, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Try the connection; return what it found, which must not be empty.

        Raises:
            AexlError: If it does not work.
        """
        ...

    async def invoke(
        self, caller: Caller, connection: Connection, action: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Run an action that the connection has granted.

        Raises:
            CallError: If it was refused or has failed; with the status to tell.
        """
        ...


Connectors = Mapping[str, Connector]
"""By provider."""


class _Invoke(msgspec.Struct, frozen=True, kw_only=True):
    params: Mapping[str, Any] = {}


class IntegrationRoutes:
    """The handlers.

    Args:
        connectors: Who can do what integrations are asked for.
    """

    def __init__(self, database: Database, connectors: Connectors) -> None:
        self._database = database
        self._connectors = connectors

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
        project = request.project
        found = await self._database.read(lambda db: connections.list_connections(db, project.id))
        return json_reply([self._json(each, project) for each in found])

    async def get(self, request: Request) -> Reply:
        """Return one integration."""
        return json_reply(self._json(await self._find(request), request.project))

    async def _find(self, request: Request) -> Connection:
        project, id = request.project.id, request.parts["connection"]
        return await self._database.read(lambda db: connections.find_connection(db, project, id))

    async def check(self, request: Request) -> Reply:
        """Try an integration."""
        body = await request.json(dict[str, Any])
        connection = await self._find(request)
        connector = self._connectors.get(connection.provider)
        if connector is None:
            return json_reply(_failed("integration_unavailable", UNAVAILABLE))
        try:
            found = await connector.check(connection, body)
        except AexlError as error:
            return json_reply(_failed("integration_failed", str(error)))
        return json_reply({"ok": True, "error": None, "data": found})

    async def invoke(self, request: Request) -> Reply:
        """Run an action, if the integration has been granted it."""
        wanted = await request.json(_Invoke)
        connection, action = await self._find(request), request.parts["action"]
        if action not in connection.granted:
            why = "has not been granted" if action in connection.allowed else "does not have"
            message = f"this integration {why} the action {action[:80]}"
            return json_reply(_refused(403, "action_not_granted", message))
        connector = self._connectors.get(connection.provider)
        if connector is None:
            return json_reply(_refused(501, "integration_unavailable", UNAVAILABLE))
        try:
            result = await connector.invoke(request.caller, connection, action, wanted.params)
        except CallError as error:
            return json_reply(_refused(error.status, error.code, error.reason))
        return json_reply({"ok": True, "result": result})

    def _json(self, connection: Connection, project: Project) -> dict[str, Any]:
        connector = self._connectors.get(connection.provider)
        return {
            "connection_id": connection.id,
            "workspace_id": project.workspace,
            "project_id": project.id,
            "provider": connection.provider,
            "connector": {"id": connection.provider, "version": connector.version if connector else "0"},
            "resource_type": connection.provider,
            "display_name": connection.name,
            "status": "active" if connector else "unavailable",
            "status_reason": None if connector else UNAVAILABLE,
            "capabilities": sorted({action.partition(".")[0] for action in connection.allowed}),
            "allowed_actions": connection.allowed,
            "granted_actions": connection.granted,
            "auth": {"method": "none"},
            "metadata": connection.metadata,
        }


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}, "data": {}}


def _refused(status: int, code: str, message: str) -> dict[str, Any]:
    """Return a refusal that the SDK raises at once: with a status of its own it would ask again."""
    return {"ok": False, "http_status": status, "error": {"code": code, "message": message}}
