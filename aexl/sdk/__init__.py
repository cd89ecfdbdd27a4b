"""What project authors import: handlers that run from a snapshot, in a worker of ``aexl runtime``.

::

    from aexl.sdk import Context, tool

    @tool("slugify", description="Make a slug")
    def slugify(ctx: Context, payload: dict[str, str]) -> dict[str, str]:
        ctx.log("slugify.called")
        return {"slug": "-".join(payload["title"].lower().split())}

A decorator returns the function as it is, and puts it into the registry of this
process under its kind and name. Only the standard library is imported, and of it
only what a project needs: the whole package takes a few milliseconds.
"""

from aexl.sdk.answers import ModelAnswer
from aexl.sdk.context import Context
from aexl.sdk.contracts import validate_contracts
from aexl.sdk.decorators import agent, flow, flow_graph, router, tool
from aexl.sdk.errors import ContractViolation, InvalidInput, ModelRefused, NotAllowed, SdkError
from aexl.sdk.mcp import mcp_server
from aexl.sdk.registry import SDK_VERSION, get_registry, reset_registry
from aexl.sdk.routes import http

__all__ = [
    "SDK_VERSION",
    "Context",
    "ContractViolation",
    "InvalidInput",
    "ModelAnswer",
    "ModelRefused",
    "NotAllowed",
    "SdkError",
    "agent",
    "flow",
    "flow_graph",
    "get_registry",
    "http",
    "mcp_server",
    "reset_registry",
    "router",
    "tool",
    "validate_contracts",
]
