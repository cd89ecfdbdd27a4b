"""Our own routes below ``/api/v1`` for managing: workspaces, projects, users, tokens, integrations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from aexl.errors import Invalid
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Route
from aexl_plane.http.wire_account import place_json
from aexl_plane.names import check_rights, within
from aexl_plane.records import Connection, Project, TokenRecord, User, Workspace
from aexl_plane.stamps import stamp
from aexl_plane.storage import connections, people, places
from aexl_plane.storage.database import Database

API: Final = "/api/v1"
PROJECT_API: Final = f"{API}/workspaces/{{workspace}}/projects/{{project}}"


class NewPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace or project to make; the slug is its name too, if none is given."""

    slug: str
    name: str = ""


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user to make, with a first token."""

    email: str
    scopes: tuple[str, ...] = ("read", "write", "execute")
    ttl_seconds: float | None = None


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token to make: of the caller's own user, or with ``service`` of nobody's."""

    name: str
    scopes: tuple[str, ...]
    service: bool = False
    workspace: str | None = None
    project: str | None = None
    ttl_seconds: float | None = None


class NewConnection(msgspec.Struct, frozen=True, kw_only=True):
    """An integration to add."""

    provider: str
    name: str
    allowed_actions: tuple[str, ...] = ()
    granted_actions: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}


class PlaceRoutes:
    """Workspaces and projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        workspaces = f"{API}/workspaces"
        projects = f"{workspaces}/{{workspace}}/projects"
        return (
            Route(method="GET", path=workspaces, needs="read", answer=self.list_workspaces),
            Route(method="POST", path=workspaces, needs="admin", answer=self.create_workspace),
            Route(method="GET", path=projects, needs="read", answer=self.list_projects),
            Route(method="POST", path=projects, needs="admin", answer=self.create_project),
            Route(method="GET", path=PROJECT_API, needs="read", answer=self.get),
        )

    async def list_workspaces(self, request: Request) -> Reply:
        """Return the workspaces that the caller reaches."""
        found = await self._database.read(lambda db: places.list_workspaces(db, request.caller))
        return json_reply({"workspaces": [_place(each) for each in found]})

    async def create_workspace(self, request: Request) -> Reply:
        """Make a workspace."""
        new, caller = await request.json(NewPlace), request.caller
        _refuse_narrow(caller.workspace or caller.project)
        name = new.name or new.slug
        made = await self._database.write(
            lambda db: places.create_workspace(db, caller.tenant, new.slug, name, caller.who)
        )
        return json_reply(_place(made), 201)

    async def list_projects(self, request: Request) -> Reply:
        """Return the projects of a workspace."""
        found = await self._database.read(lambda db: places.list_projects(db, request.caller, request.workspace))
        return json_reply({"projects": [_place(each) for each in found]})

    async def create_project(self, request: Request) -> Reply:
        """Make a project."""
        new, caller = await request.json(NewPlace), request.caller
        _refuse_narrow(caller.project)
        name = new.name or new.slug
        made = await self._database.write(
            lambda db: places.create_project(db, request.workspace, new.slug, name, caller.who)
        )
        return json_reply(_place(made), 201)

    async def get(self, request: Request) -> Reply:
        """Return one project."""
        return json_reply({**_place(request.project), "workspace": _place(request.workspace)})


class PeopleRoutes:
    """Users and tokens of the caller's tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        users, tokens = f"{API}/users", f"{API}/tokens"
        return (
            Route(method="GET", path=users, needs="admin", answer=self.list_users),
            Route(method="POST", path=users, needs="admin", answer=self.create_user),
            Route(method="DELETE", path=f"{users}/{{user}}", needs="admin", answer=self.remove_user),
            Route(method="GET", path=tokens, needs="read", answer=self.list_tokens),
            Route(method="POST", path=tokens, needs="read", answer=self.create_token),
            Route(method="DELETE", path=tokens, needs="read", answer=self.revoke_own),
            Route(method="DELETE", path=f"{tokens}/{{token}}", needs="read", answer=self.revoke),
        )

    async def list_users(self, request: Request) -> Reply:
        """Return the tenant's users."""
        found = await self._database.read(lambda db: people.list_users(db, request.caller.tenant))
        return json_reply({"users": [_user(each) for each in found]})

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
        return json_reply({**_user(user), "token": token}, 201)

    async def remove_user(self, request: Request) -> Reply:
        """Remove a user; their tokens end."""
        caller = request.caller
        _refuse_narrow(caller.workspace or caller.project)
        removed = await self._database.write(lambda db: people.remove_user(db, caller, request.parts["user"]))
        return json_reply({"removed": _user(removed)})

    async def list_tokens(self, request: Request) -> Reply:
        """Return live tokens: the caller's own, or all of the tenant to who may manage it."""
        found = await self._database.read(lambda db: people.list_tokens(db, request.caller))
        return json_reply({"tokens": [_token(each) for each in found]})

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
        return json_reply({**_token(record), "token": token}, 201)

    async def revoke(self, request: Request) -> Reply:
        """End one token."""
        id = request.parts["token"]
        await self._database.write(lambda db: people.revoke_token(db, request.caller, id))
        return json_reply({"revoked": [id]})

    async def revoke_own(self, request: Request) -> Reply:
        """End all of the caller's tokens, this one too."""
        revoked = await self._database.write(lambda db: people.revoke_own(db, request.caller))
        return json_reply({"revoked": revoked})


class ConnectionRoutes:
    """Integrations, for who manages them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        integrations = f"{PROJECT_API}/integrations"
        return (
            Route(method="POST", path=integrations, needs="admin", answer=self.add),
            Route(method="DELETE", path=f"{integrations}/{{connection}}", needs="admin", answer=self.remove),
        )

    async def add(self, request: Request) -> Reply:
        """Add an integration to a project."""
        new, project, by = await request.json(NewConnection), request.project.id, request.caller.who

        def work(connection: apsw.Connection) -> Connection:
            return connections.add_connection(
                connection,
                project,
                provider=new.provider,
                name=new.name,
                allowed=new.allowed_actions,
                granted=new.granted_actions,
                metadata=new.metadata,
                by=by,
            )

        made = await self._database.write(work)
        return json_reply({"connection_id": made.id, "provider": made.provider}, 201)

    async def remove(self, request: Request) -> Reply:
        """Remove an integration."""
        project, id, by = request.project.id, request.parts["connection"], request.caller.who
        await self._database.write(lambda db: connections.remove_connection(db, project, id, by))
        return json_reply({"removed": id})


def _refuse_narrow(place: str | None) -> None:
    if place is not None:
        raise Invalid(f"this token reaches {place} only; use one that reaches the whole tenant")


def _place(place: Workspace | Project) -> dict[str, Any]:
    return {**place_json(place), "created": stamp(place.created)}


def _user(user: User) -> dict[str, Any]:
    return {"id": user.id, "email": user.email, "scopes": user.scopes, "created": stamp(user.created)}


def _token(token: TokenRecord) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "user": token.user,
        "scopes": token.scopes,
        "workspace": token.workspace,
        "project": token.project,
        "created": stamp(token.created),
        "expires": None if token.expires is None else stamp(token.expires),
    }
