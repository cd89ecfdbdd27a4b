"""The pipelines' hooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aexl.api import Command, Host, Runner
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    import typer


def _load_commands() -> typer.Typer:
    from aexl_pipelines.cli.app import app

    return app


class PipelinesPlugin(Plugin):
    """Declared chains of steps around agents, and the agents' runners."""

    @hookimpl
    def aexl_commands(self) -> Sequence[Command]:
        summary = "Chains of steps around agents: write, check, show and draw them."
        return [Command(name="pipeline", summary=summary, load=_load_commands)]

    @hookimpl
    def aexl_runners(self, host: Host) -> Sequence[Runner]:  # noqa: ARG002 - the hook's signature
        from aexl_pipelines.runners.table import runners

        return runners()
