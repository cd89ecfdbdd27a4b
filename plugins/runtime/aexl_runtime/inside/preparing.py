"""Importing, in a worker that is kept, what the runs of its project will import: once for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from aexl.sdk.calling import is_async, uses_trio
from aexl.sdk.registry import Handler, Registry
from aexl_runtime.inside.checking import import_checks


def prepare(registry: Registry) -> None:
    """Import what these handlers need: for typed inputs, for loops, for declared results. Runs nothing of the project."""
    for handler in _handlers(registry):
        with suppress(ImportError):  # each run says so
            _prepare(handler)


def _handlers(registry: Registry) -> Iterator[Handler]:
    for kind in ("tool", "agent", "flow", "router"):
        yield from registry.of_kind(kind).values()
    for server in registry.mcp_servers.values():
        yield from server.own.values()
    yield from (route.handler for route in registry.http_handlers)


def _prepare(handler: Handler) -> None:
    if not handler.is_plain:
        import aexl.sdk.inputs  # noqa: F401 - to have it
    if is_async(handler.fn):
        if uses_trio(handler.fn):
            import trio  # noqa: F401 - likewise
        else:
            import asyncio  # noqa: F401 - likewise
    if handler.output_schema is not None:
        import_checks()
