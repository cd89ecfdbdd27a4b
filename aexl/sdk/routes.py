"""HTTP handlers: ``@http.get("/orders/{id}")``."""

from __future__ import annotations

from aexl.sdk.errors import ContractViolation
from aexl.sdk.registry import Handler, HttpHandler, get_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])


def _declare(method: str, path: str, output_schema: Mapping[str, object] | None) -> Callable[[F], F]:
    params = _params(path)

    def declare(fn: F) -> F:
        handler = Handler(
            "http",
            f"{method} {path}",
            fn,
            output_schema=output_schema,
            params=params,
            takes_request=method == "GET",
        )
        get_registry().http_handlers.append(HttpHandler(method, path, handler))
        return fn

    return declare


def _params(path: str) -> list[str]:
    names = [part for part in path.split("/") if "{" in part or "}" in part]
    for part in names:
        if not (part.startswith("{") and part.endswith("}") and part[1:-1].isidentifier()):
            raise ContractViolation(f"http:{path} has {part!r}; a parameter is a whole segment such as '{{id}}'")
    if len(set(names)) != len(names):
        raise ContractViolation(f"http:{path} names a parameter twice")
    return [part[1:-1] for part in names]


class http:  # noqa: N801 - read as a module: http.get
    """Declare HTTP handlers: ``(ctx, request)``.

    ``get`` gets the request as a dict (``method``, ``path``, ``query``, ``headers``, ``body``, and ``params`` where
    the path has parameters); the other methods get the body. The whole request is ``ctx.request``. A parameter of
    the path is also an argument of that name, where the function has one, and of the type that it is annotated with.
    """

    @staticmethod
    def get(path: str, *, output_schema: Mapping[str, object] | None = None) -> Callable[[F], F]:
        """Answer ``GET``."""
        return _declare("GET", path, output_schema)

    @staticmethod
    def post(path: str, *, output_schema: Mapping[str, object] | None = None) -> Callable[[F], F]:
        """Answer ``POST``."""
        return _declare("POST", path, output_schema)

    @staticmethod
    def put(path: str, *, output_schema: Mapping[str, object] | None = None) -> Callable[[F], F]:
        """Answer ``PUT``."""
        return _declare("PUT", path, output_schema)

    @staticmethod
    def patch(path: str, *, output_schema: Mapping[str, object] | None = None) -> Callable[[F], F]:
        """Answer ``PATCH``."""
        return _declare("PATCH", path, output_schema)

    @staticmethod
    def delete(path: str, *, output_schema: Mapping[str, object] | None = None) -> Callable[[F], F]:
        """Answer ``DELETE``."""
        return _declare("DELETE", path, output_schema)


def find_route(handlers: Sequence[HttpHandler], method: str, path: str) -> tuple[HttpHandler, dict[str, str]] | None:
    """Return the handler of a path with the values of its parameters.

    A path that is written out wins over one with parameters, a parameter further right over one further left;
    among equals the later one.
    """
    wanted = path.strip("/").split("/")
    best: tuple[tuple[bool, ...], HttpHandler, dict[str, str]] | None = None
    for handler in handlers:
        if handler.method != method:
            continue
        found = _match(handler.segments, wanted)
        if found is not None:
            rank = tuple(not part.startswith("{") for part in handler.segments)
            if best is None or rank >= best[0]:
                best = (rank, handler, found)
    return None if best is None else best[1:]


def _match(segments: Sequence[str], wanted: Sequence[str]) -> dict[str, str] | None:
    if len(segments) != len(wanted):
        return None
    params = {}
    for part, value in zip(segments, wanted, strict=True):
        if part.startswith("{"):
            if not value:
                return None
            params[part[1:-1]] = _decode(value)
        elif part != value:
            return None
    return params


def _decode(value: str) -> str:
    if "%" not in value:
        return value
    from urllib.parse import unquote

    return unquote(value)
