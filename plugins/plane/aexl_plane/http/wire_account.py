"""Who a client is, and what it reaches: ``GET /v1/auth/me``."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from aexl_plane.http.place_shapes import Account, NamedPlace, NamedWorkspace, account, named_place
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.names import RIGHTS
from aexl_plane.records import Caller, Workspace
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
            Route(
                method="GET",
                path="/api/v1/me",
                needs="read",
                answer=self.me,
                summary="Show who asks, and the workspaces and projects that they reach",
                gives=Account,
            ),
        )

    async def me(self, request: Request) -> Reply:
        """Return the caller, with all workspaces and projects that it reaches."""
        caller = request.caller
        tree = await self._database.read(lambda db: _tree(db, caller))
        return json_reply(account(caller, [right for right in RIGHTS if caller.may(right)], tree))


def _tree(connection: apsw.Connection, caller: Caller) -> list[NamedWorkspace]:
    return [
        NamedWorkspace(id=each.id, slug=each.slug, name=each.name, projects=_projects(connection, caller, each))
        for each in places.list_workspaces(connection, caller)
    ]


def _projects(connection: apsw.Connection, caller: Caller, workspace: Workspace) -> list[NamedPlace]:
    return [named_place(project) for project in places.list_projects(connection, caller, workspace)]
