"""The runtime's hooks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from aexl.api import (
    Collector,
    Command,
    ConfigSection,
    Handlers,
    Headers,
    HealthCheck,
    Host,
    Mount,
    ProviderType,
    Service,
    StepType,
)
from aexl.errors import Refused
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    import typer

    from aexl_runtime.player import HandlersPlayer


class RuntimePlugin(Plugin):
    """Runs the handlers of a snapshot, confined."""

    def __init__(self) -> None:
        self._player: tuple[Host, HandlersPlayer] | None = None

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        """Declare ``[runtime]``, which a project may set, and what only the machine's owner may."""
        from aexl_runtime.settings import RuntimeConfig, RuntimeTable, SandboxConfig, ToolTable, WorkersConfig

        return [
            ConfigSection(table="runtime", model=RuntimeConfig, project=True),
            ConfigSection(table="runtimes", model=RuntimeTable, keyed=True),
            ConfigSection(table="workers", model=WorkersConfig),
            ConfigSection(table="sandbox", model=SandboxConfig),
            ConfigSection(table="tools", model=ToolTable, keyed=True),
        ]

    @hookimpl
    def aexl_commands(self) -> Sequence[Command]:
        """Add ``aexl runtime``."""
        return [Command(name="runtime", summary="Run the handlers of a project, confined", load=_load_commands)]

    @hookimpl
    def aexl_provider_types(self, host: Host) -> Sequence[ProviderType]:
        """Offer the tools of ``[tools.<name>]``."""
        from aexl_runtime.tools.provider import ToolsType

        return [ToolsType(self._player_of(host).service)]

    @hookimpl
    def aexl_pipeline_steps(self, host: Host) -> Sequence[StepType]:
        """Add ``use: call``."""
        from aexl_runtime.step import CallStep

        return [CallStep(host)]

    @hookimpl
    def aexl_services(self, host: Host) -> Sequence[Service[object]]:
        """Play ``Handlers``."""
        return [Service(role=Handlers, instance=self._player_of(host))]

    @hookimpl
    def aexl_routes(self, host: Host) -> Sequence[Mount]:
        """Serve ``/v1/tools/execute``."""
        from aexl_runtime.tools.app import PATHS, ToolsApp

        app = ToolsApp(host)
        return [Mount(path=path, app=app, auth="execute", refuse=refuse) for path in PATHS]

    @hookimpl
    def aexl_health_checks(self, host: Host) -> Sequence[HealthCheck]:
        """Say what the sandbox cannot hold here, and which interpreters cannot be used."""
        from aexl_runtime.health import check_runtimes, check_sandbox

        return [
            HealthCheck(name="sandbox", probe=lambda: check_sandbox(host), timeout=30.0, critical=False),
            HealthCheck(name="runtimes", probe=lambda: check_runtimes(host), timeout=60.0, critical=False),
        ]

    @hookimpl
    def aexl_metrics(self, host: Host) -> Sequence[Collector]:
        """Count runs and workers."""
        return [self._player_of(host).samples]

    @hookimpl
    def aexl_lifespan(self, host: Host) -> AbstractAsyncContextManager[None]:
        """Look after the workers while the host runs."""
        return self._player_of(host).running()

    def _player_of(self, host: Host) -> HandlersPlayer:
        """Return who does a host's runs."""
        from aexl_runtime.player import HandlersPlayer

        if self._player is None or self._player[0] is not host:
            self._player = (host, HandlersPlayer(host))
        return self._player[1]


def refuse(refused: Refused, path: str, method: str) -> tuple[int, Headers, bytes]:
    """Write a refusal of the host in the shape of the surface."""
    from aexl_runtime.tools import app

    return app.refuse(refused, path, method)


def _load_commands() -> typer.Typer:
    from aexl_runtime.commands import app
    from aexl_runtime.runtimes import commands  # noqa: F401  # adds its own to it

    return app
