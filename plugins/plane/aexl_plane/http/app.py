"""The ASGI application: route, token, what the path names, handler, answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

import apsw
import msgspec
import trio

from aexl.api import ASGIReceive, ASGIScope, ASGISend, Headers
from aexl.errors import AexlError, Conflict, HeadMoved, Invalid, NotFound, Refused, Unavailable
from aexl_plane import tokens
from aexl_plane.deployments.validation import SnapshotRefused
from aexl_plane.http.request import Gone, Reply, Request, Stream
from aexl_plane.http.routing import Route, Routes
from aexl_plane.records import Caller, Project, Upload, Workspace
from aexl_plane.storage import files, places
from aexl_plane.storage.database import Database
from aexl_plane.storage.tokens import authenticate

_STATUS: Final[Sequence[tuple[type[AexlError], int, str]]] = (
    (NotFound, 404, "not_found"),
    (HeadMoved, 409, "head_moved"),
    (Conflict, 409, "conflict"),
    (Invalid, 400, "invalid_value"),
    (Unavailable, 503, "unavailable"),
)

Named = tuple[Caller, Workspace | None, Project | None, Upload | None]


class PlaneApp:
    """Serves all routes of the plane; the host authenticates nobody in front of it.

    Args:
        public_url: Returns what signed URLs begin with; empty for what the client has named.
    """

    def __init__(self, routes: Routes, database: Database, public_url: Callable[[], str]) -> None:
        self._routes = routes
        self._database = database
        self._public_url = public_url

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one request."""
        try:
            reply: Reply | Stream = await self._answer(scope, receive)
        except AexlError as error:
            reply = refusal(error)
        except Gone:
            return
        if isinstance(reply, Stream):
            await _stream(send, receive, reply)
        else:
            await _send(send, reply)

    async def _answer(self, scope: ASGIScope, receive: ASGIReceive) -> Reply | Stream:
        path = bytes(scope["raw_path"]).decode("ascii", "replace")
        route, parts = self._routes.find(scope["method"], path)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        base = self._public_url().rstrip("/") or f"{scope['scheme']}://{headers.get('host', 'localhost')}"
        target = path if not scope["query_string"] else f"{path}?{scope['query_string'].decode('latin-1')}"
        request = Request(scope["method"], parts, headers, base, receive, target)
        if route.needs is not None:
            request.belongs(*await self._look_up(route, parts, tokens.find_token(scope["headers"])))
        return await route.answer(request)

    async def _look_up(self, route: Route, parts: Mapping[str, str], token: str) -> Named:
        def work(connection: apsw.Connection) -> Named:
            caller = authenticate(connection, token)
            check_right(caller, route)
            return caller, *_find_places(connection, caller, parts)

        return await self._database.read(work)


def check_right(caller: Caller, route: Route) -> None:
    """Refuse a token that is good for less than a route needs.

    Raises:
        Refused: 403.
    """
    assert route.needs is not None
    if not caller.may(route.needs):
        raise Refused(
            f"this token may {', '.join(sorted(caller.rights))}; the request needs one that may {route.needs}",
            code="scope_missing",
            status=403,
        )


def _find_places(
    connection: apsw.Connection, caller: Caller, parts: Mapping[str, str]
) -> tuple[Workspace | None, Project | None, Upload | None]:
    workspace, project, upload = None, None, None
    if "workspace" in parts:
        workspace = places.find_workspace(connection, caller, parts["workspace"])
        if "project" in parts:
            project = places.find_project(connection, caller, workspace, parts["project"])
    if "upload" in parts:
        upload = files.find_upload(connection, parts["upload"])
        if places.project_of_caller(connection, caller, upload.project) is None:
            raise files.no_upload(upload.id)
    return workspace, project, upload


def refusal(error: AexlError) -> Reply:
    """Return an error as an answer; one that is nobody's fault but ours goes on."""
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if isinstance(error, Refused):
        if error.retry_after is not None:
            headers.append((b"retry-after", str(math.ceil(error.retry_after)).encode()))
        more = {"problems": error.validation.obstacles} if isinstance(error, SnapshotRefused) else {}
        return Reply(error.status, _error(error.code, error.reason, **more), (*headers, *error.headers))
    found = next((each for each in _STATUS if isinstance(error, each[0])), None)
    if found is None:
        raise error
    _, status, code = found
    return Reply(status, _error(code, str(error)), headers)


def _error(code: str, message: str, **more: object) -> bytes:
    error = {"message": message, "type": "aexl_error", "param": None, "code": code, **more}
    return msgspec.json.encode({"error": error})


async def _send(send: ASGISend, reply: Reply) -> None:
    headers: Headers = reply.headers
    if reply.status != 204:
        headers = [*headers, (b"content-length", str(len(reply.body)).encode())]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _stream(send: ASGISend, receive: ASGIReceive, stream: Stream) -> None:
    """Send pieces until there are no more, or the client leaves."""
    await send({"type": "http.response.start", "status": stream.status, "headers": stream.headers})
    async with trio.open_nursery() as nursery, aclosing(stream.pieces) as pieces:
        nursery.start_soon(_end_with_client, receive, nursery.cancel_scope)
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        nursery.cancel_scope.cancel()


async def _end_with_client(receive: ASGIReceive, streaming: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    streaming.cancel()
