"""Handlers must take a context and an input: found out before anything is invoked."""

from __future__ import annotations

from types import FunctionType

from aexl.sdk.errors import ContractViolation
from aexl.sdk.registry import get_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from aexl.sdk.registry import Registry

LEAST = 2

SHAPES = {
    "tool": "ctx, input",
    "agent": "ctx, state/payload",
    "flow": "ctx, state/payload",
    "router": "ctx, state",
    "http": "ctx, request",
}

_VARIADIC = 0x04
"""A code object's flag for ``*args``."""


def validate_contracts(registry: Registry | None = None) -> None:
    """Check every handler that takes a context and an input.

    Positional parameters count, with ``*args`` any number of them; keyword-only ones do not. What builds a
    graph is free in what it takes.

    Raises:
        ContractViolation: For the first that does not, with all others.
    """
    broken = []
    for label, fn, shape in _checked(get_registry() if registry is None else registry):
        try:
            check_arguments(label, fn, shape)
        except ContractViolation as violation:
            broken.append(str(violation))
    if broken:
        raise ContractViolation(broken[0], tuple(broken[1:]))


def _checked(registry: Registry) -> Iterator[tuple[str, Callable[..., Any], str]]:
    for kind in ("tool", "agent", "flow", "router"):
        for handler in registry.of_kind(kind).values():
            if not handler.graph:
                yield f"{kind}:{handler.name}", handler.fn, SHAPES[kind]
    for server in registry.mcp_servers.values():
        for handler in server.own.values():
            yield f"mcp:{server.name}/{handler.name}", handler.fn, SHAPES["tool"]
    for route in registry.http_handlers:
        yield f"http:{route.method} {route.path}", route.fn, SHAPES["http"]


def check_router(name: str, fn: Callable[..., Any]) -> None:
    """Check a router as soon as it is declared."""
    check_arguments(f"router:{name}", fn, SHAPES["router"])


def check_arguments(label: str, fn: Callable[..., Any], shape: str) -> None:
    """Raise ``ContractViolation`` unless a function takes at least two positional arguments."""
    if _takes_two(fn):
        return
    import inspect

    raise ContractViolation(f"{label} must accept at least {LEAST} args ({shape}). Got: {inspect.signature(fn)}")


def _takes_two(fn: Callable[..., Any]) -> bool:
    if type(fn) is FunctionType and "__wrapped__" not in fn.__dict__ and "__signature__" not in fn.__dict__:
        code = fn.__code__
        return code.co_argcount >= LEAST or bool(code.co_flags & _VARIADIC)
    import inspect

    parameters = inspect.signature(fn).parameters.values()
    kinds = [parameter.kind for parameter in parameters]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Parameter.VAR_POSITIONAL in kinds or sum(kind in positional for kind in kinds) >= LEAST
