"""Calling a handler: its input bound, its result held to what was declared."""

from __future__ import annotations

from types import FunctionType, ModuleType

from aexl.sdk.errors import InvalidInput, NotAllowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from aexl.sdk.context import Context
    from aexl.sdk.registry import Handler

_COROUTINE = 0x80
"""A code object's flag for ``async def``."""

STATEFUL = ("agent", "flow", "router")


def call_handler(handler: Handler, ctx: Context, payload: Any, params: Mapping[str, str] | None = None) -> Any:
    """Call a handler and wait for it, whichever loop it needs; return its checked result.

    Args:
        payload: Its input, a value of JSON.
        params: Values of the parameters of its path.

    Raises:
        InvalidInput: If the input or the result is not as declared.
        NotAllowed: If the result leads where it may not.
    """
    if handler.graph:
        result = _call_graph(handler, ctx, payload)
    else:
        args, kwargs = bind(handler, payload, params or {})
        result = run(handler.fn, ctx, *args, **kwargs)
    return check_result(handler, result)


def run(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function; where it is one of asyncio's or trio's, run it in a loop of its own."""
    result = fn(*args, **kwargs)
    return _wait_for(result, fn) if hasattr(result, "__await__") else result


def is_async(fn: Callable[..., Any]) -> bool:
    """Return whether a function was declared with ``async def``."""
    return type(fn) is FunctionType and bool(fn.__code__.co_flags & _COROUTINE)


async def _awaited(thing: Awaitable[Any]) -> Any:
    return await thing


def _wait_for(thing: Awaitable[Any], fn: Callable[..., Any]) -> Any:
    """Wait for what a function returned, in a loop of its own; in a thread beside a running loop."""
    if _is_in_loop():
        return _in_other_thread(lambda: _wait_for(thing, fn))
    if uses_trio(fn, thing):
        import trio

        return trio.run(_awaited, thing)
    import asyncio

    return asyncio.run(_awaited(thing))


def uses_trio(fn: Callable[..., Any], returned: object = None) -> bool:
    """Return whether a function needs trio's loop.

    The module decides that imports something of either trio or asyncio: that of the innermost function that it
    wraps, and so on outwards, then that of the coroutine that it returned, where it is an object or a method.
    """
    modules = [getattr(getattr(returned, "cr_frame", None), "f_globals", {})]
    wrapped: object = fn
    while wrapped is not None:
        modules.append(getattr(wrapped, "__globals__", {}))
        wrapped = getattr(wrapped, "__dict__", {}).get("__wrapped__")
    for names in reversed(modules):
        homes = {_home(value) for value in names.values()}
        if homes & {"trio", "asyncio"}:
            return "asyncio" not in homes
    return False


def _home(value: object) -> str:
    """Return the package that a module is, or that a function or class comes from."""
    name = getattr(value, "__name__" if isinstance(value, ModuleType) else "__module__", None)
    return name.partition(".")[0] if isinstance(name, str) else ""


def _is_in_loop() -> bool:
    import sys

    if "asyncio" in sys.modules:
        import asyncio

        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - the one that does not raise
            return True
    if "trio" in sys.modules:
        import trio

        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            return False
        return True
    return False


def _in_other_thread(work: Callable[[], Any]) -> Any:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def _call_graph(handler: Handler, ctx: Context, payload: Mapping[str, Any]) -> Any:
    code = getattr(handler.fn, "__code__", None)
    takes_context = code is not None and code.co_argcount >= 1 + hasattr(handler.fn, "__self__")
    graph = run(handler.fn, ctx) if takes_context else run(handler.fn)
    for name in ("ainvoke", "invoke"):
        method = getattr(graph, name, None)
        if method is not None:
            return run(method, payload)
    if callable(graph):
        return run(graph, ctx, payload)
    raise TypeError(f"the graph of flow {handler.name!r} has neither ainvoke nor invoke")


def bind(handler: Handler, payload: Any, params: Mapping[str, str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what a handler's function gets after the context."""
    if handler.is_plain:
        return (payload,), {}
    from aexl.sdk.inputs import bind_input

    return bind_input(handler, payload, params)


def check_result(handler: Handler, result: Any) -> Any:
    """Return a result as its kind has it, if it is what its handler declared."""
    if handler.kind == "router" and isinstance(result, str):
        result = {"next": result}
    if handler.kind in STATEFUL and not isinstance(result, dict):
        raise InvalidInput([f"{handler.kind.capitalize()} must return a dict state."])
    if handler.allowed_routes is not None:
        _check_routes(handler, result)
    return result


def _check_routes(handler: Handler, result: Any) -> None:
    following = result.get("next") if isinstance(result, dict) else None
    for route in following if isinstance(following, list | tuple) else [following]:
        if route is not None and route not in (handler.allowed_routes or ()):
            raise NotAllowed(
                f"Route {route!r} not allowed for {handler.kind} {handler.name!r}; "
                f"it declares {', '.join(handler.allowed_routes or ()) or 'none'}"
            )
