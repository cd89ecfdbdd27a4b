"""What a project has, for who wants to call it."""

from __future__ import annotations

from typing import Any

from aexl.sdk.registry import KINDS, SDK_VERSION, Handler, Registry
from aexl_runtime.protocol.plain import plain

_ANY_OBJECT = {"type": "object"}


def describe(registry: Registry, snapshot_id: str | None) -> dict[str, Any]:
    """Return what is described; beside the names, every handler with what was declared of it."""
    return {
        "sdk_version": SDK_VERSION,
        "runtime_version": SDK_VERSION,
        "snapshot_id": snapshot_id,
        "invokable_kinds": list(KINDS),
        "tools": sorted(registry.tools),
        "agents": sorted(registry.agents),
        "flows": sorted(registry.flows),
        "routers": sorted(registry.routers),
        "http_handlers": [{"method": each.method, "path": each.path} for each in registry.http_handlers],
        "mcp_servers": [
            {"name": name, "tools": list(server.tools)} for name, server in sorted(registry.mcp_servers.items())
        ],
        "handlers": _handlers(registry),
    }


def _handlers(registry: Registry) -> list[dict[str, Any]]:
    found = [
        _declared(handler)
        for kind in ("tool", "agent", "flow", "router")
        for _, handler in sorted(registry.of_kind(kind).items())
    ]
    found += [_declared(route.handler) for route in registry.http_handlers]
    for name, server in sorted(registry.mcp_servers.items()):
        found += [{**_declared(handler), "kind": "mcp", "server": name} for _, handler in sorted(server.own.items())]
    return found


def _declared(handler: Handler) -> dict[str, Any]:
    described: dict[str, Any] = {"kind": handler.kind, "name": handler.name, "description": handler.description}
    described["version"] = handler.version
    described["tags"] = list(handler.tags)
    described["input_schema"] = dict(_ANY_OBJECT) if handler.is_plain else _input(handler)
    if handler.output_schema is not None:
        described["output_schema"] = handler.output_schema
    for name in ("allowed_actions", "allowed_routes"):
        if getattr(handler, name) is not None:
            described[name] = list(getattr(handler, name))
    return described


def _input(handler: Handler) -> dict[str, Any]:
    """Return the schema; one handler's types that have none keep no other one from being described."""
    from aexl.sdk.schemas import input_schema

    try:
        schema: dict[str, Any] = plain(input_schema(handler))
    except Exception:  # models make their schemas by code of the project's
        return dict(_ANY_OBJECT)
    return schema
