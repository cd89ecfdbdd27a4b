"""What a project has declared, in the order in which it did."""

from __future__ import annotations

from aexl import __version__

TYPE_CHECKING = False  # `typing` takes as long to import as all of this package
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from aexl.sdk.mcp import McpServer

SDK_VERSION = __version__

KINDS = ("tool", "agent", "flow", "router", "http", "mcp")
"""What can be invoked."""


UNTYPED = "__aexl_untyped__"
"""An attribute of functions whose annotations are for type checkers alone."""


class Handler:
    """A function under its kind and name, with what its author declared of it.

    Attributes:
        fn: Called with a ``Context`` and its input.
        output_schema: JSON Schema of what it returns; a result that does not match is an error.
        allowed_actions: What it may do through its context; ``None`` where nothing was declared, and nothing is refused.
        allowed_routes: Where it may lead; likewise.
        graph: ``fn`` builds the flow instead of being it.
        params: The parameters of an ``http`` handler's path, which are arguments where ``fn`` has any of their names.
        takes_request: The input is the whole HTTP request, of which the arguments are what ``fn`` wants.
        untyped: ``fn`` was marked with ``UNTYPED``: it gets its input as it is, whatever its annotations say.
    """

    __slots__ = (
        "allowed_actions",
        "allowed_routes",
        "description",
        "fn",
        "graph",
        "kind",
        "name",
        "output_schema",
        "params",
        "tags",
        "takes_request",
        "untyped",
        "version",
    )

    def __init__(
        self,
        kind: str,
        name: str,
        fn: Callable[..., Any],
        *,
        description: str | None = None,
        version: str = "1.0",
        tags: Sequence[str] = (),
        output_schema: Mapping[str, object] | None = None,
        allowed_actions: Sequence[str] | None = None,
        allowed_routes: Sequence[str] | None = None,
        graph: bool = False,
        params: Sequence[str] = (),
        takes_request: bool = False,
    ) -> None:
        self.kind = kind
        self.name = name
        self.fn = fn
        self.description = description
        self.version = version
        self.tags = tuple(tags)
        self.output_schema = output_schema
        self.allowed_actions = None if allowed_actions is None else tuple(allowed_actions)
        self.allowed_routes = None if allowed_routes is None else tuple(allowed_routes)
        self.graph = graph
        self.params = tuple(params)
        self.takes_request = takes_request
        self.untyped = bool(getattr(fn, UNTYPED, False))

    @property
    def is_plain(self) -> bool:
        """All that its function takes is the context and the input as it is."""
        return self.untyped or not (self.params or getattr(self.fn, "__annotations__", None))


class HttpHandler:
    """A function under a method and a path; ``segments`` are the path's parts, a parameter's in braces."""

    __slots__ = ("fn", "handler", "method", "path", "segments")

    def __init__(self, method: str, path: str, handler: Handler) -> None:
        self.method = method
        self.path = path
        self.handler = handler
        self.fn = handler.fn
        self.segments = tuple(path.strip("/").split("/"))


class Registry:
    """Handlers by kind and name; a name that is declared again is the later one's."""

    def __init__(self) -> None:
        self.tools: dict[str, Handler] = {}
        self.agents: dict[str, Handler] = {}
        self.routers: dict[str, Handler] = {}
        self.flows: dict[str, Handler] = {}
        self.http_handlers: list[HttpHandler] = []
        self.mcp_servers: dict[str, McpServer] = {}

    def of_kind(self, kind: str) -> dict[str, Handler]:
        """Return the handlers of ``tool``, ``agent``, ``flow`` or ``router``."""
        return {"tool": self.tools, "agent": self.agents, "flow": self.flows, "router": self.routers}[kind]

    def add(self, handler: Handler) -> None:
        """Put a handler under its kind and name."""
        self.of_kind(handler.kind)[handler.name] = handler


_current = Registry()


def get_registry() -> Registry:
    """Return what this process has declared so far."""
    return _current


def reset_registry() -> Registry:
    """Begin a new, empty registry, and return it."""
    global _current  # noqa: PLW0603 - decorators have nowhere else to look
    _current = Registry()
    return _current
