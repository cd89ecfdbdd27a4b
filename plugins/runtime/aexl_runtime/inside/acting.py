"""Doing what a request says, once the project is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from aexl.sdk.calling import call_handler, run
from aexl.sdk.context import Context
from aexl.sdk.registry import get_registry
from aexl_runtime.inside.checking import check_result
from aexl_runtime.inside.describing import describe
from aexl_runtime.inside.finding import find
from aexl_runtime.inside.loading import ENTRY
from aexl_runtime.protocol.failures import fail
from aexl_runtime.protocol.plain import plain

_STATUS_KEYS = ("http_status", "status_code", "statusCode")


def act(order: Mapping[str, Any], ctx: Context, found: Callable[[], None]) -> tuple[Any, int]:
    """Describe, invoke or execute; return the result as JSON, and its HTTP status.

    Args:
        found: Is called before a function that is executed, once it has been imported.

    Raises:
        BaseException: Whatever the project raises, or ``Failed``.
    """
    request = order["request"]
    match request["action"]:
        case "describe":
            return plain(describe(get_registry(), order["snapshot_id"])), 200
        case "execute":
            return plain(_execute(order["root"], request, ctx, found)), 200
        case _:
            result = _invoke(request, ctx)
            return result, _status(result)


def _invoke(request: Mapping[str, Any], ctx: Context) -> Any:
    handler, payload, http, params = find(request)
    result = plain(call_handler(handler, ctx.acting_as(handler, http), payload, params))
    check_result(handler, result)
    return result


def _status(result: Any) -> int:
    """Return the HTTP status that a result names; ``status`` alone is the project's own word."""
    for key in _STATUS_KEYS if isinstance(result, dict) else ():
        value = result.get(key)
        if type(value) is int and 100 <= value <= 599:
            return value
    return 200


def _execute(root: str, request: Mapping[str, Any], ctx: Context, found: Callable[[], None]) -> Any:
    handler: str = request["handler"]
    module, _, name = handler.rpartition(".") if "." in handler else (ENTRY, "", handler)
    if not module or not name or not all(part.isidentifier() for part in handler.split(".")):
        raise fail("value", "handler must be in the form 'module.function'", exception="ValueError")
    function = getattr(_import_own(root, module), name, None)
    if not callable(function):
        raise fail("not_found", f"Handler not found: {handler}", exception="KeyError")
    found()
    return run(function, request["event"], ctx)


def _import_own(root: str, module: str) -> Any:
    """Import a module of the project; ``None`` where it has none of that name, whatever else the machine has."""
    parts = module.split(".")
    base = os.path.join(root, *parts)
    if not (os.path.isfile(f"{base}.py") or os.path.isfile(os.path.join(base, "__init__.py"))):
        return None
    __import__(module)
    return sys.modules[module]
