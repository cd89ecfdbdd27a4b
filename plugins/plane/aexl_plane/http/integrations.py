"""Our own routes below ``/api/v1`` for integrations: what the server offers, a project's, and using one."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import msgspec

from aexl.errors import Invalid
from aexl_plane.http.integration_shapes import (
    ActionDone,
    Checked,
    ConnectionList,
    ConnectionShape,
    MadeConnection,
    NewAction,
    NewConnection,
    Nothing,
    OfferedList,
    RemovedConnection,
    action_done,
    connection_shape,
)
from aexl_plane.http.manage import API, PROJECT_API
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Parameter, Route
from aexl_plane.integrations.recording import check_key
from aexl_plane.integrations.service import IntegrationService
from aexl_plane.records import Connection
from aexl_plane.storage import connections
from aexl_plane.storage.database import Database

_KEY = Parameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "Of two calls with the same key and parameters, the second gets the answer of the first, for a day.",
    "header",
)
_FAILURES = (422, 501, 502, 504)


class ConnectionRoutes:
    """The handlers."""

    def __init__(self, database: Database, integrations: IntegrationService) -> None:
        self._database = database
        self._integrations = integrations

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        integrations = f"{PROJECT_API}/integrations"
        one = f"{integrations}/{{connection}}"
        return (
            Route(
                method="GET",
                path=f"{API}/integrations",
                needs="read",
                answer=self.offered,
                summary="List the server's integrations that your projects may be connected to",
                gives=OfferedList,
            ),
            Route(
                method="GET",
                path=integrations,
                needs="read",
                answer=self.list,
                summary="List a project's integrations",
                gives=ConnectionList,
            ),
            Route(
                method="POST",
                path=integrations,
                needs="admin",
                answer=self.add,
                summary="Connect a project to one of the server's integrations",
                takes=NewConnection,
                gives=MadeConnection,
                status=201,
            ),
            Route(
                method="GET",
                path=one,
                needs="read",
                answer=self.get,
                summary="Show an integration of a project",
                gives=ConnectionShape,
            ),
            Route(
                method="DELETE",
                path=one,
                needs="admin",
                answer=self.remove,
                summary="Remove an integration from a project",
                gives=RemovedConnection,
            ),
            Route(
                method="POST",
                path=f"{one}:check",
                needs="execute",
                answer=self.check,
                summary="Try an integration, changing nothing",
                takes=Nothing,
                gives=Checked,
                failures=_FAILURES,
            ),
            Route(
                method="POST",
                path=f"{one}/actions/{{action}}:invoke",
                needs="execute",
                answer=self.invoke,
                summary="Run an action that the integration has been granted",
                takes=NewAction,
                gives=ActionDone,
                query=(_KEY,),
                failures=(402, 408, 423, *_FAILURES),
            ),
        )

    async def offered(self, request: Request) -> Reply:
        """Return what the server offers the tenant."""
        return json_reply(OfferedList(offered=self._integrations.offered(request.caller)))

    async def list(self, request: Request) -> Reply:
        """Return a project's integrations."""
        project, caller = request.project, request.caller
        found = await self._database.read(lambda db: connections.list_connections(db, project.id))
        shown = [connection_shape(each, project.workspace, *self._integrations.find(caller, each)) for each in found]
        return json_reply(ConnectionList(integrations=shown))

    async def get(self, request: Request) -> Reply:
        """Return one integration."""
        found = await find_connection(self._database, request)
        live, why = self._integrations.find(request.caller, found)
        return json_reply(connection_shape(found, request.project.workspace, live, why))

    async def add(self, request: Request) -> Reply:
        """Add an integration to a project."""
        new, project, by = (
            self._complete(request, await request.json(NewConnection)),
            request.project.id,
            request.caller.who,
        )

        def work(connection: apsw.Connection) -> Connection:
            return connections.add_connection(
                connection,
                project,
                provider=new.provider,
                name=new.name,
                allowed=new.allowed_actions or (),
                granted=new.granted_actions,
                metadata=new.metadata,
                by=by,
                integration=new.integration,
            )

        made = await self._database.write(work)
        return json_reply(MadeConnection(connection_id=made.id, provider=made.provider), 201)

    def _complete(self, request: Request, new: NewConnection) -> NewConnection:
        """Return what is to be added, with what the server's integration says of itself.

        Raises:
            NotFound: If the tenant has no such integration.
            Invalid: If it is of another provider, or cannot do what shall be allowed.
        """
        if not new.integration:
            if not new.provider:
                raise Invalid("name one of the server's integrations in 'integration'")
            return new
        offered = self._integrations.find_offered(request.caller, new.integration)
        if new.provider not in ("", offered.provider):
            raise Invalid(
                f"the integration {offered.name} is of the provider {offered.provider}, not {new.provider[:80]}"
            )
        allowed = offered.actions if new.allowed_actions is None else new.allowed_actions
        strange = sorted(set(allowed) - set(offered.actions))
        if strange:
            raise Invalid(f"the integration {offered.name} has no action {', '.join(strange)[:200]}")
        return msgspec.structs.replace(new, provider=offered.provider, allowed_actions=tuple(allowed))

    async def remove(self, request: Request) -> Reply:
        """Remove an integration."""
        project, id, by = request.project.id, request.parts["connection"], request.caller.who
        await self._database.write(lambda db: connections.remove_connection(db, project, id, by))
        return json_reply(RemovedConnection(removed=id))

    async def check(self, request: Request) -> Reply:
        """Try an integration."""
        body = await request.json(dict[str, object])
        found = await find_connection(self._database, request)
        return json_reply(Checked(data=await self._integrations.check(request.caller, found, body)))

    async def invoke(self, request: Request) -> Reply:
        """Run an action."""
        wanted, key = await request.json(NewAction), check_key(request.headers.get("idempotency-key"))
        found, workspace = await find_connection(self._database, request), request.project.workspace
        action = request.parts["action"]
        done = await self._integrations.invoke(request.caller, workspace, found, action, wanted.params, key)
        return json_reply(action_done(done))


async def find_connection(database: Database, request: Request) -> Connection:
    """Return the integration that the path names.

    Raises:
        NotFound: If the project has no such one.
    """
    project, id = request.project.id, request.parts["connection"]
    return await database.read(lambda db: connections.find_connection(db, project, id))
