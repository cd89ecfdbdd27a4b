"""The connector ``http``: requests to one server that the owner of this one names, with a credential that stays here."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any, Final

import httpx
import msgspec
import trio

from aexl.api import ActionCall, ActionResult, ConnectorSettings, Credential, Host, Upstream
from aexl.api.connectors import HIDDEN, read_params
from aexl.api.urls import base_url_problem
from aexl.errors import ConfigError, Invalid, Problem, Refused
from aexl_plane.integrations.paths import clean_path, is_below

logger = logging.getLogger("aexl.plane")

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
CONNECTIONS: Final = 100

_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_PASSED: Final = frozenset(
    {"accept", "accept-language", "content-type", "if-match", "if-none-match", "idempotency-key", "x-request-id"}
)
"""Headers of a request that callers may set; the table may allow more."""

_KEPT: Final = frozenset({"authorization", "connection", "content-length", "cookie", "host", "transfer-encoding"})
"""Headers that no caller sets, whatever the table says."""

_SHOWN: Final = frozenset(
    {"content-language", "content-type", "date", "etag", "last-modified", "link", "retry-after", "x-request-id"}
)
"""Headers of an answer that callers see."""

Bytes = Annotated[int, msgspec.Meta(ge=1, le=4_000_000)]


class HttpTable(msgspec.Struct, frozen=True, kw_only=True):
    """The connector's own keys.

    Attributes:
        base_url: Where every request begins; nothing else can be reached.
        private: The address may be loopback, private or link-local.
        methods: What callers may use.
        paths: Below the base URL; what callers may ask for, and what is below that.
        headers: Added to every request.
        pass_headers: Further headers that callers may set.
        credential_header: In which header the credential goes.
        credential_prefix: What stands before it there.
        request_bytes: The largest body of a request.
        response_bytes: The largest body of an answer.
        health: The path that a check asks for.
    """

    base_url: str
    private: bool = False
    methods: tuple[str, ...] = ("GET",)
    paths: tuple[str, ...] = ("/",)
    headers: dict[str, str] = {}
    pass_headers: tuple[str, ...] = ()
    credential_header: str = "authorization"
    credential_prefix: str = "Bearer "
    request_bytes: Bytes = 1_000_000
    response_bytes: Bytes = 1_000_000
    health: str = "/"


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``http.request`` takes: ``json``, or a text in ``body``, or neither."""

    method: str = "GET"
    path: Annotated[str, msgspec.Meta(max_length=2000)] = "/"
    query: Mapping[str, str | int | float | bool | Sequence[str | int | float | bool]] = {}
    headers: Mapping[str, str] = {}
    json: Any = msgspec.UNSET
    body: str | None = None


class HttpType:
    """A value of ``provider``: ``http``."""

    name = "http"
    version = "1.0"
    actions: Mapping[str, str] = {"http.request": "Send a request to the server, and return its answer."}

    def __init__(self, host: Host) -> None:
        self._host = host

    def build(self, settings: ConnectorSettings) -> HttpConnector:
        """Make a connector; see ``aexl.api.ConnectorType``."""
        table = settings.read(HttpTable)
        problems = [Problem(key=f"integrations.{settings.name}.{key}", message=text) for key, text in _check(table)]
        if problems:
            raise ConfigError(problems)
        upstream = Upstream(
            private=table.private,
            connect=min(10.0, settings.timeout),
            first_byte=settings.timeout,
            idle=settings.timeout,
            total=settings.timeout,
            connections=CONNECTIONS,
        )
        return HttpConnector(table, settings.credential, self._host.transport(upstream), settings.name)


