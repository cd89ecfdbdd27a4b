"""The host as a command sees it while a server runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

from aexl.api import Runner, StepType
from aexl.core.control import ControlClient
from aexl.errors import Refused, Unavailable

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import httpx

    from aexl.api import Answer, BlobStore, Call, Process, ProcessSpec, Upstream
    from aexl.core.config.loading import LoadedConfig
    from aexl.core.registry import Registry
    from aexl.core.surroundings import Surroundings

T = TypeVar("T")


class Knowing(Protocol):
    """What this process knows of its own; read when it is asked for, because most commands do not."""

    @property
    def home(self) -> Path:
        """``AEXL_HOME``."""
        ...

    @property
    def surroundings(self) -> Surroundings:
        """The plugins and what they declare."""
        ...

    @property
    def usable_config(self) -> LoadedConfig:
        """The configuration as the files have it, or, where they cannot be used, as the server has it."""
        ...


class RemoteHost:
    """The host beside a running server: services are the server's, the rest is this process's.

    Args:
        status: What the server says of itself.
    """

    def __init__(self, knowing: Knowing, status: Mapping[str, object]) -> None:
        self.data_dir = knowing.home
        self.version = str(status.get("version"))
        self._knowing = knowing
        roles = status.get("roles")
        self._roles = frozenset(roles if isinstance(roles, list) else ())
        self._client = ControlClient(knowing.home)

    @cached_property
    def current(self) -> LoadedConfig:
        """The configuration."""
        return self._knowing.usable_config

    def service(self, role: type[T]) -> T | None:
        """Return a role as the server plays it."""
        return self._client.service(role) if role.__name__ in self._roles else None

    def runners(self) -> Mapping[str, Runner]:
        """Return the runners of this process's plugins."""
        return {runner.name: runner for runner in self._offered("aexl_runners", Runner)}

    def step_types(self) -> Mapping[str, StepType]:
        """Return the words for pipelines of this process's plugins."""
        return {kind.name: kind for kind in self._offered("aexl_pipeline_steps", StepType)}

    def stores(self) -> Mapping[str, Callable[[str], Awaitable[BlobStore]]]:
        """Return how this process's plugins open a place for snapshots."""
        return self._gathered("aexl_snapshot_stores").stores()

    def _offered(self, hook: str, kind: type[T]) -> tuple[T, ...]:
        return self._gathered(hook).every(hook, kind)

    def _gathered(self, hook: str) -> Registry:
        registry = self._knowing.surroundings.registry
        if not registry.offers(hook):
            registry.gather(hook, host=self)
        return registry

    def call(self, call: Call) -> AbstractAsyncContextManager[Answer]:
        """Calls go over HTTP, with a token.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(f"call {call.id} must go through the running server's HTTP address")

    def interrupt(self, agent: str, verdict: Refused) -> int:  # noqa: ARG002 - the server does this itself
        """Nothing runs in this process."""
        return 0

    def spawn(self, spec: ProcessSpec) -> AbstractAsyncContextManager[Process]:
        """Run a program in this process's care."""
        from aexl.core.processes.running import spawn

        return spawn(spec)

    async def end_remains(self, mark: str) -> int | None:
        """End what a killed host has left behind."""
        from aexl.core.processes.remains import end_remains

        return await end_remains(mark)

    def transport(self, upstream: Upstream) -> httpx.AsyncBaseTransport:
        """Return a transport of this process."""
        from aexl.core.http.transport import make_transport

        return make_transport(upstream)

    def publish(self, event: object) -> None:
        """Nobody listens in this process."""
