"""The plane put together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio

from aexl.api import Control, Host, Journal, Logins, Mount, Service
from aexl.api.openapi import Description
from aexl.errors import AexlError
from aexl_plane.client.logins import LoginService
from aexl_plane.deployments.service import Deployments
from aexl_plane.executions.orders import Orders
from aexl_plane.executions.service import ExecutionService
from aexl_plane.executions.targets import Targets
from aexl_plane.files import ProjectFiles
from aexl_plane.http.app import PlaneApp
from aexl_plane.http.apps import AppRoutes
from aexl_plane.http.deployments import DeploymentRoutes, EnvironmentRoutes
from aexl_plane.http.executions import ExecutionRoutes
from aexl_plane.http.integrations import ConnectionRoutes
from aexl_plane.http.invocations import InvocationRoutes
from aexl_plane.http.manage import PlaceRoutes
from aexl_plane.http.mcp import McpRoutes
from aexl_plane.http.openapi import describe_routes
from aexl_plane.http.people import PeopleRoutes
from aexl_plane.http.routing import Route, Routes
from aexl_plane.http.snapshots import SnapshotRoutes
from aexl_plane.http.store import StoreRoutes
from aexl_plane.http.wire_account import AccountRoutes
from aexl_plane.http.wire_files import FileRoutes
from aexl_plane.http.wire_integrations import IntegrationRoutes
from aexl_plane.http.wire_memory import MemoryRoutes
from aexl_plane.integrations.service import IntegrationService
from aexl_plane.keys import load_key
from aexl_plane.options import PlaneOptions
from aexl_plane.roles import Integrations, Tenants
from aexl_plane.storage.database import Database
from aexl_plane.tenancy import TenantService
from aexl_plane.uploads import UploadFolder

logger = logging.getLogger("aexl.plane")

MOUNTS: Final = (
    "/v1/auth",
    "/v1/workspaces",
    "/v1/uploads",
    "/v1/blobs",
    "/store",
    "/apps",
    "/mcp",
    "/api/v1/me",
    "/api/v1/workspaces",
    "/api/v1/users",
    "/api/v1/tokens",
    "/api/v1/integrations",
)
"""What the routes begin with."""

_SWEEP: Final = 600.0
"""Seconds between two looks for uploads that nobody has committed, and for payloads that have expired."""


class Assembly:
    """One plane in one home."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._database = Database(host.data_dir / "plane.db", lambda: host.service(Journal))
        self._uploads = UploadFolder(host.data_dir)
        self._files = ProjectFiles(host, self._database, self._uploads)
        self.deployments = Deployments(host, self._database, self._files, self.options)
        self.executions = ExecutionService(host, self._database, self.options, self.deployments.environments)
        self.integrations = IntegrationService(host, self._database)
        self._routes: Routes | None = None
        self._key: bytes | None = None

    def options(self) -> PlaneOptions:
        """Return what the configuration says now."""
        return self._host.current.section(PlaneOptions)

    def services(self) -> Sequence[Service[object]]:
        """Return the roles that are played here."""
        return [
            Service(role=Tenants, instance=TenantService(self._database)),
            Service(role=Logins, instance=LoginService(self._host.data_dir)),
            Service(role=Integrations, instance=self.integrations),
        ]

    async def health(self) -> str | None:
        """Say what is wrong with the database, if anything is."""
        try:
            await self._database.read(lambda db: db.execute("SELECT count(*) FROM tenants").fetchone())
        except AexlError as error:
            return str(error)
        return None

    def mounts(self) -> Sequence[Mount]:
        """Return the routes; tokens are the plane's own, so the host asks for none."""
        app = PlaneApp(self.routes(), self._database, lambda: self.options().public_url)
        return [Mount(path=path, app=app, auth="none", describe=self._describe) for path in MOUNTS]

    def routes(self) -> Routes:
        """Return the whole table."""
        if self._routes is None:
            contents = FileRoutes(self._files, self._database, self._uploads, self.options, self._signing_key)
            self._routes = Routes(
                (
                    *AccountRoutes(self._database).routes(),
                    *contents.routes(),
                    *MemoryRoutes(self._database, self.options).routes(),
                    *IntegrationRoutes(self._database, self.integrations).routes(),
                    *StoreRoutes(self._host, self._files, self._database).routes(),
                    *PlaceRoutes(self._database).routes(),
                    *SnapshotRoutes(self._files, contents).routes(),
                    *EnvironmentRoutes(self.deployments).routes(),
                    *DeploymentRoutes(self.deployments).routes(),
                    *self._running_routes(),
                    *PeopleRoutes(self._database).routes(),
                    *ConnectionRoutes(self._database, self.integrations).routes(),
                )
            )
        return self._routes

    def _running_routes(self) -> Sequence[Route]:
        host, executions, targets, orders = self._host, self.executions, Targets(self.deployments), Orders(self.options)
        return (
            *InvocationRoutes(host, executions, targets, orders).routes(),
            *ExecutionRoutes(host, executions, targets, orders).routes(),
            *AppRoutes(executions, targets, orders).routes(),
            *McpRoutes(host, executions, targets, orders).routes(),
        )

    async def _is_served(self) -> bool:
        """Say whether this is a server, and no command that has its own host for a moment."""
        control = self._host.service(Control)
        return control is None or bool((await control.status()).get("running"))

    def _describe(self) -> Description:
        return describe_routes(self.routes().all)

    def _signing_key(self) -> bytes:
        assert self._key is not None, "nothing is served before the lifespan begins"
        return self._key

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open what is kept, and remove what nobody will commit any more, as long as the context is open."""
        self._key = await trio.to_thread.run_sync(load_key, self._host.data_dir)
        await trio.to_thread.run_sync(self._uploads.prepare)
        await self._database.open()
        try:
            async with (
                self.deployments.running(),
                self.integrations.running(),
                self.executions.running(resume=await self._is_served()),
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(self._sweep)
                yield
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await self._database.close()

    async def _sweep(self) -> None:
        while True:
            try:
                await self._files.drop_stale()
                await self.executions.sweep()
            except AexlError as error:
                logger.warning("uploads and payloads whose time is over were not removed: %s", error)
            await trio.sleep(_SWEEP)
