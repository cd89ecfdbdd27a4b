"""The telemetry plugin's hooks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from aexl.api import Collector, ConfigSection, HealthCheck, Host, Provider, Subscriber
from aexl.hookspecs import Plugin, hookimpl

if TYPE_CHECKING:
    from aexl_telemetry.station import Station


class TelemetryPlugin(Plugin):
    """Tells a collector about calls, where one is configured."""

    def __init__(self) -> None:
        self._station: Station | None = None
        self._is_asked = False

    def _of(self, host: Host) -> Station | None:
        """Return what this server exports, decided once; where there is no collector, nothing is even imported."""
        if not self._is_asked:
            from aexl_telemetry.config import TelemetryConfig

            self._is_asked = True
            table = host.current.section(TelemetryConfig)
            if table.enabled and (table.endpoint or any(name.startswith("OTEL_EXPORTER_OTLP") for name in os.environ)):
                from aexl_telemetry.settings import read_settings

                settings = read_settings(table, os.environ)
                if settings.destinations:
                    from aexl_telemetry.station import Station

                    self._station = Station(host, settings)
        return self._station

    @hookimpl
    def aexl_config(self) -> Sequence[ConfigSection]:
        from aexl_telemetry.config import TelemetryConfig

        return [ConfigSection(table="telemetry", model=TelemetryConfig, restart=True)]

    @hookimpl(trylast=True)
    def aexl_wrap_provider(self, host: Host, provider: Provider) -> Provider | None:
        """Be furthest from the provider, so that answers are read in the dialect of the call."""
        station = self._of(host)
        return None if station is None else station.wrap(provider)

    @hookimpl
    def aexl_health_checks(self, host: Host) -> Sequence[HealthCheck]:
        station = self._of(host)
        return [] if station is None else [HealthCheck(name="telemetry", probe=station.probe, critical=False)]

    @hookimpl
    def aexl_metrics(self, host: Host) -> Sequence[Collector]:
        station = self._of(host)
        return [] if station is None else [station.samples]

    @hookimpl
    def aexl_subscribers(self, host: Host) -> Sequence[Subscriber]:
        station = self._of(host)
        return [] if station is None else [station.subscriber()]

    @hookimpl
    def aexl_lifespan(self, host: Host) -> AbstractAsyncContextManager[None] | None:
        station = self._of(host)
        return None if station is None else station.open()
