"""Where the pipelines' API is served, and how long.

Imported at every start of a host, so this imports nothing heavy: the first request brings the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from aexl.api import ASGIApp, ASGIReceive, ASGIScope, ASGISend, Host, Mount

if TYPE_CHECKING:
    from aexl.api.openapi import Description
    from aexl_pipelines.serving.jobs import Station

PATHS: Final = tuple(f"/api/v1/{name}" for name in ("sessions", "runs", "gates", "pipelines"))
"""The prefixes: each of its own, so that other plugins serve theirs below ``/api/v1``."""


def describe_endpoints() -> Description:
    """Return the endpoints' part of the OpenAPI document."""
    from aexl_pipelines.serving import openapi

    return openapi.describe_endpoints()


class Doorstep:
    """Waits for the first request; an ASGI application."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._station: Station | None = None
        self._nursery: trio.Nursery | None = None
        self._app: ASGIApp | None = None

    @property
    def station(self) -> Station:
        """What all requests share."""
        if self._station is None:
            from aexl_pipelines.serving.jobs import Station

            self._station = Station(self.host)
            if self._nursery is not None:
                self._station.open(self._nursery)
        return self._station

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Let requests start runs while the context is open; leaving it cancels them, and they can be resumed."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                yield
            finally:
                self._nursery = None
                if self._station is not None:
                    self._station.close()
                nursery.cancel_scope.cancel()

    def mounts(self) -> Sequence[Mount]:
        """Return the routes. ``auth`` is the least that any path needs; endpoints ask for more themselves."""
        return [Mount(path=path, app=self, auth="read", describe=describe_endpoints) for path in PATHS]

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request."""
        if self._app is None:
            from aexl_pipelines.serving.app import make_app

            self._app = make_app(self.station)
        await self._app(scope, receive, send)
