"""Our own routes below ``/api/v1`` for users and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from aexl.errors import Invalid
from aexl_plane.http.manage import API, refuse_narrow
from aexl_plane.http.place_shapes import (
    MadeToken,
    MadeUser,
    NewToken,
    NewUser,
    RemovedUser,
    RevokedOwn,
    RevokedTokens,
    TokenList,
    TokenShape,
    UserList,
    token_fields,
    user_shape,
)
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Parameter, Route
from aexl_plane.names import check_rights, within
from aexl_plane.records import TokenRecord, User
from aexl_plane.storage import people, places, tokens
from aexl_plane.storage.database import Database

_USERS: Final = f"{API}/users"
_TOKENS: Final = f"{API}/tokens"
_CONFIRM: Final = (
    Parameter(
        "confirm",
        {"type": "boolean", "default": False},
        "Also if it ends your last token that may admin the tenant, which is refused else.",
    ),
)


class PeopleRoutes:
    """Users and tokens of the caller's tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        return (
            Route(
                method="GET",
                path=_USERS,
                needs="admin",
                answer=self.list_users,
                summary="List the tenant's users",
                gives=UserList,
            ),
            Route(
                method="POST",
                path=_USERS,
                needs="admin",
                answer=self.create_user,
                summary="Make a user with a first token, which is told once",
                takes=NewUser,
                gives=MadeUser,
                status=201,
            ),
            Route(
                method="DELETE",
                path=f"{_USERS}/{{user}}",
                needs="admin",
                answer=self.remove_user,
                summary="Remove a user; their tokens end",
                gives=RemovedUser,
            ),
            Route(
                method="GET",
                path=_TOKENS,
                needs="read",
                answer=self.list_tokens,
                summary="List your own live tokens, or the tenant's if you may manage it",
                gives=TokenList,
            ),
            Route(
                method="POST",
                path=_TOKENS,
                needs="read",
                answer=self.create_token,
                summary="Make a token that can do no more than yours, and reaches no further",
                takes=NewToken,
                gives=MadeToken,
                status=201,
            ),
            Route(
                method="DELETE",
                path=_TOKENS,
                needs="read",
                answer=self.revoke_own,
                summary="End all of your tokens, this one too",
                gives=RevokedOwn,
                query=_CONFIRM,
            ),
            Route(
                method="DELETE",
                path=f"{_TOKENS}/{{token}}",
                needs="read",
                answer=self.revoke,
                summary="End a token",
                gives=RevokedTokens,
                query=_CONFIRM,
            ),
        )

    async def list_users(self, request: Request) -> Reply:
        """Return the tenant's users."""
        found = await self._database.read(lambda db: people.list_users(db, request.caller.tenant))
        return json_reply(UserList(users=[user_shape(each) for each in found]))

    async def create_user(self, request: Request) -> Reply:
        """Make a user with a token, which is told once."""
        new, caller = await request.json(NewUser), request.caller
        refuse_narrow(caller.workspace or caller.project)
        rights = check_rights(new.scopes)

        def work(connection: apsw.Connection) -> tuple[User, str]:
            user = people.create_user(connection, caller.tenant, new.email, rights)
            _, token = tokens.mint_token(
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
        refuse_narrow(caller.workspace or caller.project)
        removed = await self._database.write(lambda db: people.remove_user(db, caller, request.parts["user"]))
        return json_reply(RemovedUser(removed=user_shape(removed)))

    async def list_tokens(self, request: Request) -> Reply:
        """Return live tokens: the caller's own, or all of the tenant to who may manage it."""
        found = await self._database.read(lambda db: tokens.list_tokens(db, request.caller))
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
            return tokens.mint_token(
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
        id, confirmed = request.parts["token"], bool(request.flag("confirm"))
        await self._database.write(lambda db: tokens.revoke_token(db, request.caller, id, confirmed=confirmed))
        return json_reply(RevokedTokens(revoked=[id]))

    async def revoke_own(self, request: Request) -> Reply:
        """End all of the caller's tokens, this one too."""
        confirmed = bool(request.flag("confirm"))
        revoked = await self._database.write(lambda db: tokens.revoke_own(db, request.caller, confirmed=confirmed))
        return json_reply(RevokedOwn(revoked=revoked))
