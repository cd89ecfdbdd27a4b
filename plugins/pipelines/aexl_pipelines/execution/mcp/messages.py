"""The messages that calling one tool takes (Model Context Protocol, JSON-RPC 2.0). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from aexl.errors import Invalid, Unavailable
from aexl_pipelines.language.answers import decode_json

PROTOCOL: Final = "2025-06-18"
"""The version we ask for; a server may answer with an older one, and calls of tools are the same in all."""

INITIALIZE: Final = 1
CALL: Final = 2


def initialize(version: str) -> dict[str, object]:
    """Return the first message."""
    info = {"name": "aexl", "version": version}
    params = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": info}
    return {"jsonrpc": "2.0", "id": INITIALIZE, "method": "initialize", "params": params}


def initialized() -> dict[str, object]:
    """Return what is said when the server has answered."""
    return {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(tool: str, arguments: object) -> dict[str, object]:
    """Return the call of a tool."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": CALL, "method": "tools/call", "params": params}


def encode(message: Mapping[str, object]) -> bytes:
    """Return a message as one line."""
    return json.dumps(message, ensure_ascii=False, default=str).encode() + b"\n"


def read(line: bytes) -> Mapping[str, object] | None:
    """Return the message that a line is; ``None`` for what is none."""
    try:
        found = decode_json(line.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def refusal(message: Mapping[str, object]) -> dict[str, object] | None:
    """Return the answer to a request of the server's: it may ping, and may ask for nothing else."""
    if "method" not in message or "id" not in message:
        return None
    answer: dict[str, object] = {"jsonrpc": "2.0", "id": message["id"]}
    if message["method"] == "ping":
        return {**answer, "result": {}}
    return {**answer, "error": {"code": -32601, "message": "aexl offers nothing of this"}}


def result_of(message: Mapping[str, object], server: str) -> Mapping[str, object]:
    """Return the result in an answer.

    Raises:
        Invalid: If the server says that the request is wrong: no such tool, wrong arguments.
        Unavailable: If it is no answer.
    """
    error = message.get("error")
    if isinstance(error, dict):
        raise Invalid(f"the MCP server {server!r} refused: {error.get('message', error)}")
    result = message.get("result")
    if not isinstance(result, dict):
        raise Unavailable(f"the MCP server {server!r} answered with no result")
    return result


def text_of(result: Mapping[str, object]) -> tuple[str, bool]:
    """Return what a tool answers as a text, and whether it says that it failed."""
    content = result.get("content")
    parts = [_part(each) for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    text = "\n".join(part for part in parts if part)
    if not text and result.get("structuredContent") is not None:
        text = json.dumps(result["structuredContent"], ensure_ascii=False)
    return text, result.get("isError") is True


def _part(part: Mapping[str, object]) -> str:
    match part.get("type"):
        case "text":
            return str(part.get("text", ""))
        case "resource":
            resource = part.get("resource")
            return str(resource.get("text", "")) if isinstance(resource, dict) else ""
        case kind:
            return f"[{kind}]"
