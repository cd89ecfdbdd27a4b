"""The policy plugin's hooks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING

from aexl.api import Admission, Collector, Command, ConfigSection, HealthCheck, Host
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    import typer

    from aexl_policy.gate import PolicyGate


class PolicyPlugin(Plugin):
    """What an agent may ask for, and how often."""

    def __init__(self) -> None:
        self._gate: PolicyGate | None = None

    def _of(self, host: Host) -> PolicyGate:
        if self._gate is None:
            from aexl_policy.gate import PolicyGate

            self._gate = PolicyGate(host.data_dir)
        return self._gate

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        from aexl_policy.config import PolicyConfig

        return [ConfigSection(table="policy", model=PolicyConfig)]

    @hookimpl
    def aexl_commands(self) -> Sequence[Command]:
        return [Command(name="policy", summary="List and try the policies of your own.", load=_load_commands)]

    @hookimpl
    def aexl_admission(self, host: Host) -> Admission | None:
        return self._of(host)

    @hookimpl
    def aexl_health_checks(self, host: Host) -> Sequence[HealthCheck]:
        return [HealthCheck(name="policies", probe=self._of(host).probe)]

    @hookimpl
    def aexl_metrics(self, host: Host) -> Sequence[Collector]:
        from aexl_policy.metrics import collect

        return [partial(collect, self._of(host))]

    @hookimpl
    def aexl_lifespan(self, host: Host) -> AbstractAsyncContextManager[None] | None:
        return self._of(host).open()


def _load_commands() -> typer.Typer:
    from aexl_policy.cli import app

    return app
