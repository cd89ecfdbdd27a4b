"""The host: plugins, configuration and call path put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from aexl import __version__
from aexl.api import (
    Admission,
    Answer,
    BlobStore,
    Call,
    ConfigReloaded,
    ConnectorType,
    Dispatcher,
    HealthCheck,
    Mount,
    Process,
    ProcessSpec,
    Provider,
    ProviderType,
    Reloadable,
    Runner,
    Sample,
    Service,
    Settlement,
    StepType,
    Subscriber,
    Upstream,
)
from aexl.core.calls.options import CallOptions
from aexl.core.calls.path import CallPath
from aexl.core.config.loading import LoadedConfig
from aexl.core.events import Hub
from aexl.core.lifespan import lifespans
from aexl.core.providers import build_providers
from aexl.core.surroundings import Surroundings
from aexl.errors import ConfigError, PluginError, Refused

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

OpenStore = Callable[[str], Awaitable[BlobStore]]

STOP_GRACE: Final = 10.0
"""Seconds that leaving all lifespans may take."""

HOOKS_WITH_HOST: Final = (
    "aexl_admission",
    "aexl_settlement",
    "aexl_dispatcher",
    "aexl_provider_types",
    "aexl_snapshot_stores",
    "aexl_connectors",
    "aexl_pipeline_steps",
    "aexl_runners",
    "aexl_services",
    "aexl_routes",
    "aexl_health_checks",
    "aexl_metrics",
    "aexl_subscribers",
    "aexl_lifespan",
)


class LocalHost:
    """The host in this process; see ``aexl.api.Host``. ``running`` gives life to it.

    Attributes:
        stop_by: When running calls must have ended once the host stops, on trio's clock; at once by default.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self.current: LoadedConfig = surroundings.load()
        self.plugins = surroundings.plugins
        self.registry = surroundings.registry
        self._hub = Hub()
        self._transports: dict[Upstream, httpx.AsyncBaseTransport] = {}
        self._own: dict[type[object], object] = {}
        self.stop_by = 0.0
        self.registry.gather(*HOOKS_WITH_HOST, host=self)
        self._check_required()
        self.path = CallPath(
            gates=self.registry.every("aexl_admission", Admission),
            book=self.registry.only("aexl_settlement", Settlement),
            dispatcher=self.registry.only("aexl_dispatcher", Dispatcher),
            publish=self._hub.publish,
            options=self.current.section(CallOptions),
        )

    def _check_required(self) -> None:
        for name in self._surroundings.required:
            if not self.plugins.is_on(name):
                record = self.plugins.records.get(name)
                reason = record.reason if record else "it is not installed"
                raise PluginError(name, "[plugins] require", f"is required and off: {reason}")

    @property
    def version(self) -> str:
        """Aexl's version."""
        return __version__

    @property
    def data_dir(self) -> Path:
        """``AEXL_HOME``."""
        return self._surroundings.home

    def play(self, role: type[T], instance: T) -> None:
        """Let the host itself play a role."""
        self._own[role] = instance

    def service(self, role: type[T]) -> T | None:
        """Return who plays a role, if anyone does."""
        return self.services().get(role)  # type: ignore[return-value]  # who offers a role plays it

    def services(self) -> dict[type[object], object]:
        """Return all roles that are played."""
        offered = self.registry.every("aexl_services", Service)
        return {**{service.role: service.instance for service in offered}, **self._own}

    def stores(self) -> Mapping[str, OpenStore]:
        """Return how to open a place for snapshots, by URL scheme."""
        return self.registry.stores()

    def connectors(self) -> Mapping[str, ConnectorType]:
        """Return the plugins' kinds of integration, by name."""
        return {kind.name: kind for kind in self.registry.every("aexl_connectors", ConnectorType)}

    def runners(self) -> Mapping[str, Runner]:
        """Return the plugins' runners, by name."""
        return {runner.name: runner for runner in self.registry.every("aexl_runners", Runner)}

    def step_types(self) -> Mapping[str, StepType]:
        """Return the plugins' words for pipelines, by name."""
        return {kind.name: kind for kind in self.registry.every("aexl_pipeline_steps", StepType)}

    def mounts(self) -> tuple[Mount, ...]:
        """Return what the plugins serve."""
        return self.registry.every("aexl_routes", Mount)

    def described_mounts(self) -> Sequence[tuple[str, Mount]]:
        """Return what the plugins serve, each with its plugin's name."""
        return [(offer.plugin, offer.value) for offer in self.registry.offers("aexl_routes")]

    def health_checks(self) -> tuple[HealthCheck, ...]:
        """Return what ``/ready`` asks."""
        return self.registry.every("aexl_health_checks", HealthCheck)

    def collectors(self) -> tuple[Callable[[], Iterable[Sample]], ...]:
        """Return what ``/metrics`` asks, the host's own numbers first."""
        plugins = tuple(offer.value for offer in self.registry.offers("aexl_metrics"))
        return (lambda: self.path.metrics.samples(self.path.in_flight), self._hub.samples, *plugins)

    def call(self, call: Call) -> AbstractAsyncContextManager[Answer]:
        """Run a call."""
        return self.path.call(call)

    def interrupt(self, agent: str, verdict: Refused) -> int:
        """End the running calls of an agent."""
        return self.path.interrupt(agent, verdict)

    def publish(self, event: object) -> None:
        """Tell the subscribers."""
        self._hub.publish(event)

    def spawn(self, spec: ProcessSpec) -> AbstractAsyncContextManager[Process]:
        """Run a program."""
        from aexl.core.processes.running import spawn

        return spawn(spec)

    async def end_remains(self, mark: str) -> int | None:
        """End what a killed host has left behind."""
        from aexl.core.processes.remains import end_remains

        return await end_remains(mark)

    def transport(self, upstream: Upstream) -> httpx.AsyncBaseTransport:
        """Return the transport for these options; equal options share one pool, also across reloads."""
        from aexl.core.http.transport import make_transport

        if upstream not in self._transports:
            self._transports[upstream] = make_transport(upstream)
        return self._transports[upstream]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Enter the plugins' lifespans, load what follows the configuration, and run calls.

        When the block is left, running calls may go on until ``stop_by``; then they are ended and settled.
        """
        entries = [(offer.plugin, offer.value) for offer in self.registry.offers("aexl_lifespan")]
        async with trio.open_nursery() as nursery:
            await nursery.start(self._hub.run, self.registry.every("aexl_subscribers", Subscriber))
            async with lifespans(entries, grace=STOP_GRACE):
                await nursery.start(self.path.serve)
                await self._apply(self.current)
                try:
                    yield
                finally:
                    with trio.CancelScope(shield=True):
                        await self.path.drain(max(0.0, self.stop_by - trio.current_time()))
            with trio.move_on_after(STOP_GRACE, shield=True):
                for transport in self._transports.values():
                    await transport.aclose()
            nursery.cancel_scope.cancel()

    async def reload(self) -> str:
        """Read the configuration again and swap everything that follows it, or nothing; return its digest.

        Raises:
            ConfigError: If it cannot be used.
        """
        await self._apply(self._surroundings.load())
        self.publish(ConfigReloaded(digest=self.current.digest))
        return self.current.digest

    async def _apply(self, config: LoadedConfig) -> None:
        kinds = {kind.name: kind for kind in self.registry.every("aexl_provider_types", ProviderType)}
        try:
            providers = build_providers(config, kinds, self._wrap)
            commits = [await item.prepare(config) for item in self._reloadables()]
        except ConfigError as error:
            raise config.locate(error) from error
        self.current = config
        self.path.providers = providers
        self.path.options = config.section(CallOptions)
        for commit in commits:
            commit()

    def _wrap(self, provider: Provider) -> Provider:
        arguments: dict[str, object] = {"host": self, "provider": provider}
        for plugin, wrapped in self.plugins.ask_each("aexl_wrap_provider", arguments):
            if isinstance(wrapped, Provider):
                arguments["provider"] = provider = wrapped  # the next plugin wraps what this one has made
            elif wrapped is not None:
                self.plugins.switch_off(plugin, f"aexl_wrap_provider: returned {type(wrapped).__name__}, not Provider")
        return provider

    def _reloadables(self) -> Sequence[Reloadable]:
        """Return every object of the plugins that follows the configuration, each once."""
        offered = [offer.value for hook in HOOKS_WITH_HOST for offer in self.registry.offers(hook)]
        objects = [item.instance if isinstance(item, Service) else item for item in offered]
        unique = {id(item): item for item in objects}
        return [item for item in unique.values() if isinstance(item, Reloadable)]
