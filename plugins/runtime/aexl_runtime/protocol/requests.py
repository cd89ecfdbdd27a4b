"""A request to the runner: what it may say, and what it means."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from aexl_runtime.protocol.failures import fail

ACTIONS: Final = ("describe", "invoke", "execute")
KINDS: Final = ("tool", "agent", "flow", "router", "http", "mcp")
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CAPABILITIES: Final = ("network", "subprocess", "ctypes", "signal", "resource", "outbound_https_only")
IDENTITIES: Final = ("tenant_id", "workspace_id", "project_id", "user_id")
DEFAULT_HANDLER: Final = "entry_point.aiel_handler"

MAX_REQUEST: Final = 4 * 1024 * 1024
"""Bytes of a request."""

MAX_TIMEOUT: Final = 24 * 3600 * 1000
"""Milliseconds."""

_META: Final = ("request_id", "trace_id", "timeout_ms", "idempotency_key", "capabilities", "env")
_HTTP: Final = ("method", "path", "query", "headers", "body")
_MCP: Final = ("server", "tool", "args")


class Request(NamedTuple):
    """What the runner shall do.

    Attributes:
        handler: Of ``execute``: ``module.function``; of ``invoke``: a name; empty for ``http`` and ``mcp``.
        timeout_ms: Milliseconds for import and call together.
        ctx: The ids of whoever asks: those of ``IDENTITIES``.
        capabilities: Modules that are refused unless it is said here: ``subprocess``, ``ctypes``.
    """

    action: str = "describe"
    kind: str | None = None
    handler: str | None = None
    event: Mapping[str, Any] = {}
    http: Mapping[str, Any] | None = None
    mcp: Mapping[str, Any] | None = None
    request_id: str = ""
    trace_id: str | None = None
    timeout_ms: int = 30_000
    capabilities: Mapping[str, bool] = {}
    ctx: Mapping[str, str | None] = {}

    @property
    def resource(self) -> tuple[str | None, str | None]:
        """Kind and name as the log has them."""
        if self.action == "execute":
            return "handler", self.handler
        return self.kind, self.handler

    def wire(self) -> dict[str, object]:
        """Return what the worker needs of it."""
        return {
            "action": self.action,
            "kind": self.kind,
            "handler": self.handler,
            "event": self.event,
            "http": self.http,
            "mcp": self.mcp,
            "request_id": self.request_id,
            "trace_id": self.trace_id,
            "capabilities": self.capabilities,
            "ctx": self.ctx,
        }


def read_json(text: str | bytes, what: str) -> Any:
    """Return strict JSON: no NaN, no number that a float cannot hold, nothing too deep.

    Raises:
        Failed: A bad request.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise fail("request", f"{what} is nested too deeply") from None
    except ValueError as error:
        raise fail("request", f"Invalid JSON in {what}: {error}", exception="ValidationError") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError(f"{_shown(text)} is too large a number")
    return value


def parse_request(text: bytes) -> Request:
    """Read a request.

    Raises:
        Failed: If it is none; names the place.
    """
    if len(text) > MAX_REQUEST:
        raise fail("request", f"the request has {len(text)} bytes; at most {MAX_REQUEST} are read")
    if not text.strip():
        raise fail("request", "Empty input. Provide JSON on stdin or use --action/--kind/--payload.")
    data = read_json(text, "the request")
    if not isinstance(data, dict):
        raise _invalid("the request must be a JSON object")
    return request_of(data)


def request_of(data: Mapping[str, Any]) -> Request:
    """Make a request of its JSON object; unknown keys at the top are ignored.

    Raises:
        Failed: If it is not acceptable; names the place.
    """
    if data.get("schema_version", "v1") != "v1":
        raise _invalid(f"schema_version: Input should be 'v1', not {data['schema_version']!r}")
    action = _choice(data, "action", ACTIONS)
    meta = _object(data, "meta", _META)
    request = Request(
        action=action,
        kind=_choice(data, "kind", KINDS) if data.get("kind") is not None else None,
        handler=_text(data, "handler") or _text(data, "name"),
        event=_event(data),
        http=_http(data),
        mcp=_mcp(data),
        request_id=_text(meta, "request_id", "meta.") or _fresh_id(),
        trace_id=_text(meta, "trace_id", "meta."),
        timeout_ms=_timeout(meta),
        capabilities=_capabilities(meta),
        ctx=_ctx(data),
    )
    return _complete(request)


