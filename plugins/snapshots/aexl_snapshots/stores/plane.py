"""Another aexl as a store: ``https://host/…``. The routes stand in ``docs/reference/snapshot-http.md``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import msgspec
import trio

from aexl.errors import HeadMoved, Invalid, NotFound, Unavailable
from aexl_snapshots.disk.directory import check_name

if TYPE_CHECKING:
    import httpx

ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_LARGEST_ANSWER: Final = 64 * 1024 * 1024 + 65_536
"""Bytes: the largest blob, with room for a list's page."""

_MOST_PAGES: Final = 10_000
_BUSY: Final = frozenset({429, 500, 502, 503, 504})


class _Page(msgspec.Struct, frozen=True):
    names: list[str]
    next: str | None = None


class _Problem(msgspec.Struct, frozen=True):
    message: str = ""


class PlaneStore:
    """A ``BlobStore`` that another aexl serves.

    Requests that may be repeated are, up to ``ATTEMPTS`` times, when the connection
    breaks or the server is busy. A swap of a head is sent once: if its answer is
    lost, ``Unavailable`` is raised, and reading the head tells.

    Args:
        base: The URL that the store's routes are below.
        token: Sent as ``Authorization: Bearer``; ``None`` for a server that wants none.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, base: str, token: str | None) -> None:
        self._transport = transport
        self._base = base.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def _url(self, name: str) -> str:
        return f"{self._base}/blobs/{check_name(name)}"

    async def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        if length == 0:
            await self._ask("HEAD", self._url(name), {}, name)
            return b""
        headers: dict[str, str] = {}
        if start or length is not None:
            headers["range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        status, _, body = await self._ask("GET", self._url(name), headers, name)
        if status == 416:
            return b""
        if status == 200 and headers:  # a server may send all of it
            return body[start:] if length is None else body[start : start + length]
        return body

    async def get_versioned(self, name: str) -> tuple[bytes, str]:
        _, headers, body = await self._ask("GET", self._url(name), {}, name)
        return body, self._version(headers, name)

    def _version(self, headers: Mapping[str, str], name: str) -> str:
        version = headers.get("etag", "")
        if not version or version.startswith("W/"):
            raise Unavailable(f"{self._base} does not say which version of {name} it has")
        return version

    async def put_if_absent(self, name: str, data: bytes) -> bool:
        headers = {"if-none-match": "*", **_content(data)}
        status, _, _ = await self._ask("PUT", self._url(name), headers, name, data)
        return status != 412

    async def put_if_match(self, name: str, data: bytes, *, version: str | None) -> str:
        condition = {"if-none-match": "*"} if version is None else {"if-match": version}
        status, headers, _ = await self._ask(
            "PUT", self._url(name), {**condition, **_content(data)}, name, data, once=True
        )
        if status == 412:
            raise HeadMoved(f"{name} in {self._base} is no longer what it was; read it again")
        return self._version(headers, name)

    async def list(self, prefix: str) -> Sequence[str]:
        names: list[str] = []
        url = f"{self._base}/blobs?prefix={quote(prefix, safe='')}"
        after = ""
        for _ in range(_MOST_PAGES):
            _, _, body = await self._ask("GET", url + after, {}, prefix)
            try:
                page = msgspec.json.decode(body, type=_Page)
            except msgspec.DecodeError as error:
                raise Unavailable(f"{self._base} answered with something that is no list: {error}") from error
            names += [name for name in page.names if name.startswith(prefix) and check_name(name)]
            if page.next is None:
                return sorted(names)
            after = f"&after={quote(page.next, safe='')}"
        raise Unavailable(f"{self._base} has a list of more than {_MOST_PAGES} pages")

    async def delete(self, name: str) -> None:
        await self._ask("DELETE", self._url(name), {}, name, missing=True)

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        name: str,
        body: bytes = b"",
        *,
        once: bool = False,
        missing: bool = False,
    ) -> tuple[int, Mapping[str, str], bytes]:
        pause = _FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                status, answered, content = await self._send(method, url, headers, body)
            except Unavailable:
                if once or attempt == ATTEMPTS:
                    raise
            else:
                if status not in _BUSY or attempt == ATTEMPTS or (once and status not in (429, 503)):
                    self._judge(status, content, name, missing=missing)
                    return status, answered, content
                pause = max(pause, _retry_after(answered))
            await trio.sleep(min(pause, _LONGEST_PAUSE))
            pause *= 2
        raise AssertionError("the last attempt returns or raises")

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        import httpx

        request = httpx.Request(method, url, headers={**self._headers, **headers}, content=body)
        try:
            response = await self._transport.handle_async_request(request)
            try:
                content = bytearray()
                assert isinstance(response.stream, httpx.AsyncByteStream)
                async for piece in response.stream:
                    content += piece
                    if len(content) > _LARGEST_ANSWER:
                        raise Unavailable(f"{self._base} answers with more than {_LARGEST_ANSWER} bytes")
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._base} could not be reached: {str(error) or type(error).__name__}") from error
        return response.status_code, response.headers, bytes(content)

    def _judge(self, status: int, content: bytes, name: str, *, missing: bool) -> None:
        if status in (200, 201, 204, 206, 412, 416) or (status == 404 and missing):
            return
        if status == 404:
            raise NotFound(f"there is no {name} at {self._base}")
        said = _message(content)
        if status in (401, 403):
            raise Unavailable(f"{self._base} refuses the token ({status}){said}; see [snapshots] token_env")
        if status in (400, 413, 422):
            raise Invalid(f"{self._base} refuses {name} ({status}){said}")
        raise Unavailable(f"{self._base} answered {status} for {name}{said}")


def _content(data: bytes) -> dict[str, str]:
    return {"content-type": "application/octet-stream", "x-aexl-content-sha256": hashlib.sha256(data).hexdigest()}


def _retry_after(headers: Mapping[str, str]) -> float:
    said = headers.get("retry-after", "")
    return float(said) if said.isdecimal() else 0.0


def _message(content: bytes) -> str:
    try:
        said = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("error")
        message = msgspec.json.decode(said, type=_Problem).message if said else ""
    except msgspec.DecodeError:
        return ""
    return f": {message[:500]}" if message else ""


def check_plane_url(url: str) -> str:
    """Return the base URL of a plane.

    Raises:
        Invalid: If it is none, or has a password in it, which would end up in listings and logs.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Invalid(f"{url!r} is not the URL of an aexl server: write https://HOST/…")
    if parts.username or parts.password:
        raise Invalid("a remote's URL may not hold a password; put the token into a variable ([snapshots] token_env)")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Invalid(f"{url!r} would send the token in the clear; use https, or http on this machine only")
    return url
