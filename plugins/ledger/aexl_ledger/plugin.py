"""The ledger's hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from aexl.api import (
    Collector,
    Command,
    ConfigReloaded,
    ConfigSection,
    HealthCheck,
    Host,
    Mount,
    Sample,
    Service,
    Settlement,
    Subscriber,
)
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    import typer

    from aexl_ledger.assembly import Assembly


def _load_ledger_commands() -> typer.Typer:
    from aexl_ledger.cli_ledger import app

    return app


def _load_agent_commands() -> typer.Typer:
    from aexl_ledger.cli_agent import app

    return app


class LedgerPlugin(Plugin):
    """Agents, budgets, executions and their tamper-evident record, in one file."""

    def __init__(self) -> None:
        self._assembly: Assembly | None = None

    def _assembled(self, host: Host) -> Assembly:
        if self._assembly is None:
            from aexl_ledger.assembly import Assembly
            from aexl_ledger.options import LedgerOptions

            self._assembly = Assembly(host, host.current.section(LedgerOptions))
        return self._assembly

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        from aexl_ledger.options import TABLE, LedgerOptions

        return [ConfigSection(table=TABLE, model=LedgerOptions, restart=True)]

    @hookimpl
    def aexl_commands(self) -> Sequence[Command]:
        return [
            Command(name="agent", summary="Create and govern agents.", load=_load_agent_commands),
            Command(name="ledger", summary="Read and check the record of what agents did.", load=_load_ledger_commands),
        ]

    @hookimpl
    def aexl_settlement(self, host: Host) -> Settlement:
        return self._assembled(host).ledger

    @hookimpl
    def aexl_services(self, host: Host) -> Sequence[Service[object]]:
        return self._assembled(host).services()

    @hookimpl
    def aexl_routes(self, host: Host) -> Sequence[Mount]:
        from aexl_ledger.routes import mounts

        assembly = self._assembled(host)
        return mounts(host, assembly.hub, assembly.verify)

    @hookimpl
    def aexl_health_checks(self, host: Host) -> Sequence[HealthCheck]:
        return [HealthCheck(name="ledger", probe=self._assembled(host).health)]

    @hookimpl
    def aexl_metrics(self, host: Host) -> Sequence[Collector]:
        assembly = self._assembled(host)

        def collect() -> Iterable[Sample]:
            ledger = assembly.ledger
            return ledger.metrics.samples(ledger.writer.waiting, ledger.directory.balances.values())

        return [collect]

    @hookimpl
    def aexl_subscribers(self, host: Host) -> Sequence[Subscriber]:
        assembly = self._assembled(host)
        return [
            Subscriber(name="ledger", events=(ConfigReloaded,), handle=assembly.record_configuration),
            assembly.hub.subscriber(),
        ]

    @hookimpl
    def aexl_lifespan(self, host: Host) -> AbstractAsyncContextManager[None]:
        return self._open(host)

    @asynccontextmanager
    async def _open(self, host: Host) -> AsyncIterator[None]:
        assembly = self._assembled(host)
        try:
            async with assembly.running():
                yield
        finally:
            self._assembly = None
