"""The protocol: what is answered to each message. Pure but for the calls it makes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aexl.api import Invocation, Invoked
from aexl.errors import AexlError, Invalid, NotFound

VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Of the protocol, newest first."""

_PARSE: Final = -32700
_REQUEST: Final = -32600
_METHOD: Final = -32601
_PARAMS: Final = -32602
_INTERNAL: Final = -32603

Invoke = Callable[[Invocation], Awaitable[Invoked]]


class McpSession:
    """Answers one client.

    Args:
        project: The id of a snapshot, or the absolute path of a folder.
        described: What ``Handlers.describe`` says of it.
        server: Which of its servers; ``None`` for the only one.
        agent: Who pays.

    Raises:
        NotFound: If the project has no such server.
        Invalid: If it has several, and none is named.
    """

    def __init__(
        self,
        invoke: Invoke,
        project: str,
        described: Mapping[str, Any],
        *,
        server: str | None,
        agent: str | None,
        version: str,
    ) -> None:
        self._invoke = invoke
        self._project = project
        self._agent = agent
        self._version = version
        self.server = _choose(described["mcp_servers"], server)
        self._tools = _tools(described, self.server)

    async def answer(self, line: bytes) -> bytes | None:
        """Return the line that answers a line, ``None`` for what wants no answer."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return _error(None, _PARSE, "this is not JSON")
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            return _error(None, _REQUEST, "this is no request of JSON-RPC 2.0")
        method, number = message.get("method"), message.get("id")
        if not isinstance(method, str) or number is None:
            return None  # a notification, or an answer to a question that was never asked
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
        ran = await self._invoke(Invocation(project=self._project, kind="mcp", mcp=asked, agent=self._agent))
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
