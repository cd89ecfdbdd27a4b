"""``/mcp/{workspace}/{project}/{environment}/{server}``: MCP over streamable HTTP.

Every request is answered with one JSON object, and by what the environment serves at that
moment. A session is held in memory; after a restart of the server a client begins a new one,
as the protocol wants it to when it is told 404.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import trio

from aexl.api import Host, Invoked
from aexl.api.mcp import VERSIONS, McpSession, NoMessage, read_message, wants_answer
from aexl.errors import Refused
from aexl_plane.executions.asked import Asked, McpAsked
from aexl_plane.executions.orders import Orders
from aexl_plane.executions.service import ExecutionService
from aexl_plane.executions.targets import Targets
from aexl_plane.http.execution_shapes import execution_detail
from aexl_plane.http.request import JSON_BYTES, Reply, Request
from aexl_plane.http.routing import Route

MCP: Final = "/mcp"

SECONDS: Final = 60.0
"""How long a tool may take; about what clients wait."""

SESSIONS: Final = 10_000
"""Held at a time; the one that was used longest ago goes."""

IDLE_SECONDS: Final = 24 * 3600.0
"""A session that nobody used for so long has ended."""

_SESSION: Final = "mcp-session-id"
_VERSION: Final = "mcp-protocol-version"


class Place(NamedTuple):
    """Whose session it is, and with what."""

    token: str
    project: str
    environment: str
    server: str


class Sessions:
    """Sessions by their ids, the one that was used longest ago first."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Place, float]] = {}

    def begin(self, place: Place) -> str:
        """Return the id of a new session."""
        while len(self._held) >= SESSIONS:
            del self._held[next(iter(self._held))]
        id = secrets.token_hex(16)
        self._held[id] = place, trio.current_time()
        return id

    def use(self, id: str | None, place: Place) -> str:
        """Return the id of a session that goes on.

        Raises:
            Refused: 400 without an id, 404 if there is no such session with this server for this token.
        """
        if id is None:
            raise Refused(
                "no session was named; begin with initialize, and send Mcp-Session-Id", code="no_session", status=400
            )
        held, used = self._held.pop(id, (None, 0.0))
        now = trio.current_time()
        if held is not None and now - used > IDLE_SECONDS:
            held = None
        if held is not None:
            self._held[id] = held, now  # to the end
        if held != place:
            raise Refused("there is no such session; begin a new one", code="unknown_session", status=404)
        return id

    def end(self, id: str) -> None:
        """End a session."""
        del self._held[id]


class McpRoutes:
    """A project's ``mcp_server`` for clients elsewhere."""

    def __init__(self, host: Host, executions: ExecutionService, targets: Targets, orders: Orders) -> None:
        self._host = host
        self._executions = executions
        self._targets = targets
        self._orders = orders
        self._sessions = Sessions()

    def routes(self) -> Sequence[Route]:
        """Return the routes; ``GET`` has none, because nothing is ever sent unasked."""
        path = f"{MCP}/{{workspace}}/{{project}}/{{environment}}/{{server}}"
        return (
            Route(method="POST", path=path, needs="execute", answer=self.post),
            Route(method="DELETE", path=path, needs="execute", answer=self.delete),
        )

    async def post(self, request: Request) -> Reply:
        """Answer a message."""
        _check_headers(request.headers)
        target = await self._targets.served(request.project.id, request.parts["environment"])

        async def call(asked: Mapping[str, Any]) -> Invoked:
            wanted = Asked(kind="mcp", mcp=msgspec.convert(asked, McpAsked), timeout_seconds=SECONDS)
            order = self._orders.make(request.caller, request.workspace, request.project, target, wanted)
            return _invoked(await self._executions.run(order))

        session = McpSession(call, target.described, server=request.parts["server"], version=self._host.version)
        try:
            message = read_message(await request.read(JSON_BYTES))
        except NoMessage as error:
            return _json(400, error.answer)
        place = _place(request)
        begins = message.get("method") == "initialize"
        id = None if begins else self._sessions.use(request.headers.get(_SESSION), place)
        if not wants_answer(message):
            return Reply(202)
        said = await session.respond(message)
        return _json(200, said, self._sessions.begin(place) if id is None else None)

    async def delete(self, request: Request) -> Reply:
        """End a session."""
        self._sessions.end(self._sessions.use(request.headers.get(_SESSION), _place(request)))
        return Reply(204)


def _place(request: Request) -> Place:
    return Place(request.caller.token, request.project.id, request.parts["environment"], request.parts["server"])


def _check_headers(headers: Mapping[str, str]) -> None:
    version = headers.get(_VERSION)
    if version is not None and version not in VERSIONS:
        reason = f"MCP-Protocol-Version {version[:40]!r} is not spoken here; {', '.join(VERSIONS)} are"
        raise Refused(reason, code="unsupported_version", status=400)
    kinds = [each.partition(";")[0].strip().lower() for each in headers.get("accept", "*/*").split(",")]
    if not {"application/json", "application/*", "*/*"} & set(kinds):
        raise Refused("what is answered is application/json; accept it", code="not_acceptable", status=406)
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused("a message is sent as application/json", code="unsupported_media_type", status=415)


def _invoked(outcome: Any) -> Invoked:
    detail = execution_detail(outcome, None)
    error = None if detail.error is None else {"code": detail.error.code, "message": detail.error.message}
    result = None if error is not None else detail.result
    return Invoked(
        id=detail.id, ok=error is None, status=detail.http_status or 500, exit=0, result=result, answer={"error": error}
    )


def _json(status: int, line: bytes, session: str | None = None) -> Reply:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if session is not None:
        headers.append((_SESSION.encode(), session.encode()))
    return Reply(status, line.rstrip(b"\n"), headers)
