"""Handlers by name: tools, agents, routers, flows."""

from __future__ import annotations

from aexl.sdk.contracts import check_router
from aexl.sdk.registry import Handler, get_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])


def tool(
    name: str,
    *,
    description: str | None = None,
    version: str = "1.0",
    tags: Sequence[str] = (),
    output_schema: Mapping[str, object] | None = None,
    allowed_actions: Sequence[str] | None = None,
    allowed_routes: Sequence[str] | None = None,
) -> Callable[[F], F]:
    """Declare a tool: ``(ctx, input)``, any JSON value.

    Args:
        name: Unique among tools.
        output_schema: JSON Schema that every result must match.
        allowed_actions: The tools that it may call with ``ctx.call``, and as ``model:GLOB`` (or ``model`` for
            any) the models that it may ask; an empty list allows none of it.
        allowed_routes: What ``next`` of a result may be.
    """

    def declare(fn: F) -> F:
        _declare(
            "tool",
            name,
            fn,
            description=description,
            version=version,
            tags=tags,
            output_schema=output_schema,
            allowed_actions=allowed_actions,
            allowed_routes=allowed_routes,
        )
        return fn

    return declare


def agent(
    name: str,
    *,
    description: str | None = None,
    version: str = "1.0",
    tags: Sequence[str] = (),
    output_schema: Mapping[str, object] | None = None,
    allowed_actions: Sequence[str] | None = None,
    allowed_routes: Sequence[str] | None = None,
) -> Callable[[F], F]:
    """Declare an agent: ``(ctx, state)``, returns the new state as a dict. Arguments as for ``tool``."""

    def declare(fn: F) -> F:
        _declare(
            "agent",
            name,
            fn,
            description=description,
            version=version,
            tags=tags,
            output_schema=output_schema,
            allowed_actions=allowed_actions,
            allowed_routes=allowed_routes,
        )
        return fn

    return declare


def router(
    name: str,
    *,
    description: str | None = None,
    version: str = "1.0",
    tags: Sequence[str] = (),
    allowed_routes: Sequence[str] | None = None,
) -> Callable[[F], F]:
    """Declare a router: ``(ctx, state)``, returns the next route as a text, or a dict whose ``next`` it is.

    Args:
        name: Unique among routers.
        allowed_routes: The routes that it may return; any, if left out.

    Raises:
        ContractViolation: At once, if the function does not take two arguments.
    """

    def declare(fn: F) -> F:
        check_router(name, fn)
        _declare("router", name, fn, description=description, version=version, tags=tags, allowed_routes=allowed_routes)
        return fn

    return declare


def flow(
    name: str, *, description: str | None = None, version: str = "1.0", tags: Sequence[str] = ()
) -> Callable[[F], F]:
    """Declare a flow: ``(ctx, input)``, returns a dict."""

    def declare(fn: F) -> F:
        _declare("flow", name, fn, description=description, version=version, tags=tags)
        return fn

    return declare


def flow_graph(name: str, builder: Callable[..., Any], *, description: str | None = None) -> None:
    """Declare a flow that is built: ``builder`` returns an object with ``ainvoke`` or ``invoke``, or a function.

    It is built for each invocation; a builder that takes an argument gets the context.
    """
    get_registry().add(Handler("flow", name, builder, description=description, graph=True))


def _declare(kind: str, name: str, fn: F, **declared: Any) -> None:
    handler = Handler(kind, name, fn, **declared)
    if handler.description is None:
        handler.description = _first_line(fn)
    get_registry().add(handler)
    fn.__dict__.setdefault("__aexl_handlers__", []).append(handler)


def _first_line(fn: Callable[..., Any]) -> str | None:
    written = getattr(fn, "__doc__", None)
    return written.strip().partition("\n")[0].strip() if isinstance(written, str) and written.strip() else None
