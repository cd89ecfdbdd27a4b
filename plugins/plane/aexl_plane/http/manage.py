"""Our own routes below ``/api/v1`` for workspaces and projects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from aexl.errors import Invalid
from aexl_plane.http.place_shapes import (
    NewPlace,
    PlaceShape,
    ProjectList,
    ProjectShape,
    WorkspaceList,
    place_shape,
)
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.storage import places
from aexl_plane.storage.database import Database

API: Final = "/api/v1"
PROJECT_API: Final = f"{API}/workspaces/{{workspace}}/projects/{{project}}"


class PlaceRoutes:
    """Workspaces and projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        workspaces = f"{API}/workspaces"
        projects = f"{workspaces}/{{workspace}}/projects"
        return (
            Route(
                method="GET",
                path=workspaces,
                needs="read",
                answer=self.list_workspaces,
                summary="List the workspaces that the token reaches",
                gives=WorkspaceList,
            ),
            Route(
                method="POST",
                path=workspaces,
                needs="admin",
                answer=self.create_workspace,
                summary="Make a workspace",
                takes=NewPlace,
                gives=PlaceShape,
                status=201,
            ),
            Route(
                method="GET",
                path=projects,
                needs="read",
                answer=self.list_projects,
                summary="List the projects of a workspace that the token reaches",
                gives=ProjectList,
            ),
            Route(
                method="POST",
                path=projects,
                needs="admin",
                answer=self.create_project,
                summary="Make a project",
                takes=NewPlace,
                gives=PlaceShape,
                status=201,
            ),
            Route(
                method="GET",
                path=PROJECT_API,
                needs="read",
                answer=self.get,
                summary="Show a project",
                gives=ProjectShape,
            ),
        )

    async def list_workspaces(self, request: Request) -> Reply:
        """Return the workspaces that the caller reaches."""
        found = await self._database.read(lambda db: places.list_workspaces(db, request.caller))
        return json_reply(WorkspaceList(workspaces=[place_shape(each) for each in found]))

    async def create_workspace(self, request: Request) -> Reply:
        """Make a workspace."""
        new, caller = await request.json(NewPlace), request.caller
        refuse_narrow(caller.workspace or caller.project)
        name = new.name or new.slug
        made = await self._database.write(
            lambda db: places.create_workspace(db, caller.tenant, new.slug, name, caller.who)
        )
        return json_reply(place_shape(made), 201)

    async def list_projects(self, request: Request) -> Reply:
        """Return the projects of a workspace."""
        found = await self._database.read(lambda db: places.list_projects(db, request.caller, request.workspace))
        return json_reply(ProjectList(projects=[place_shape(each) for each in found]))

    async def create_project(self, request: Request) -> Reply:
        """Make a project."""
        new, caller = await request.json(NewPlace), request.caller
        refuse_narrow(caller.project)
        name = new.name or new.slug
        made = await self._database.write(
            lambda db: places.create_project(db, request.workspace, new.slug, name, caller.who)
        )
        return json_reply(place_shape(made), 201)

    async def get(self, request: Request) -> Reply:
        """Return one project."""
        shown = msgspec.structs.asdict(place_shape(request.project))
        return json_reply(ProjectShape(**shown, workspace=place_shape(request.workspace)))


def refuse_narrow(place: str | None) -> None:
    """Refuse what only a token for the whole tenant, or the whole workspace, may do.

    Raises:
        Invalid: If the token is for a place in it.
    """
    if place is not None:
        raise Invalid(f"this token reaches {place} only; use one that reaches the whole tenant")
