"""The host's own HTTP paths: health, readiness, metrics, reload."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import trio

from aexl.api import ASGIApp, ASGIReceive, ASGIScope, ASGISend, Mount, Sample
from aexl.core import health, metrics, openapi
from aexl.core.config.own import ServeSection
from aexl.core.host import LocalHost
from aexl.core.http.refusal import neutral_refusal
from aexl.core.router import send_whole
from aexl.errors import ConfigError, Refused

Handler = Callable[[], Awaitable[tuple[int, bytes, bytes]]]
"""Answers with status, content type and body."""

_JSON = b"application/json"


def own_mounts(host: LocalHost, counted: Callable[[], int]) -> list[Mount]:
    """Return the mounts of the host itself.

    Args:
        counted: Returns the number of requests without a valid token.
    """

    async def alive() -> tuple[int, bytes, bytes]:
        return 200, _JSON, msgspec.json.encode({"status": "ok", "version": host.version})

    async def ready() -> tuple[int, bytes, bytes]:
        checks = host.health_checks()
        results = await health.ask(checks)
        bad = health.failed(checks, results)
        body = {"status": "unready" if bad else "ready", "checks": health.describe(results)}
        return 503 if bad else 200, _JSON, msgspec.json.encode(body)

    async def numbers() -> tuple[int, bytes, bytes]:
        return 200, metrics.CONTENT_TYPE, metrics_text(host, counted()).encode()

    async def reload() -> tuple[int, bytes, bytes]:
        try:
            digest = await host.reload()
        except ConfigError as error:
            problems = [str(problem) for problem in error.problems]
            told = {"message": str(error), "type": "aexl_error", "param": None, "code": "invalid_config"}
            return 422, _JSON, msgspec.json.encode({"error": {**told, "problems": problems}})
        return 200, _JSON, msgspec.json.encode({"status": "reloaded", "digest": digest})

    written: list[bytes] = []

    async def described() -> tuple[int, bytes, bytes]:
        if not written:
            parts = await trio.to_thread.run_sync(openapi.gather, host.described_mounts())
            written.append(msgspec.json.encode(openapi.document(host.version, parts)))
        return 200, _JSON, written[0]

    return [
        Mount(path=openapi.PATH, app=_answer("GET", described), auth="none"),
        Mount(path="/health", app=_answer("GET", alive), auth="none"),
        Mount(path="/ready", app=_answer("GET", ready), auth="none"),
        Mount(path="/metrics", app=_answer("GET", numbers), auth=host.current.section(ServeSection).metrics),
        Mount(path="/admin/reload_config", app=_answer("POST", reload), auth="admin"),
    ]


def metrics_text(host: LocalHost, unauthenticated: int) -> str:
    """Return everything that ``/metrics`` shows."""
    text = "Requests without a valid token."
    own = Sample(name="aexl_unauthenticated_total", kind="counter", help=text, value=unauthenticated)
    return metrics.render([own, *metrics.collect(host.collectors())])


def _answer(method: str, handler: Handler) -> ASGIApp:
    """Make an application of one handler for one method; HEAD goes where GET goes."""

    async def app(scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:  # noqa: ARG001 - no body is read
        if scope["method"] not in (method, "HEAD" if method == "GET" else method):
            refused = Refused(f"use {method}", code="method_not_allowed", status=405)
            status, headers, body = neutral_refusal(refused)
            return await send_whole(send, status, [*headers, (b"allow", method.encode())], body)
        status, kind, body = await handler()
        return await send_whole(send, status, [(b"content-type", kind), (b"cache-control", b"no-store")], body)

    return app
