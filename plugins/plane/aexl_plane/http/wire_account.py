"""Who a client is, and what it reaches: ``GET /v1/auth/me``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.names import RIGHTS
from aexl_plane.records import Caller, Project, Workspace
from aexl_plane.storage import places
from aexl_plane.storage.database import Database


class AccountRoutes:
    """The handler."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return (
            Route(method="GET", path="/v1/auth/me", needs="read", answer=self.me),
            Route(method="GET", path="/api/v1/me", needs="read", answer=self.me),
        )

    async def me(self, request: Request) -> Reply:
        """Return the caller, with all workspaces and projects that it reaches."""
        caller = request.caller
        tree = await self._database.read(lambda db: _tree(db, caller))
        return json_reply({**caller_json(caller), "workspaces": tree})


def caller_json(caller: Caller) -> Mapping[str, Any]:
    """Return a caller as clients see it; a service's id is its token's."""
    return {
        "id": caller.user or caller.token,
        "user_id": caller.user,
        "email": caller.who,
        "service": caller.user is None,
        "token_id": caller.token,
        "tenant_id": caller.tenant,
        "tenant_name": caller.tenant_name,
        "scopes": [right for right in RIGHTS if caller.may(right)],
    }


def _tree(connection: apsw.Connection, caller: Caller) -> list[dict[str, Any]]:
    return [
        {**place_json(workspace), "projects": _projects(connection, caller, workspace)}
        for workspace in places.list_workspaces(connection, caller)
    ]


def _projects(connection: apsw.Connection, caller: Caller, workspace: Workspace) -> list[dict[str, str]]:
    return [place_json(project) for project in places.list_projects(connection, caller, workspace)]


def place_json(place: Workspace | Project) -> dict[str, str]:
    """Return a workspace or project as clients see it."""
    return {"id": place.id, "slug": place.slug, "name": place.name}
