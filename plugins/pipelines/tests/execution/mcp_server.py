"""A small MCP server over standard streams, for tests. Not a test."""

from __future__ import annotations

import json
import sys
from typing import Any


def answer(message: dict[str, Any]) -> dict[str, Any] | None:
    match message.get("method"):
        case "initialize":
            return {"protocolVersion": "2025-03-26", "capabilities": {"tools": {}}, "serverInfo": {"name": "t"}}
        case "tools/call":
            params = message["params"]
            if params["name"] == "missing":
                return None
            text = f"{params['name']}: {json.dumps(params['arguments'])}"
            return {"content": [{"type": "text", "text": text}], "isError": params["name"] == "broken"}
    return {}


print("not a message")
print(json.dumps({"jsonrpc": "2.0", "id": "s1", "method": "roots/list"}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    result = answer(message)
    reply = {"result": result} if result is not None else {"error": {"code": -32602, "message": "no such tool"}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply}), flush=True)
