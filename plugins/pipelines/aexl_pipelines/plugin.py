"""The pipelines' hooks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from aexl.api import Command, ConfigSection, Gates, Host, Mount, Runner, Service
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    import typer

    from aexl_pipelines.serving.mounts import Doorstep


def _load_commands() -> typer.Typer:
    from aexl_pipelines.cli.app import app

    return app


class PipelinesPlugin(Plugin):
    """Declared chains of steps around agents, and the agents' runners."""

    _doorstep: Doorstep | None = None

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        from aexl_pipelines.execution.tables import RunnerTable
        from aexl_pipelines.governing.options import PipelineOptions

        return [
            ConfigSection(table="pipelines", model=PipelineOptions),
            ConfigSection(table="runners", model=RunnerTable, keyed=True, open=True),
        ]

    @hookimpl
    def aexl_commands(self) -> Sequence[Command]:
        summary = "Chains of steps around agents: write, check, show and draw them."
        return [Command(name="pipeline", summary=summary, load=_load_commands)]

    @hookimpl
    def aexl_services(self, host: Host) -> Sequence[Service[object]]:
        from aexl_pipelines.gates.service import GateService

        return [Service(role=Gates, instance=GateService(host.data_dir))]

    @hookimpl
    def aexl_routes(self, host: Host) -> Sequence[Mount]:
        return self._doorstep_of(host).mounts()

    @hookimpl
    def aexl_lifespan(self, host: Host) -> AbstractAsyncContextManager[None]:
        return self._doorstep_of(host).lifespan()

    def _doorstep_of(self, host: Host) -> Doorstep:
        """Return what a host's requests come to."""
        from aexl_pipelines.serving.mounts import Doorstep

        if self._doorstep is None or self._doorstep.host is not host:
            self._doorstep = Doorstep(host)
        return self._doorstep

    @hookimpl
    def aexl_runners(self, host: Host) -> Sequence[Runner]:  # noqa: ARG002 - the hook's signature
        from aexl_pipelines.runners.table import runners

        return runners()
