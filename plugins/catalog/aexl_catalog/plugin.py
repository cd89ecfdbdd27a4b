"""The hooks of this plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aexl.api import Collector, Command, ConfigSection, Dispatcher, Host, Models, Provider, Service
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    import typer

    from aexl_catalog.catalog import Catalog


class CatalogPlugin(Plugin):
    """Plans calls, lists models, and keeps their prices."""

    def __init__(self) -> None:
        self._instance: Catalog | None = None
        self._met: dict[str, Provider] = {}

    @property
    def _catalog(self) -> Catalog:
        if self._instance is None:
            from aexl_catalog.catalog import Catalog

            self._instance = Catalog()
        return self._instance

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        """Declare ``[models.<name>]`` and ``[catalog]``; neither is a project's to set."""
        from aexl_catalog.settings import CatalogSection, ModelTable

        return [
            ConfigSection(table="models", model=ModelTable, keyed=True),
            ConfigSection(table="catalog", model=CatalogSection),
        ]

    @hookimpl
    def aexl_commands(self) -> Sequence[Command]:
        """Add ``aexl models``."""
        return [Command(name="models", summary="Models, their prices and limits", load=_load_commands)]

    @hookimpl
    def aexl_dispatcher(self, host: Host) -> Dispatcher | None:  # noqa: ARG002 - it needs none
        """Offer the catalogue as plan-maker."""
        return self._catalog

    @hookimpl(trylast=True)  # as it will be called, whatever others have put around it
    def aexl_wrap_provider(self, host: Host, provider: Provider) -> Provider | None:  # noqa: ARG002 - it needs none
        """Learn of a provider before the first call names it, and leave it as it is."""
        self._met = {**self._met, provider.name: provider}
        self._catalog.meet(self._met)
        return None

    @hookimpl
    def aexl_metrics(self, host: Host) -> Sequence[Collector]:  # noqa: ARG002 - it needs none
        """Show how targets do."""
        return [self._catalog.samples]

    @hookimpl
    def aexl_services(self, host: Host) -> Sequence[Service[object]]:  # noqa: ARG002 - it needs none
        """Play ``Models``."""
        return [Service(role=Models, instance=self._catalog)]


def _load_commands() -> typer.Typer:
    from aexl_catalog.commands import app

    return app
