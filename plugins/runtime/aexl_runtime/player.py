"""Who plays ``Handlers``, without what runs them: that is imported when the first run is asked for.

Most starts of the program run no handler, and what confines and keeps workers takes longer to import than the rest
of the plugin together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from aexl.api import Config, Host, Invocation, Invoked, RuntimeOffer, Sample
from aexl.api.handlers import Heard
from aexl.errors import Unavailable
from aexl_runtime.settings import SandboxConfig

if TYPE_CHECKING:
    from aexl_runtime.service import HandlerService


class HandlersPlayer:
    """See ``aexl.api.Handlers``. ``running`` must be open while it is asked for runs."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._service: HandlerService | None = None
        self._nursery: trio.Nursery | None = None
        self._starting: trio.Lock | None = None

    async def prepare(self, config: Config) -> Callable[[], None]:
        """Follow the configuration; see ``aexl.api.Reloadable``."""
        from aexl_runtime.policies import policy_of

        policy_of(config.section(SandboxConfig))
        return (lambda: None) if self._service is None else await self._service.prepare(config)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the nursery of the workers; leaving it ends them."""
        self._starting = trio.Lock()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                yield
            finally:
                self._nursery = None
                nursery.cancel_scope.cancel()

    async def service(self) -> HandlerService:
        """Return what does the runs, made when it is asked for the first time.

        Raises:
            Unavailable: If the host goes down.
        """
        if self._nursery is None or self._starting is None:
            raise Unavailable("the host runs no handlers now: it is starting, or going down")
        async with self._starting:
            if self._service is None:
                self._service = await self._nursery.start(self._serve)
            return self._service

    async def _serve(self, *, task_status: trio.TaskStatus[HandlerService] = trio.TASK_STATUS_IGNORED) -> None:
        service = await trio.to_thread.run_sync(self._make)
        try:
            async with service.running():
                task_status.started(service)
                await trio.sleep_forever()
        finally:
            self._service = None

    def _make(self) -> HandlerService:
        from aexl_runtime.service import HandlerService

        return HandlerService(self._host)

    def samples(self) -> Iterable[Sample]:
        """Return the numbers for ``/metrics``."""
        return () if self._service is None else self._service.samples()

    async def describe(
        self, project: str, repository: str | None = None, runtime: str | None = None
    ) -> Mapping[str, object]:
        """Return what a project has."""
        return await (await self.service()).describe(project, repository, runtime)

    async def runtimes(self) -> Sequence[RuntimeOffer]:
        """Return the interpreters, and what each offers."""
        return await (await self.service()).runtimes()

    async def invoke(self, invocation: Invocation, *, heard: Heard | None = None) -> Invoked:
        """Run a handler."""
        return await (await self.service()).invoke(invocation, heard=heard)
