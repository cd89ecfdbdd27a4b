"""``aexl serve``: the host, its listeners, its signals."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import trio

from aexl.api import Accounts, ASGIApp, Control
from aexl.core.config.own import ServeSection
from aexl.core.control import ControlApp
from aexl.core.health import ask, describe
from aexl.core.home import SOCKET_NAME, make_home
from aexl.core.host import LocalHost
from aexl.core.http.origin import OriginRule
from aexl.core.http.refusal import WriteRefusal, neutral_refusal
from aexl.core.http.server import Server, ServerLimits
from aexl.core.listening import listen_on_file, listen_on_port
from aexl.core.router import Router
from aexl.core.routes import metrics_text, own_mounts
from aexl.core.session import only_error
from aexl.core.surroundings import Surroundings
from aexl.errors import ConfigError

logger = logging.getLogger("aexl.serve")


class Serving:
    """One run of the server; plays the role ``Control``."""

    def __init__(self, surroundings: Surroundings, announce: Callable[[Serving], Awaitable[None]]) -> None:
        make_home(surroundings.home)
        self.host = LocalHost(surroundings)
        self.host.play(Control, self)
        self.section = self.host.current.section(ServeSection)
        self.url = ""
        self._announce = announce
        self._started = time.time()
        self._stopping = trio.Event()
        self._drained = trio.Event()
        self._servers: list[Server] = []
        accounts = self.host.service(Accounts)
        self._router = Router((*own_mounts(self.host, self._count), *self.host.mounts()), accounts)

    def _count(self) -> int:
        return self._router.unauthenticated

    async def run(self) -> None:
        """Serve until asked to stop; then drain, settle what runs, and return."""
        grace = self.section.limits.grace
        control = await listen_on_file(self.host.data_dir / SOCKET_NAME)
        async with self.host.running(), trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_signals)
            listeners = await self._open()
            # No limit for clients may keep the operator's commands out.
            private = self._server(ControlApp(self.host.services), ServerLimits(), None)
            rule = self._origin_rule(listeners)
            public = self._server(self._router, self.section.limits, rule, refuse=self._router.refuse)
            await nursery.start(private.run, [control])
            await nursery.start(self._run_public, public, listeners)
            await self._announce(self)
            await self._stopping.wait()
            self.host.stop_by = trio.current_time() + grace
            public.drain()
            await self._drained.wait()
            private.drain()
            nursery.cancel_scope.cancel()

    async def _run_public(
        self,
        server: Server,
        listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        try:
            await server.run(listeners, task_status=task_status)
        finally:
            self._drained.set()

    def _server(
        self,
        app: ASGIApp,
        limits: ServerLimits,
        origins: OriginRule | None,
        refuse: WriteRefusal = neutral_refusal,
    ) -> Server:
        server = Server(app, limits=limits, origins=origins, refuse=refuse)
        self._servers.append(server)
        return server

    async def _open(self) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Open the addresses people use."""
        section = self.section
        listeners: list[trio.abc.Listener[trio.abc.Stream]] = list(await listen_on_port(section.host, section.port))
        host = f"[{section.host}]" if ":" in section.host else section.host
        self.url = f"http://{host}:{_port(listeners[0])}"
        if section.unix:
            listeners.append(await listen_on_file(Path(section.unix).expanduser()))
        return listeners

    def _origin_rule(self, listeners: Sequence[trio.abc.Listener[trio.abc.Stream]]) -> OriginRule:
        section = self.section
        return OriginRule(ports=[_port(listeners[0])], hosts=(section.host, *section.hosts), origins=section.origins)

    async def _watch_signals(self) -> None:
        """TERM and INT drain, a second one ends the process at once; HUP reloads."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async for number in signals:
                if number == signal.SIGHUP:
                    await self._reload_quietly()
                elif self._stopping.is_set():
                    logger.warning("second signal: ending at once; the ledger recovers what was running")
                    os._exit(128 + number)
                else:
                    self._stopping.set()

    async def _reload_quietly(self) -> None:
        try:
            await self.host.reload()
        except ConfigError as error:
            logger.error("the configuration was not reloaded, the old one stays: %s", error)  # noqa: TRY400 - no trace

    async def reload(self) -> str:
        """Read the configuration again."""
        return await self.host.reload()

    async def configuration(self) -> Mapping[str, object]:
        """Return the values in force."""
        return self.host.current.values

    async def status(self) -> Mapping[str, object]:
        """Return what the server is and does."""
        off = {name: record.reason for name, record in self.host.plugins.records.items() if record.reason}
        return {
            "running": True,
            "version": self.host.version,
            "pid": os.getpid(),
            "url": self.url,
            "home": str(self.host.data_dir),
            "uptime": round(time.time() - self._started, 3),
            "in_flight": self.host.path.in_flight,
            "connections": sum(server.connections for server in self._servers),
            "book": self.host.path.book.name,
            "plugins_off": off,
            "roles": sorted(role.__name__ for role in self.host.services()),
            "config": self.host.current.digest,
            "draining": self._stopping.is_set(),
        }

    async def metrics(self) -> str:
        """Return the numbers of ``/metrics``."""
        return metrics_text(self.host, self._count())

    async def health(self) -> Mapping[str, str]:
        """Ask the health checks."""
        return describe(await ask(self.host.health_checks()))

    async def stop(self) -> None:
        """Begin to drain."""
        self._stopping.set()


def _port(listener: trio.abc.Listener[trio.abc.Stream]) -> int:
    assert isinstance(listener, trio.SocketListener)
    port: int = listener.socket.getsockname()[1]
    return port


def serve(surroundings: Surroundings, announce: Callable[[Serving], Awaitable[None]]) -> None:
    """Run the server in this process until it is asked to stop.

    Raises:
        AexlError: If it cannot start: the configuration, the port, the ledger's lock.
    """

    async def main() -> None:
        await Serving(surroundings, announce).run()

    try:
        trio.run(main)
    except BaseExceptionGroup as group:
        raise only_error(group) from None
