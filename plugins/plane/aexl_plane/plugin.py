"""The plane's hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

from aexl.api import Command, ConfigSection, ConnectorType, HealthCheck, Host, Mount, Service
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    import typer

    from aexl_plane.assembly import Assembly

_COMMANDS: Final = {
    "auth": "Log in to a server; make users and tokens.",
    "deploy": "Deploy snapshots to environments, and run their handlers.",
    "files": "Show a project's files on a server.",
    "integrations": "Show, try, add, remove and use a project's integrations.",
    "info": "Show who you are, where, and what commands act on.",
    "project": "Show, make and choose projects.",
    "workspace": "Show, make and choose workspaces.",
}


def _load(name: str) -> Callable[[], typer.Typer]:
    def load() -> typer.Typer:
        app: typer.Typer = import_module(f"aexl_plane.cli.{name}").app
        return app

    return load


class PlanePlugin(Plugin):
    """Tenants, workspaces, projects and their files, over HTTP."""

    def __init__(self) -> None:
        self._assembly: Assembly | None = None

    def _assembled(self, host: Host) -> Assembly:
        if self._assembly is None:
            from aexl_plane.assembly import Assembly

            self._assembly = Assembly(host)
        return self._assembly

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        from aexl_plane.integrations.table import TABLE as INTEGRATIONS
        from aexl_plane.integrations.table import IntegrationSection
        from aexl_plane.options import TABLE, PlaneOptions

        # not for a project's file, which comes with a clone: it names where tokens are sent
        return [
            ConfigSection(table=TABLE, model=PlaneOptions),
            ConfigSection(table=INTEGRATIONS, model=IntegrationSection, keyed=True, open=True, variable="credential"),
        ]

    @hookimpl
    def aexl_commands(self) -> Sequence[Command]:
        return [Command(name=name, summary=summary, load=_load(name)) for name, summary in _COMMANDS.items()]

    @hookimpl
    def aexl_services(self, host: Host) -> Sequence[Service[object]]:
        return self._assembled(host).services()

    @hookimpl
    def aexl_connectors(self, host: Host) -> Sequence[ConnectorType]:
        from aexl_plane.integrations.http import HttpType
        from aexl_plane.integrations.openai import OpenAIType
        from aexl_plane.integrations.postgres import PostgresType

        return [HttpType(host), OpenAIType(host), PostgresType()]

    @hookimpl
    def aexl_routes(self, host: Host) -> Sequence[Mount]:
        return self._assembled(host).mounts()

    @hookimpl
    def aexl_health_checks(self, host: Host) -> Sequence[HealthCheck]:
        return [HealthCheck(name="plane", probe=self._assembled(host).health)]

    @hookimpl
    def aexl_lifespan(self, host: Host) -> AbstractAsyncContextManager[None]:
        return self._open(host)

    @asynccontextmanager
    async def _open(self, host: Host) -> AsyncIterator[None]:
        try:
            async with self._assembled(host).running():
                yield
        finally:
            self._assembly = None
