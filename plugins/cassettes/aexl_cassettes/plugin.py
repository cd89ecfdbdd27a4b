"""The cassettes plugin's hooks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from aexl.api import Collector, Command, ConfigSection, HealthCheck, Host, Provider
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    import typer

    from aexl_cassettes.deck import Deck


class CassettesPlugin(Plugin):
    """Records what providers answer, and replays it without them."""

    def __init__(self) -> None:
        self._deck: Deck | None = None
        self._is_asked = False

    def _of(self, host: Host) -> Deck | None:
        """Return what this server does; decided once, because a server that records must not half way begin to replay."""
        if not self._is_asked:
            from aexl_cassettes.config import CassettesConfig

            self._is_asked = True
            config = host.current.section(CassettesConfig)
            if config.mode != "off":
                from aexl_cassettes.deck import Deck

                self._deck = Deck(host, config)
        return self._deck

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        from aexl_cassettes.config import CassettesConfig

        return [ConfigSection(table="cassettes", model=CassettesConfig, restart=True)]

    @hookimpl
    def aexl_commands(self) -> Sequence[Command]:
        return [Command(name="cassette", summary="List, show and delete recorded exchanges.", load=_load_commands)]

    @hookimpl(tryfirst=True)
    def aexl_wrap_provider(self, host: Host, provider: Provider) -> Provider | None:
        """Be nearest to the provider, so that what is recorded is what it sent, whatever others make of that."""
        deck = self._of(host)
        return None if deck is None else deck.wrap(provider)

    @hookimpl
    def aexl_health_checks(self, host: Host) -> Sequence[HealthCheck]:
        deck = self._of(host)
        return [] if deck is None else [HealthCheck(name="cassettes", probe=deck.probe, critical=False)]

    @hookimpl
    def aexl_metrics(self, host: Host) -> Sequence[Collector]:
        deck = self._of(host)
        return [] if deck is None else [deck.samples]

    @hookimpl
    def aexl_lifespan(self, host: Host) -> AbstractAsyncContextManager[None] | None:
        deck = self._of(host)
        return None if deck is None else deck.open()


def _load_commands() -> typer.Typer:
    from aexl_cassettes.cli import app

    return app
