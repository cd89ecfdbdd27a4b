"""Servers of the Model Context Protocol: which tools they have."""

from __future__ import annotations

from aexl.sdk.registry import Handler, get_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])
    S = TypeVar("S", bound="McpServer")


class McpServer:
    """A named list of tools: those that the project declares by name, and the server's own.

    Attributes:
        tools: Names, in the order of declaration; a call to any other is refused.
        own: The tools that only this server has.
    """

    def __init__(self, name: str, tools: Sequence[str]) -> None:
        self.name = name
        self.tools = list(tools)
        self.own: dict[str, Handler] = {}

    def tool(
        self,
        name: str | None = None,
        *,
        description: str | None = None,
        version: str = "1.0",
        tags: Sequence[str] = (),
        output_schema: Mapping[str, object] | None = None,
        allowed_actions: Sequence[str] | None = None,
        allowed_routes: Sequence[str] | None = None,
    ) -> Callable[[F], F]:
        """Declare a tool of this server only; arguments as for ``aexl.sdk.tool``, the name by default the function's."""

        def declare(fn: F) -> F:
            handler = Handler(
                "tool",
                name or fn.__name__,
                fn,
                description=description or (fn.__doc__ or "").strip().partition("\n")[0] or None,
                version=version,
                tags=tags,
                output_schema=output_schema,
                allowed_actions=allowed_actions,
                allowed_routes=allowed_routes,
            )
            self.own[handler.name] = handler
            if handler.name not in self.tools:
                self.tools.append(handler.name)
            return fn

        return declare


def mcp_server(name: str, tools: Sequence[str] = ()) -> McpServer:
    """Declare a server that has these tools; ``.tool`` of what is returned adds tools of its own."""
    return declare_server(McpServer(name, tools))


def declare_server(server: S) -> S:
    """Put a server under its name."""
    get_registry().mcp_servers[server.name] = server
    return server
