"""A project's ``mcp_server`` in the Model Context Protocol: what is answered to each message. Pure but for the calls.

The transport is somebody else's: standard input and output, or HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aexl.api.handlers import Invoked
from aexl.errors import AexlError, Invalid, NotFound

VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Of the protocol, newest first."""

_PARSE: Final = -32700
_REQUEST: Final = -32600
_METHOD: Final = -32601
_PARAMS: Final = -32602
_INTERNAL: Final = -32603

McpCall = Callable[[Mapping[str, Any]], Awaitable[Invoked]]
"""Runs a tool: is given ``server``, ``tool`` and ``args``, as ``Invocation.mcp``."""


class NoMessage(Invalid):
    """Bytes that are no message of JSON-RPC 2.0; ``answer`` is the line that says so."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.answer = _error(None, code, reason)


def read_message(line: bytes) -> Mapping[str, Any]:
    """Return a message: a request, a notification, or the answer to a request.

    Raises:
        NoMessage: If it is none; several in an array are none since 2025-06-18.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise NoMessage(_PARSE, "this is not JSON") from None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise NoMessage(_REQUEST, "this is no request of JSON-RPC 2.0")
    return message


def wants_answer(message: Mapping[str, Any]) -> bool:
    """Say whether a message is a request, and no notification or answer to a question that was never asked."""
    return isinstance(message.get("method"), str) and message.get("id") is not None


class McpSession:
    """Answers one client.

    Args:
        call: Runs a tool.
        described: What ``Handlers.describe`` says of the project.
        server: Which of its servers; ``None`` for the only one.

    Raises:
        NotFound: If the project has no such server.
        Invalid: If it has several, and none is named.
    """

    def __init__(self, call: McpCall, described: Mapping[str, Any], *, server: str | None, version: str) -> None:
        self._call_tool = call
        self._version = version
        self.server = _choose(described["mcp_servers"], server)
        self._tools = _tools(described, self.server)

    async def answer(self, line: bytes) -> bytes | None:
        """Return the line that answers a line, ``None`` for what wants no answer."""
        try:
            message = read_message(line)
        except NoMessage as error:
            return error.answer
        return await self.respond(message) if wants_answer(message) else None

    async def respond(self, message: Mapping[str, Any]) -> bytes:
        """Return the line that answers a request."""
        method, number = message["method"], message["id"]
        params = message.get("params") or {}
        if not isinstance(params, dict):
            return _error(number, _PARAMS, "params must be an object")
        try:
            return _line({"jsonrpc": "2.0", "id": number, "result": await self._result(method, params)})
        except LookupError:
            return _error(number, _METHOD, f"there is no method {method!r}")
        except Invalid as error:
            return _error(number, _PARAMS, str(error))
        except AexlError as error:
            return _error(number, _INTERNAL, str(error))

    async def _result(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        match method:
            case "initialize":
                asked = params.get("protocolVersion")
                return {
                    "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
                    "capabilities": {"tools": {"listChanged": False}},
                    "serverInfo": {"name": self.server, "version": self._version},
                }
            case "ping":
                return {}
            case "tools/list":
                return {"tools": self._tools}
            case "tools/call":
                return await self._call(params)
            case _:
                raise LookupError(method)

    async def _call(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        name, arguments = params.get("name"), params.get("arguments") or {}
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise Invalid("tools/call needs a name and an object of arguments")
        if not any(tool["name"] == name for tool in self._tools):
            raise Invalid(f"the server {self.server!r} has no tool {name[:100]!r}")
        asked = {"server": self.server, "tool": name, "args": arguments}
        ran = await self._call_tool(asked)
        if not ran.ok:
            error = ran.answer["error"]
            return _content(f"{error['code']}: {error['message']}", failed=True)
        text = ran.result if isinstance(ran.result, str) else json.dumps(ran.result, ensure_ascii=False)
        content = _content(text, failed=False)
        return {**content, "structuredContent": ran.result} if isinstance(ran.result, dict) else content


def _content(text: str, *, failed: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def _choose(servers: Sequence[Mapping[str, Any]], named: str | None) -> str:
    names = [str(server["name"]) for server in servers]
    if named is not None and named not in names:
        raise NotFound(f"the project has no mcp_server {named!r}; it has {', '.join(names) or 'none'}")
    if named is None and len(names) != 1:
        have = f"has {len(names)} ({', '.join(names)}); say which with --server" if names else "declares no mcp_server"
        raise Invalid(f"the project {have}")
    return named or names[0]


def _tools(described: Mapping[str, Any], server: str) -> list[dict[str, Any]]:
    """Return the tools of a server; a name on its list that nobody declares is no tool."""
    [listed] = [each["tools"] for each in described["mcp_servers"] if each["name"] == server]
    own = {h["name"]: h for h in described["handlers"] if h["kind"] == "mcp" and h["server"] == server}
    shared = {h["name"]: h for h in described["handlers"] if h["kind"] == "tool"}
    found = [own.get(name) or shared.get(name) for name in listed]
    return [_tool(handler) for handler in found if handler is not None]


def _tool(handler: Mapping[str, Any]) -> dict[str, Any]:
    schema = handler["input_schema"]
    tool = {"name": handler["name"], "inputSchema": {"type": "object", **schema}}
    if handler.get("description"):
        tool["description"] = handler["description"]
    output = handler.get("output_schema")
    if isinstance(output, dict) and output.get("type") == "object":
        tool["outputSchema"] = output
    return tool


def _error(number: object, code: int, message: str) -> bytes:
    return _line({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}})


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
