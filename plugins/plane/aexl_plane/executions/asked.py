"""What is asked of a handler, as a client says it and as it is kept. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from aexl.api import Invocation
from aexl.errors import Invalid, Refused
from aexl_plane.records import Execution

SYNC_SECONDS: Final = 600.0
"""The longest run that somebody waits for."""

ASYNC_SECONDS: Final = 86_400.0
"""The longest run at all, as the runtime has it."""

LONGEST_KEY: Final = 255
"""Characters of an idempotency key, as the proxy has it."""

_LONGEST: Final = 1000
"""Characters of a handler's name, as the runtime has it."""


class HttpAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for a handler of kind ``http``."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    path: str
    query: dict[str, Any] = {}
    headers: dict[str, Any] = {}
    body: Any = None


class McpAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call of a tool of an ``mcp_server``."""

    server: str
    tool: str
    args: dict[str, Any] = {}


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a handler is asked, and for how long.

    Attributes:
        kind: Of ``invoke``: ``tool``, ``agent``, ``flow``, ``router``, ``http`` or ``mcp``.
        handler: Its name; of ``execute``: ``module.function``.
    """

    action: Literal["invoke", "execute"] = "invoke"
    kind: Literal["tool", "agent", "flow", "router", "http", "mcp"] | None = None
    handler: str | None = None
    event: dict[str, Any] = {}
    http: HttpAsked | None = None
    mcp: McpAsked | None = None
    timeout_seconds: float = 30.0

    def check(self, longest: float) -> None:
        """Hold its parts against each other.

        Args:
            longest: Seconds that it may take.

        Raises:
            Invalid: If it asks for nothing that could be run.
        """
        if not 0.001 <= self.timeout_seconds <= longest:
            raise Invalid(f"timeout_seconds must be from 0.001 to {longest:g} here, not {self.timeout_seconds:g}")
        if self.handler is not None and not 1 <= len(self.handler) <= _LONGEST:
            raise Invalid(f"a handler's name has 1 to {_LONGEST} characters, not {len(self.handler)}")
        if self.action == "execute":
            return
        if self.kind is None:
            raise Invalid("invoke needs a kind: tool, agent, flow, router, http or mcp")
        if (self.kind == "http") != (self.http is not None) or (self.kind == "mcp") != (self.mcp is not None):
            raise Invalid("kind http needs http, kind mcp needs mcp, and the other kinds neither of them")
        if self.kind not in ("http", "mcp") and self.handler is None:
            raise Invalid(f"kind {self.kind} needs the name of a handler")

    @property
    def name(self) -> str:
        """What is run, as executions are listed."""
        if self.http is not None:
            return f"{self.http.method} {self.http.path}"[:_LONGEST]
        if self.mcp is not None:
            return f"{self.mcp.server}/{self.mcp.tool}"[:_LONGEST]
        return self.handler or ""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a request: with it, it can be run later, and again.

    Attributes:
        identity: As in ``Invocation``.
    """

    asked: Asked
    identity: dict[str, str]


def invocation_of(execution: Execution, recorded: Recorded) -> Invocation:
    """Return what the runtime is asked."""
    asked = recorded.asked
    return Invocation(
        id=execution.id,
        project=execution.snapshot,
        repository=execution.project,
        runtime=execution.runtime or None,
        action=asked.action,
        kind=asked.kind,
        handler=asked.handler,
        event=asked.event,
        http=None if asked.http is None else msgspec.structs.asdict(asked.http),
        mcp=None if asked.mcp is None else msgspec.structs.asdict(asked.mcp),
        agent=execution.agent,
        timeout=asked.timeout_seconds,
        identity=recorded.identity,
    )


def digest_of(method: str, target: str, body: bytes) -> str:
    """Return what says whether two requests are the same: SHA-256 of method, path with query, and the exact body."""
    return hashlib.sha256(f"{method} {target} ".encode() + body).hexdigest()


def read_key(headers: Mapping[str, str]) -> str | None:
    """Return a request's idempotency key.

    Raises:
        Refused: 400 if it is none.
    """
    key = headers.get("idempotency-key")
    if key is not None and not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        reason = f"idempotency-key must have 1 to {LONGEST_KEY} printable ASCII characters"
        raise Refused(reason, code="invalid_idempotency_key", status=400, param="idempotency-key")
    return key
