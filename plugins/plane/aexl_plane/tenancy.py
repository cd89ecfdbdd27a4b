"""The role ``Tenants``, from the database."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from aexl.errors import Conflict
from aexl_plane.names import Right
from aexl_plane.records import Tenant
from aexl_plane.roles import Bootstrapped
from aexl_plane.storage import people, places
from aexl_plane.storage.database import Database

OWNER: frozenset[Right] = frozenset({"admin"})


class TenantService:
    """See ``aexl_plane.roles.Tenants``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def bootstrap(self, name: str, email: str, workspace: str, project: str, first: bool) -> Bootstrapped:
        def work(connection: apsw.Connection) -> Bootstrapped:
            if first and people.list_tenants(connection):
                raise Conflict(
                    "this server has a tenant already; 'aexl auth tenant create' makes another one, "
                    "'aexl auth login' takes a token of the one that is there"
                )
            tenant = people.create_tenant(connection, name)
            user = people.create_user(connection, tenant.id, email, OWNER)
            space = places.create_workspace(connection, tenant.id, workspace, workspace, email)
            made = places.create_project(connection, space, project, project, email)
            _, token = people.mint_token(connection, tenant.id, name="first", user=user, rights=OWNER)
            return Bootstrapped(tenant=tenant, user=user, workspace=space, project=made, token=token)

        return await self._database.write(work)

    async def list(self) -> Sequence[Tenant]:
        return await self._database.read(people.list_tenants)