def _complete(request: Request) -> Request:
    """Hold the parts of a request against each other."""
    if request.action == "execute" and request.handler is None:
        return request._replace(handler=DEFAULT_HANDLER)
    if request.action == "invoke":
        if request.kind is None:
            raise _invalid("Value error, invoke requires kind")
        if request.kind == "http" and request.http is None:
            raise _invalid("Value error, http invoke requires http object")
        if request.kind == "mcp" and request.mcp is None:
            raise _invalid("Value error, mcp invoke requires mcp object")
        if request.kind not in ("http", "mcp") and not request.handler:
            raise _invalid(f"Value error, {request.kind} invoke requires handler (or legacy name)")
    return request


def _fresh_id() -> str:
    """Return a UUID of version 4, without the module for it, which takes longer to import than a run to read."""
    value = int.from_bytes(os.urandom(16)) & ~(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _invalid(message: str) -> Exception:
    return fail("request", message, exception="ValidationError")


def _choice(data: Mapping[str, Any], key: str, choices: Collection[str], where: str = "") -> str:
    value = data.get(key)
    if value is None:
        raise _invalid(f"{where}{key}: Field required")
    if value not in choices:
        words = [repr(choice) for choice in choices]
        raise _invalid(f"{where}{key}: Input should be {', '.join(words[:-1])} or {words[-1]}, not {_shown(value)}")
    return str(value)


def _text(data: Mapping[str, Any], key: str, where: str = "") -> str | None:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise _invalid(f"{where}{key}: Input should be a valid string, not {_shown(value)}")
    if value is not None and len(value) > 1000:
        raise _invalid(f"{where}{key}: Input should have at most 1000 characters")
    return value


def _object(data: Mapping[str, Any], key: str, known: Collection[str], where: str = "") -> Mapping[str, Any]:
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid(f"{where}{key}: Input should be a valid dictionary, not {_shown(value)}")
    for name in value:
        if known and name not in known:
            raise _invalid(f"{where}{key}.{name}: Extra inputs are not permitted")
    return value


def _event(data: Mapping[str, Any]) -> Mapping[str, Any]:
    value = data["event"] if data.get("event") is not None else data.get("payload")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid("payload/event must be a JSON object")
    return value


def _http(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if data.get("http") is None:
        return None
    given = _object(data, "http", _HTTP)
    path = given.get("path")
    if not isinstance(path, str):
        raise _invalid("http.path: Input should be a valid string" if "path" in given else "http.path: Field required")
    return {
        "method": _choice(given, "method", METHODS, "http."),
        "path": path,
        "query": _object(given, "query", (), "http."),
        "headers": _object(given, "headers", (), "http."),
        "body": given.get("body") if given.get("body") is not None else {},
    }


def _mcp(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if data.get("mcp") is None:
        return None
    given = _object(data, "mcp", _MCP)
    for key in ("server", "tool"):
        if not isinstance(given.get(key), str):
            raise _invalid(
                f"mcp.{key}: Field required" if key not in given else f"mcp.{key}: Input should be a valid string"
            )
    return {"server": given["server"], "tool": given["tool"], "args": _object(given, "args", (), "mcp.")}


def _timeout(meta: Mapping[str, Any]) -> int:
    value = meta.get("timeout_ms", 30_000)
    if type(value) is not int or not 1 <= value <= MAX_TIMEOUT:
        raise _invalid(f"meta.timeout_ms: Input should be milliseconds from 1 to {MAX_TIMEOUT}, not {_shown(value)}")
    return value


def _capabilities(meta: Mapping[str, Any]) -> Mapping[str, bool]:
    given = _object(meta, "capabilities", CAPABILITIES, "meta.")
    for name, value in given.items():
        if type(value) is not bool:
            raise _invalid(f"meta.capabilities.{name}: Input should be true or false, not {_shown(value)}")
    return given


def _ctx(data: Mapping[str, Any]) -> Mapping[str, str | None]:
    value = data.get("ctx")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid("ctx must be a JSON object")
    return {name: _text(value, name, "ctx.") for name in IDENTITIES if value.get(name) is not None}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
