"""What the model server says on Gemini's paths, where the model and what to do stand."""

from __future__ import annotations

import json
import re
from typing import Any

Events = list[tuple[str | None, dict[str, object] | str]]

WORDS = ("The ", "quick ", "brown ", "fox ", "jumps.")
CALL = {"functionCall": {"name": "add", "args": {"a": 1, "b": 2}}, "thoughtSignature": "c2ln"}


def read_path(path: str) -> tuple[str, str] | None:
    """Return the model and the verb of a path."""
    found = re.fullmatch(r"/v1beta/models/([^:?]+):(\w+)(?:\?.*)?", path)
    return None if found is None else (found[1], found[2])


def answer(handler: Any) -> object:
    if handler.verb == "countTokens":
        return {"totalTokens": 7}
    if handler.verb == "embedContent":
        return {"embedding": {"values": [0.1, 0.2]}, "usageMetadata": {"promptTokenCount": handler.tokens[0]}}
    if handler.verb == "batchEmbedContents":
        values = [{"values": [0.1, 0.2]} for _ in handler.request_body["requests"]]
        return {"embeddings": values, "usageMetadata": {"promptTokenCount": handler.tokens[0]}}
    if handler.verb == "streamGenerateContent":  # without alt=sse it is one array
        return [chunk for _, chunk in events(handler)]
    parts = [CALL] if _tool(handler) else [{"text": "".join(WORDS)}]
    config = handler.request_body.get("generationConfig", {})
    if config.get("responseMimeType") == "application/json":
        parts = [{"text": '{"city": "Paris", "people": 2}'}]
    return _chunk(handler, parts, "STOP")


def events(handler: Any) -> Events:
    if _tool(handler):
        return [(None, _chunk(handler, [CALL], "STOP"))]
    chunks = [_chunk(handler, [{"text": word}], None) for word in WORDS]
    return [(None, chunk) for chunk in [*chunks, _chunk(handler, [{"text": ""}], "STOP")]]


def _tool(handler: Any) -> bool:
    """Say whether to call a tool: where there is one, until it has given a result."""
    answered = '"functionResponse"' in json.dumps(handler.request_body.get("contents"))
    return bool(handler.request_body.get("tools")) and "mute" not in handler.traits and not answered


def _chunk(handler: Any, parts: list[dict[str, object]], reason: str | None) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if reason:
        candidate["finishReason"] = reason
    chunk: dict[str, object] = {"candidates": [candidate], "modelVersion": handler.model, "responseId": "r_1"}
    given, made = handler.tokens
    if "no-usage" not in handler.traits:
        usage = {"promptTokenCount": given, "totalTokenCount": given + (made if reason else 1)}
        chunk["usageMetadata"] = {**usage, "candidatesTokenCount": made if reason else 1}
    return chunk
