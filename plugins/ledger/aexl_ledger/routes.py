"""HTTP over what the ledger knows: executions for their agents, live activity and verification for admins.

The plugin's hooks share one hub::

    self._hub = ActivityHub()
    ...
    def aexl_routes(self, host):       return mounts(host, self._hub, verify)
    def aexl_subscribers(self, host):  return [self._hub.subscriber()]

Only roles are used, and they are asked for when a request comes.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from aexl.api import (
    ASGIApp,
    ASGIReceive,
    ASGIScope,
    ASGISend,
    Control,
    Executions,
    Headers,
    Host,
    Mount,
    Principal,
)
from aexl.api.urls import read_query
from aexl.errors import AexlError, Invalid, NotFound, Unavailable
from aexl_ledger.activity import ActivityHub, Watcher, frame
from aexl_ledger.execution_view import execution_json

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from aexl.api.openapi import Description

Verify = Callable[[], Mapping[str, object]]
"""Verifies the ledger, blocking; returns ``ok``, ``events``, ``first_bad`` and ``detail``."""

EXECUTIONS: Final = "/api/v1/executions"
ACTIVITY: Final = "/admin/activity"
REPLAY: Final = "/admin/replay"

MOST: Final = 1000
_USUAL: Final = 100
_RECENT: Final = 50
_TICK: Final = 1.0
_HEARTBEAT: Final = 15.0
"""Seconds of silence after which a comment shows that the connection lives; proxies cut idle ones at 30 and more."""

_ANSWERS: Final[Sequence[tuple[type[AexlError], int, str]]] = (
    (NotFound, 404, "not_found"),
    (Invalid, 400, "invalid"),
    (Unavailable, 503, "unavailable"),
)
"""What is told of each kind of error: the status and the code."""

_STREAM_HEADERS: Final[Headers] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


def mounts(host: Host, hub: ActivityHub, verify: Verify) -> Sequence[Mount]:
    """Return the ledger's routes.

    Args:
        hub: Must hear of events through ``aexl_subscribers``.
        verify: Called in a thread, once at a time.
    """
    return (
        Mount(path=EXECUTIONS, app=Lazy(functools.partial(_executions_app, host)), auth="read", describe=_describe),
        Mount(path=ACTIVITY, app=Activity(host, hub), auth="admin"),
        Mount(path=REPLAY, app=Lazy(functools.partial(_replay_app, verify)), auth="admin"),
    )


def _describe() -> Description:
    from aexl_ledger.describing import describe_executions

    return describe_executions(MOST, _USUAL)


class Lazy:
    """An application that is built, and its libraries imported, when the first request comes."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build
        self._app: ASGIApp | None = None

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request."""
        if self._app is None:
            self._app = self._build()
        await self._app(scope, receive, send)


def _executions_app(host: Host) -> ASGIApp:
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def listed(request: Request) -> Response:
        query = read_query(request.scope["query_string"])
        found = await _executions(host).recent(_visible(request) or query.get("agent"), _limit(query.get("limit")))
        return _json({"executions": [execution_json(execution) for execution in found]})

    async def one(request: Request) -> Response:
        found = await _executions(host).get(request.path_params["id"], _visible(request))
        return _json(execution_json(found))

    return Starlette(
        routes=[Route(EXECUTIONS, _answering(listed)), Route(EXECUTIONS + "/{id:path}", _answering(one))],
        exception_handlers={404: _no_such_path, 405: _no_such_method},
    )


def _replay_app(verify: Verify) -> ASGIApp:
    from starlette.applications import Starlette
    from starlette.routing import Route

    running = trio.Lock()

    async def replay(request: Request) -> Response:  # noqa: ARG001 - the library's interface
        try:
            running.acquire_nowait()
        except trio.WouldBlock:
            return _error(409, "already_running", "the ledger is being verified already; ask again when that is done")
        try:
            return _json(await trio.to_thread.run_sync(verify, abandon_on_cancel=True))
        finally:
            running.release()

    return Starlette(routes=[Route(REPLAY, _answering(replay))])


def _answering(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Let errors of ours become answers."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except AexlError as error:
            for kind, status, code in _ANSWERS:
                if isinstance(error, kind):
                    return _error(status, code, str(error))
            raise

    return answer


def _visible(request: Request) -> str | None:
    """Return the agent whose executions may be seen; ``None`` for an admin, who sees all."""
    principal: Principal = request.scope["state"]["principal"]
    return None if principal.scope == "admin" else principal.agent


def _executions(host: Host) -> Executions:
    executions = host.service(Executions)
    if executions is None:
        raise Unavailable("no plugin keeps executions here")
    return executions


def _limit(text: str | None) -> int:
    if text is None:
        return _USUAL
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise Invalid(f"limit must be a whole number from 1 to {MOST}, not {text[:20]!r}")
    return int(text)


def _json(value: object, status: int = 200) -> Response:
    from starlette.responses import Response

    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def _no_such_path(request: Request, error: Exception) -> Response:  # noqa: ARG001 - the library's interface
    return _error(404, "not_found", f"there is nothing at {request.url.path}")


async def _no_such_method(request: Request, error: Exception) -> Response:
    answer = _error(405, "method_not_allowed", f"{request.method} means nothing here")
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


def _error(status: int, code: str, message: str) -> Response:
    return _json({"error": {"message": message, "type": "aexl_error", "param": None, "code": code}}, status)


class Activity:
    """Server-sent events: the latest executions, oldest first, then what happens.

    A client that reads too slowly loses events and gets ``event: dropped`` with
    their number. The stream ends when the server begins to stop.
    """

    def __init__(self, host: Host, hub: ActivityHub) -> None:
        self._host = host
        self._hub = hub

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one watcher."""
        if scope["method"] != "GET":
            return await _refuse(send, 405, "method_not_allowed", "activity can only be read with GET")
        if self._hub.is_full:
            return await _refuse(send, 503, "too_many_watchers", "as many clients watch already as may")
        with self._hub.watch() as watcher:
            await send({"type": "http.response.start", "status": 200, "headers": list(_STREAM_HEADERS)})
            await _write(send, await self._recent())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_wait_until_gone, receive, nursery.cancel_scope)
                await self._stream(watcher, send)
                nursery.cancel_scope.cancel()
        return await send({"type": "http.response.body", "body": b""})

    async def _recent(self) -> bytes:
        executions = self._host.service(Executions)
        found = await executions.recent(None, _RECENT) if executions else ()
        frames = [frame("execution", execution_json(execution)) for execution in reversed(found)]
        return b"".join(frames) or b": nothing yet\n\n"

    async def _stream(self, watcher: Watcher, send: ASGISend) -> None:
        silent_since = trio.current_time()
        while not await self._is_stopping():
            data = None
            with trio.move_on_after(_TICK):
                data = await watcher.next()
            if data is None and trio.current_time() - silent_since >= _HEARTBEAT:
                data = b": still here\n\n"
            if data is not None:
                await _write(send, data)
                silent_since = trio.current_time()

    async def _is_stopping(self) -> bool:
        control = self._host.service(Control)
        return control is not None and bool((await control.status()).get("draining"))


async def _wait_until_gone(receive: ASGIReceive, streaming: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    streaming.cancel()


async def _write(send: ASGISend, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _refuse(send: ASGISend, status: int, code: str, message: str) -> None:
    body = msgspec.json.encode({"error": {"message": message, "type": "aexl_error", "param": None, "code": code}})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
