"""From a request to the handler that it names, and what that one is called with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aexl.sdk.actions import reach
from aexl.sdk.registry import Handler, get_registry
from aexl.sdk.routes import find_route
from aexl_runtime.protocol.failures import Failed, fail


class Found(NamedTuple):
    """A handler and its input.

    Attributes:
        http: The HTTP request that it answers.
        params: Values of the parameters of its path.
    """

    handler: Handler
    payload: Any
    http: Mapping[str, object] | None = None
    params: Mapping[str, str] | None = None


def find(request: Mapping[str, Any]) -> Found:
    """Return what a request invokes.

    Raises:
        Failed: If there is no such handler, or it may not be invoked so.
    """
    match request["kind"]:
        case "http":
            return _find_http(request["http"])
        case "mcp":
            return _find_mcp(request["mcp"])
        case kind:
            name = request["handler"]
            return Found(_there(get_registry().of_kind(kind).get(name), kind, name), request["event"])


def is_there(request: Mapping[str, Any]) -> bool:
    """Return whether there is something to invoke; of ``execute`` that is known only when its module is imported."""
    if request["action"] != "invoke":
        return False
    try:
        find(request)
    except Failed:
        return False
    return True


def declared_actions(request: Mapping[str, Any]) -> list[str] | None:
    """Return all that a request may come to do through its context; ``None`` where that is not limited."""
    if request["action"] != "invoke":
        return None
    try:
        return reach(find(request).handler, get_registry().tools)
    except Failed:
        return []  # nothing will be called


def _find_http(asked: Mapping[str, Any]) -> Found:
    found = find_route(get_registry().http_handlers, asked["method"], asked["path"])
    if found is None:
        raise fail("not_found", f"HTTP handler not found for {asked['method']} {asked['path']}", exception="KeyError")
    route, params = found
    http = {**asked, "params": params} if params else dict(asked)
    return Found(route.handler, http if asked["method"] == "GET" else asked["body"], http, params)


def _find_mcp(asked: Mapping[str, Any]) -> Found:
    registry = get_registry()
    server = registry.mcp_servers.get(asked["server"])
    if server is None:
        raise fail("not_found", f"MCP server not found: {asked['server']}", exception="KeyError")
    if asked["tool"] not in server.tools:
        message = f"Tool '{asked['tool']}' not allowed by MCP server '{asked['server']}'"
        raise fail("not_allowed", message, exception="PermissionError")
    handler = server.own.get(asked["tool"]) or registry.tools.get(asked["tool"])
    return Found(_there(handler, "tool", asked["tool"]), asked["args"])


def _there(handler: Handler | None, kind: str, name: str) -> Handler:
    if handler is None:
        raise fail("not_found", f"{kind.capitalize()} not found: {name}", exception="KeyError")
    return handler
