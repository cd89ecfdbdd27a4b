"""The start and the end of an ASGI application that asks to be told (ASGI's lifespan protocol)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Final

import trio

from aexl.api import ASGIApp
from aexl.errors import AexlError

logger = logging.getLogger("aexl.http")

_SHUTDOWN_SECONDS: Final = 10.0


class LifespanFailed(AexlError):
    """An application said that it could not start, or could not end cleanly."""


@asynccontextmanager
async def asgi_lifespan(app: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """Start an application for the block's time; yields the state that its requests share.

    An application that does not know the protocol is left alone. Its requests see
    the state only where its caller puts a copy into each ``scope["state"]``.

    Raises:
        LifespanFailed: If the application reports a failure, or fails in between.
    """
    lifespan = _Lifespan(app)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(lifespan.run)
            try:
                yield lifespan.state
            finally:
                await lifespan.shut_down()
    except BaseExceptionGroup as group:
        # The nursery is ours alone: one error is the block's or the application's, and comes out as it is.
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise


class _Lifespan:
    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._startup_asked = False
        self._shutdown = trio.Event()
        self._ended = trio.Event()
        # From its start on, the application's end is ours to time: a cancelled block must not skip its shutdown.
        self._running = trio.CancelScope()
        self._supported = False
        self._failure: str | None = None
        self._task_status: trio.TaskStatus[None] | None = None

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        self._task_status = task_status
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            with self._running:
                await self._app(scope, self._receive, self._send)
        except LifespanFailed:
            raise
        except Exception as error:
            if self._supported:
                raise LifespanFailed(f"the application's lifespan failed: {error!r}") from error
            logger.debug("the application does not know the lifespan protocol", exc_info=error)
        finally:
            self._ended.set()
        self._start()

    async def shut_down(self) -> None:
        self._shutdown.set()
        with trio.move_on_after(_SHUTDOWN_SECONDS, shield=True) as scope:
            await self._ended.wait()
        self._running.cancel()
        if scope.cancelled_caught:
            raise LifespanFailed(f"the application did not end within {_SHUTDOWN_SECONDS:g} seconds")
        if self._failure is not None:
            raise LifespanFailed(f"the application failed to end: {self._failure}")

    def _start(self) -> None:
        if self._task_status is not None:
            self._running.shield = True
            self._task_status.started()
            self._task_status = None

    async def _receive(self) -> MutableMapping[str, Any]:
        if not self._startup_asked:
            self._startup_asked = True
            return {"type": "lifespan.startup"}
        await self._shutdown.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self._supported = True
                self._start()
            case "lifespan.startup.failed":
                raise LifespanFailed(f"the application failed to start: {message.get('message', '')}")
            case "lifespan.shutdown.complete":
                self._ended.set()
            case "lifespan.shutdown.failed":
                self._failure = message.get("message", "")
                self._ended.set()
            case other:
                raise RuntimeError(f"{other!r} is not a message of the lifespan protocol")
