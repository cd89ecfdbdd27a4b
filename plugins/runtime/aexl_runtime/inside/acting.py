"""Doing what a request says, once the project is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from aexl.sdk.calling import call_handler, run
from aexl.sdk.context import Context
from aexl.sdk.registry import Handler, get_registry
from aexl.sdk.routes import find_route
from aexl_runtime.inside.checking import check_result
from aexl_runtime.inside.describing import describe
from aexl_runtime.inside.loading import ENTRY
from aexl_runtime.protocol.failures import fail
from aexl_runtime.protocol.plain import plain

_STATUS_KEYS = ("http_status", "status_code", "statusCode")


def act(order: Mapping[str, Any], ctx: Context) -> tuple[Any, int]:
    """Describe, invoke or execute; return the result as JSON, and its HTTP status.

    Raises:
        BaseException: Whatever the project raises, or ``Failed``.
    """
    request = order["request"]
    match request["action"]:
        case "describe":
            return plain(describe(get_registry(), order["snapshot_id"])), 200
        case "execute":
            return plain(_execute(order["root"], request["handler"], request["event"], ctx)), 200
        case _:
            result = _invoke(request, ctx)
            return result, _status(result)


def _invoke(request: Mapping[str, Any], ctx: Context) -> Any:
    registry = get_registry()
    match request["kind"]:
        case "http":
            return _invoke_http(request["http"], ctx)
        case "mcp":
            asked = request["mcp"]
            server = registry.mcp_servers.get(asked["server"])
            if server is None:
                raise fail("not_found", f"MCP server not found: {asked['server']}", exception="KeyError")
            if asked["tool"] not in server.tools:
                message = f"Tool '{asked['tool']}' not allowed by MCP server '{asked['server']}'"
                raise fail("not_allowed", message, exception="PermissionError")
            handler = server.own.get(asked["tool"]) or registry.tools.get(asked["tool"])
            return _call(_found(handler, "tool", asked["tool"]), ctx, asked["args"])
        case kind:
            name = request["handler"]
            return _call(_found(registry.of_kind(kind).get(name), kind, name), ctx, request["event"])


def _found(handler: Handler | None, kind: str, name: str) -> Handler:
    if handler is None:
        raise fail("not_found", f"{kind.capitalize()} not found: {name}", exception="KeyError")
    return handler


def _invoke_http(asked: Mapping[str, Any], ctx: Context) -> Any:
    found = find_route(get_registry().http_handlers, asked["method"], asked["path"])
    if found is None:
        raise fail("not_found", f"HTTP handler not found for {asked['method']} {asked['path']}", exception="KeyError")
    route, params = found
    request = {**asked, "params": params} if params else dict(asked)
    given = request if asked["method"] == "GET" else asked["body"]
    return _call(route.handler, ctx, given, request=request, **params)


def _call(
    handler: Handler, ctx: Context, payload: Any, request: Mapping[str, object] | None = None, **params: str
) -> Any:
    result = plain(call_handler(handler, ctx.acting_as(handler, request), payload, **params))
    check_result(handler, result)
    return result


def _status(result: Any) -> int:
    """Return the HTTP status that a result names; ``status`` alone is the project's own word."""
    for key in _STATUS_KEYS if isinstance(result, dict) else ():
        value = result.get(key)
        if type(value) is int and 100 <= value <= 599:
            return value
    return 200


def _execute(root: str, handler: str, event: Mapping[str, Any], ctx: Context) -> Any:
    module, _, name = handler.rpartition(".") if "." in handler else (ENTRY, "", handler)
    if not module or not name or not all(part.isidentifier() for part in handler.split(".")):
        raise fail("value", "handler must be in the form 'module.function'", exception="ValueError")
    function = getattr(_import_own(root, module), name, None)
    if not callable(function):
        raise fail("not_found", f"Handler not found: {handler}", exception="KeyError")
    return run(function, event, ctx)


def _import_own(root: str, module: str) -> Any:
    """Import a module of the project; ``None`` where it has none of that name, whatever else the machine has."""
    parts = module.split(".")
    base = os.path.join(root, *parts)
    if not (os.path.isfile(f"{base}.py") or os.path.isfile(os.path.join(base, "__init__.py"))):
        return None
    __import__(module)
    return sys.modules[module]
