"""Our own routes below ``/api/v1`` for managing: workspaces, projects, users, tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from aexl.errors import Invalid
from aexl_plane.http.place_shapes import (
    MadeToken,
    MadeUser,
    NewPlace,
    NewToken,
    NewUser,
    PlaceShape,
    ProjectList,
    ProjectShape,
    RemovedUser,
    RevokedOwn,
    RevokedTokens,
    TokenList,
    TokenShape,
    UserList,
    WorkspaceList,
    place_shape,
    token_fields,
    user_shape,
)
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.names import check_rights, within
from aexl_plane.records import TokenRecord, User
from aexl_plane.storage import people, places
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
        _refuse_narrow(caller.workspace or caller.project)
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
        _refuse_narrow(caller.project)
        name = new.name or new.slug
        made = await self._database.write(
            lambda db: places.create_project(db, request.workspace, new.slug, name, caller.who)
        )
        return json_reply(place_shape(made), 201)

    async def get(self, request: Request) -> Reply:
        """Return one project."""
        shown = msgspec.structs.asdict(place_shape(request.project))
        return json_reply(ProjectShape(**shown, workspace=place_shape(request.workspace)))


class PeopleRoutes:
    """Users and tokens of the caller's tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        users, tokens = f"{API}/users", f"{API}/tokens"
        return (
            Route(
                method="GET",
                path=users,
                needs="admin",
                answer=self.list_users,
                summary="List the tenant's users",
                gives=UserList,
            ),
            Route(
                method="POST",
                path=users,
                needs="admin",
                answer=self.create_user,
                summary="Make a user with a first token, which is told once",
                takes=NewUser,
                gives=MadeUser,
                status=201,
            ),
            Route(
                method="DELETE",
                path=f"{users}/{{user}}",
                needs="admin",
                answer=self.remove_user,
                summary="Remove a user; their tokens end",
                gives=RemovedUser,
            ),
            Route(
                method="GET",
                path=tokens,
                needs="read",
                answer=self.list_tokens,
                summary="List your own live tokens, or the tenant's if you may manage it",
                gives=TokenList,
            ),
            Route(
                method="POST",
                path=tokens,
                needs="read",
                answer=self.create_token,
                summary="Make a token that can do no more than yours, and reaches no further",
                takes=NewToken,
                gives=MadeToken,
                status=201,
            ),
            Route(
                method="DELETE",
                path=tokens,
                needs="read",
                answer=self.revoke_own,
                summary="End all of your tokens, this one too",
                gives=RevokedOwn,
            ),
            Route(
                method="DELETE",
                path=f"{tokens}/{{token}}",
                needs="read",
                answer=self.revoke,
                summary="End a token",
                gives=RevokedTokens,
            ),
        )

    async def list_users(self, request: Request) -> Reply:
        """Return the tenant's users."""
        found = await self._database.read(lambda db: people.list_users(db, request.caller.tenant))
        return json_reply(UserList(users=[user_shape(each) for each in found]))

    async def create_user(self, request: Request) -> Reply:
        """Make a user with a token, which is told once."""
        new, caller = await request.json(NewUser), request.caller
        _refuse_narrow(caller.workspace or caller.project)
        rights = check_rights(new.scopes)

        def work(connection: apsw.Connection) -> tuple[User, str]:
            user = people.create_user(connection, caller.tenant, new.email, rights)
            _, token = people.mint_token(
                connection,
                caller.tenant,
                name="first",
                user=user,
                rights=rights,
                ttl=new.ttl_seconds,
                latest=caller.expires,
            )
            return user, token

        user, token = await self._database.write(work)
        return json_reply(MadeUser(**msgspec.structs.asdict(user_shape(user)), token=token), 201)

    async def remove_user(self, request: Request) -> Reply:
        """Remove a user; their tokens end."""
        caller = request.caller
        _refuse_narrow(caller.workspace or caller.project)
        removed = await self._database.write(lambda db: people.remove_user(db, caller, request.parts["user"]))
        return json_reply(RemovedUser(removed=user_shape(removed)))

    async def list_tokens(self, request: Request) -> Reply:
        """Return live tokens: the caller's own, or all of the tenant to who may manage it."""
        found = await self._database.read(lambda db: people.list_tokens(db, request.caller))
        return json_reply(TokenList(tokens=[TokenShape(**token_fields(each)) for each in found]))

    async def create_token(self, request: Request) -> Reply:
        """Make a token that can do no more than the caller's, and reaches no further."""
        new, caller = await request.json(NewToken), request.caller
        rights = check_rights(new.scopes)
        if not within(rights, caller.rights):
            raise Invalid(
                f"a token that may {', '.join(sorted(caller.rights))} cannot give {', '.join(sorted(rights))}"
            )
        if caller.user is None or (new.service and not caller.may("admin")):
            raise Invalid("a service's token is made by a user who may admin")
        if new.project is not None and new.workspace is None:
            raise Invalid("a project is named together with its workspace")

        def work(connection: apsw.Connection) -> tuple[TokenRecord, str]:
            workspace, project = caller.workspace, caller.project
            if new.workspace is not None:
                place = places.find_workspace(connection, caller, new.workspace)
                workspace = place.id
                if new.project is not None:
                    project = places.find_project(connection, caller, place, new.project).id
            user = None if new.service else people.find_user(connection, caller.tenant, str(caller.user))
            return people.mint_token(
                connection,
                caller.tenant,
                name=new.name,
                user=user,
                rights=rights,
                workspace=workspace,
                project=project,
                ttl=new.ttl_seconds,
                latest=caller.expires,
            )

        record, token = await self._database.write(work)
        return json_reply(MadeToken(**token_fields(record), token=token), 201)

    async def revoke(self, request: Request) -> Reply:
        """End one token."""
        id = request.parts["token"]
        await self._database.write(lambda db: people.revoke_token(db, request.caller, id))
        return json_reply(RevokedTokens(revoked=[id]))

    async def revoke_own(self, request: Request) -> Reply:
        """End all of the caller's tokens, this one too."""
        revoked = await self._database.write(lambda db: people.revoke_own(db, request.caller))
        return json_reply(RevokedOwn(revoked=revoked))


def _refuse_narrow(place: str | None) -> None:
    if place is not None:
        raise Invalid(f"this token reaches {place} only; use one that reaches the whole tenant")