def _check(table: HttpTable) -> Sequence[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    wrong = base_url_problem(table.base_url)
    if wrong:
        problems.append(("base_url", wrong))
    strange = sorted(set(table.methods) - METHODS)
    if strange or not table.methods:
        problems.append(("methods", f"{', '.join(strange) or 'nothing'} is not one of {', '.join(sorted(METHODS))}"))
    for key, paths in (("paths", table.paths), ("health", (table.health,))):
        for path in paths:
            try:
                clean_path(path)
            except Invalid as error:
                problems.append((key, str(error)))
    named = [("headers", name) for name in table.headers] + [("pass_headers", name) for name in table.pass_headers]
    for key, name in (*named, ("credential_header", table.credential_header)):
        if _HEADER.fullmatch(name) is None:
            problems.append((key, f"{name!r} is not a header's name"))
    problems += [
        ("headers", f"the value of {name} has a character that no header can carry")
        for name, value in table.headers.items()
        if not (value.isascii() and value.isprintable())
    ]
    return problems


class HttpConnector:
    """One server; see ``aexl.api.Connector``. Redirects are answers, and not followed."""

    def __init__(
        self, table: HttpTable, credential: Credential | None, transport: httpx.AsyncBaseTransport, name: str
    ) -> None:
        self._table = table
        self._base = table.base_url.rstrip("/")
        self._transport = transport
        self._name = name
        self._own = {"user-agent": "aexl", **{name.lower(): value for name, value in table.headers.items()}}
        self._secret = b""
        if credential is not None:
            self._own[table.credential_header.lower()] = table.credential_prefix + credential.reveal()
            self._secret = credential.reveal().encode()
        kept = _KEPT | set(self._own)
        self._passed = (_PASSED | {name.lower() for name in table.pass_headers}) - kept

    async def check(self, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002 - nothing is to be chosen
        """Ask for the path ``health``."""
        found = await self._send("GET", clean_path(self._table.health), "", {}, b"")
        status = found["status"]
        if status in (401, 403):
            raise Refused("the server refuses the credential", code="integration_failed", status=502)
        if status >= 500:
            raise Refused(f"the server answers with {status}", code="integration_failed", status=502)
        return {"status": status}

    async def invoke(self, call: ActionCall) -> ActionResult:
        """Run ``http.request``; an answer with any status is a result."""
        wanted = read_params(call, Wanted)
        path = clean_path(wanted.path)
        if wanted.method not in self._table.methods:
            raise _denied(
                f"the method {wanted.method[:20]!r} is not allowed; there are {', '.join(self._table.methods)}"
            )
        if not is_below(path, self._table.paths):
            raise _denied(f"the path {wanted.path[:80]!r} is not allowed; allowed: {', '.join(self._table.paths)}")
        headers = self._headers(wanted)
        content = self._content(wanted, headers)
        return ActionResult(value=await self._send(wanted.method, path, _query(wanted.query), headers, content))

    async def close(self) -> None:
        """Hold nothing: the host closes its transports."""

    def _headers(self, wanted: Wanted) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, value in wanted.headers.items():
            if name.lower() not in self._passed:
                raise _denied(f"the header {name[:80]!r} is not passed on; {', '.join(sorted(self._passed))} are")
            if not (value.isascii() and value.isprintable() and len(value) <= 4096):
                raise Invalid(f"the value of the header {name} cannot be sent")
            headers[name.lower()] = value
        return headers

    def _content(self, wanted: Wanted, headers: dict[str, str]) -> bytes:
        if wanted.json is not msgspec.UNSET and wanted.body is not None:
            raise Invalid("give 'json' or 'body', and not both")
        content = b""
        if wanted.json is not msgspec.UNSET:
            content = msgspec.json.encode(wanted.json)
            headers.setdefault("content-type", "application/json")
        elif wanted.body is not None:
            content = wanted.body.encode("utf-8", "surrogatepass")
            headers.setdefault("content-type", "text/plain; charset=utf-8")
        if content and wanted.method in ("GET", "HEAD"):
            raise Invalid(f"a {wanted.method} has no body")
        if len(content) > self._table.request_bytes:
            raise Invalid(f"the body has {len(content)} bytes; it may have {self._table.request_bytes}")
        return content

    async def _send(
        self, method: str, path: str, query: str, headers: Mapping[str, str], content: bytes
    ) -> dict[str, Any]:
        url = self._base + path + (f"?{query}" if query else "")
        sent = {"accept-encoding": "identity", **headers, **self._own}
        try:
            request = httpx.Request(method, url, headers=sent, content=content)
            response = await self._transport.handle_async_request(request)
            try:
                data = await self._read(response)
            finally:
                with trio.CancelScope(shield=True):
                    await response.aclose()
        except httpx.TimeoutException as error:
            raise Refused("the server did not answer in time", code="integration_timeout", status=504) from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            logger.warning("[integrations.%s] could not be reached: %s", self._name, type(error).__name__)
            raise Refused("the server could not be reached", code="integration_failed", status=502) from error
        shown = {name: value for name, value in response.headers.items() if name in _SHOWN}
        return {"status": response.status_code, "headers": shown, **_content_of(response, data)}

    async def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Refused("the server compresses what it was asked not to", code="integration_failed", status=502)
        held = bytearray()
        assert isinstance(response.stream, httpx.AsyncByteStream)
        pieces = aiter(response.stream)
        try:
            async for piece in pieces:
                held += piece
                if len(held) > self._table.response_bytes:
                    most = self._table.response_bytes
                    raise Refused(f"the answer has more than {most} bytes", code="answer_too_large", status=502)
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        # A server that says back what it was sent does not give the credential away.
        return bytes(held).replace(self._secret, HIDDEN.encode()) if self._secret else bytes(held)


def _query(values: Mapping[str, Any]) -> str:
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in values.items():
        for each in [value] if not isinstance(value, list | tuple) else value:
            pairs.append((name, ("true" if each else "false") if isinstance(each, bool) else str(each)))
    return str(httpx.QueryParams(pairs))


def _content_of(response: httpx.Response, data: bytes) -> dict[str, Any]:
    """Return a body as ``json`` or ``text``, or as ``base64`` where it is neither."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return {"json": msgspec.json.decode(data)}
        except msgspec.DecodeError:
            pass  # it is a text then, whatever its type says
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _denied(message: str) -> Refused:
    return Refused(message, code="action_not_granted", status=403)
