"""The answer as Gemini gives it, and embeddings in both spellings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from aexl.api import Call
from aexl_echo.conversation import Said, count

Json = dict[str, Any]


def whole(call: Call, said: Said) -> Json:
    """Return the answer as one object."""
    return _chunk(call, said, [_part(said, said.text)], said.output_tokens, _finish(said))


def stream(call: Call, said: Said) -> Iterator[bytes]:
    """Yield the stream: events, or the pieces of one array where the call does not ask for events."""
    chunks = [msgspec.json.encode(chunk) for chunk in _chunks(call, said)]
    if "alt=sse" in call.query.split("&"):
        for chunk in chunks:
            yield b"data: " + chunk + b"\r\n\r\n"
        return
    for number, chunk in enumerate(chunks):
        yield (b",\r\n" if number else b"[") + chunk
    yield b"]"


def embeddings(call: Call, said: Said) -> Json:
    """Return one short vector for each input."""
    if call.surface == "embeddings":
        given = call.body.get("input")
        texts = given if isinstance(given, list) and not all(isinstance(token, int) for token in given) else [given]
        data = [{"object": "embedding", "index": index, "embedding": _vector(text)} for index, text in enumerate(texts)]
        usage = {"prompt_tokens": said.input_tokens, "total_tokens": said.input_tokens}
        return {"object": "list", "data": data, "model": call.model, "usage": usage}
    usage = {"promptTokenCount": said.input_tokens}
    requests = call.body.get("requests")
    if isinstance(requests, list):
        return {"embeddings": [{"values": _vector(entry)} for entry in requests], "usageMetadata": usage}
    return {"embedding": {"values": _vector(call.body.get("content"))}, "usageMetadata": usage}


def counted(call: Call) -> Json:
    """Return the answer to ``countTokens``."""
    return {"totalTokens": count(call.body)}


def _vector(value: object) -> list[float]:
    size = len(msgspec.json.encode(value))
    return [1.0, size / 1024, 1 / (1 + size)]


def _chunks(call: Call, said: Said) -> Iterator[Json]:
    if said.tool:
        yield whole(call, said)
        return
    for number, word in enumerate(said.words[:-1], 1):
        yield _chunk(call, said, [_part(said, word)], number, None)
    yield _chunk(call, said, [_part(said, "".join(said.words[-1:]))], said.output_tokens, _finish(said))


def _part(said: Said, text: str) -> Json:
    return (
        {"functionCall": {"name": said.tool, "args": msgspec.json.decode(said.text)}} if said.tool else {"text": text}
    )


def _finish(said: Said) -> str:
    return "STOP" if said.complete else "MAX_TOKENS"


def _chunk(call: Call, said: Said, parts: list[Json], made: int, finish: str | None) -> Json:
    ended = {} if finish is None else {"finishReason": finish}
    candidates = [
        {"content": {"role": "model", "parts": parts}, "index": index, **ended} for index in range(call.choices)
    ]
    made *= call.choices
    usage = {
        "promptTokenCount": said.input_tokens,
        "candidatesTokenCount": made,
        "totalTokenCount": said.input_tokens + made,
    }
    return {"candidates": candidates, "usageMetadata": usage, "modelVersion": call.model, "responseId": call.id}
