"""The role ``Tenants``, from the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw

from aexl.errors import Conflict
from aexl_plane.names import Right
from aexl_plane.records import Tenant
from aexl_plane.roles import Bootstrapped, OwnerToken
from aexl_plane.storage import people, places, tokens
from aexl_plane.storage.database import Database

OWNER: frozenset[Right] = frozenset({"admin"})

MINTED_HERE: Final = "made on the server's machine"
"""What a token is called that no other token has made."""


class TenantService:
    """See ``aexl_plane.roles.Tenants``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def bootstrap(self, name: str, email: str, workspace: str, project: str, first: bool) -> Bootstrapped:
        def work(connection: apsw.Connection) -> Bootstrapped:
            if first and people.list_tenants(connection):
                raise Conflict(
                    "this server has a tenant already: 'aexl auth login' takes a token of it, "
                    "'aexl auth tenant token NAME' makes one for its owner, 'aexl auth tenant create' another tenant"
                )
            tenant = people.create_tenant(connection, name)
            user = people.create_user(connection, tenant.id, email, OWNER)
            space = places.create_workspace(connection, tenant.id, workspace, workspace, email)
            made = places.create_project(connection, space, project, project, email)
            _, token = tokens.mint_token(connection, tenant.id, name="first", user=user, rights=OWNER)
            return Bootstrapped(tenant=tenant, user=user, workspace=space, project=made, token=token)

        return await self._database.write(work)

    async def mint(self, name: str, email: str | None) -> OwnerToken:
        def work(connection: apsw.Connection) -> OwnerToken:
            tenant = people.find_tenant(connection, name)
            user = people.find_owner(connection, tenant, email)
            _, token = tokens.mint_token(connection, tenant.id, name=MINTED_HERE, user=user, rights=OWNER)
            return OwnerToken(tenant=tenant, user=user, token=token)

        return await self._database.write(work)

    async def list(self) -> Sequence[Tenant]:
        return await self._database.read(people.list_tenants)
