"""The routes of a snapshot store over HTTP, in front of any store, and a loopback server for them.

What another aexl serves behaves as this does; see ``docs/reference/snapshot-http.md``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import parse_qsl

import msgspec
import trio

from aexl.api import ASGIApp, ASGIReceive, ASGIScope, ASGISend, BlobStore
from aexl.errors import HeadMoved, Invalid, NotFound, Unavailable

PAGE: Final = 1000
"""Names in one answer to a list."""

Fault = Callable[[str, str], int | None]
"""Asked with method and path of each request: a status to answer with, 0 to cut the
connection before anything happens, -1 to cut it after, ``None`` to serve."""


class PlaneRoutes:
    """An ASGI application that serves one store below ``/store``.

    Args:
        token: What ``Authorization: Bearer`` must have; ``None`` asks for none.

    Attributes:
        requests: Method and path of each request.
    """

    def __init__(
        self, store: BlobStore, *, token: str | None = None, fault: Fault = lambda _method, _path: None
    ) -> None:
        self._store = store
        self._token = token
        self.fault = fault
        self.requests: list[str] = []

    async def __call__(self, scope: ASGIScope, receive: ASGIReceive, send: ASGISend) -> None:
        method, path = scope["method"], scope["path"]
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        body = await _read(receive)
        self.requests.append(f"{method} {path}")
        fault = self.fault(method, path)
        if fault == 0:
            raise ConnectionAbortedError("cut before anything happened")
        if fault is not None and fault > 0:
            await _answer(send, fault, {}, b"")
            return
        try:
            status, answered, content = await self._act(method, path, scope["query_string"].decode(), headers, body)
        except (Invalid, NotFound, Unavailable, HeadMoved) as error:
            status = {Invalid: 400, NotFound: 404, HeadMoved: 412}.get(type(error), 503)
            answered, content = {}, msgspec.json.encode({"error": {"code": "store", "message": str(error)}})
        if fault == -1:
            raise ConnectionAbortedError("cut after it happened")
        await _answer(send, status, answered, b"" if method == "HEAD" else content)

    async def _act(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if self._token is not None and headers.get("authorization") != f"Bearer {self._token}":
            return 401, {}, b'{"error":{"code":"unauthorized","message":"the token is wrong"}}'
        if path == "/store/blobs" and method == "GET":
            return await self._list(dict(parse_qsl(query)))
        name = path.removeprefix("/store/blobs/")
        if name == path:
            raise NotFound(f"there is nothing at {path}")
        if method in ("GET", "HEAD"):
            return await self._get(name, headers)
        if method == "PUT":
            return await self._put(name, headers, body)
        if method == "DELETE":
            await self._store.delete(name)
            return 204, {}, b""
        return 405, {}, b""

    async def _list(self, query: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        names = [name for name in await self._store.list(query.get("prefix", "")) if name > query.get("after", "")]
        after = names[PAGE - 1] if len(names) > PAGE else None
        page = msgspec.json.encode({"names": names[:PAGE], "next": after})
        return 200, {"content-type": "application/json"}, page

    async def _get(self, name: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        data, version = await self._store.get_versioned(name)
        answered = {"etag": f'"{version}"', "content-type": "application/octet-stream"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        if wanted is None:
            return 200, answered, data
        start, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if start >= len(data):
            return 416, {"content-range": f"bytes */{len(data)}"}, b""
        return 206, {**answered, "content-range": f"bytes {start}-{end}/{len(data)}"}, data[start : end + 1]

    async def _put(self, name: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        if headers.get("x-aexl-content-sha256") != hashlib.sha256(body).hexdigest():
            raise Invalid("the body does not have the hash of x-aexl-content-sha256")
        if (version := headers.get("if-match")) is not None:
            return 200, {"etag": f'"{await self._store.put_if_match(name, body, version=version.strip(chr(34)))}"'}, b""
        if headers.get("if-none-match") != "*":
            return 428, {}, b""
        version = await self._store.put_if_match(name, body, version=None)
        return 201, {"etag": f'"{version}"'}, b""


async def _read(receive: ASGIReceive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _answer(send: ASGISend, status: int, headers: Mapping[str, str], content: bytes) -> None:
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    if status != 204:
        fields.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def loopback(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application over HTTP on 127.0.0.1, as the host does; yields its base URL."""
    from aexl.core.http.limits import ServerLimits
    from aexl.core.http.server import Server

    server = Server(app, limits=ServerLimits(body_bytes=64 * 1024 * 1024), origins=None)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run, listeners)
        yield f"http://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()
