"""Reading an answer that has passed: who gave it, why it ended and, where wanted, what it said. Pure.

Unless its content is wanted, only those events of a stream are decoded that can
say something, which is decided by searching their bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from aexl.api import Surface
from aexl.api.sse import Frame, Framer, TooLong
from aexl_telemetry.content import message, parts

Json = dict[str, Any]

_TELLING: Final = (
    b'"finish_reason":"',
    b'"finish_reason": "',
    b'"message_start"',
    b'"message_delta"',
    b'"response.completed"',
    b'"response.incomplete"',
    b'"response.failed"',
    b"finishReason",
)
"""What an event has in it that says who answers or why the answer ended."""

_REASONS: Final = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "STOP": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "MAX_TOKENS": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "SAFETY": "content_filter",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
    "failed": "error",
}
"""The dialects' reasons in the words that messages have; the span has the provider's own."""


class Answered(msgspec.Struct, kw_only=True):
    """What an answer said; what it did not say is empty."""

    id: str | None = None
    model: str | None = None
    reasons: list[str] = []
    messages: list[Json] = []


def read_answer(surface: Surface, chunks: Sequence[bytes], *, stream: bool, content: bool) -> Answered:
    """Return what the pieces of an answer say; nothing where they cannot be read.

    Args:
        stream: They are events.
        content: What was said is wanted, too.
    """
    try:
        if stream:
            events = list(_events(chunks, content))
            return _STREAMS.get(surface, _read_chat_stream)(events)
        return _BODIES.get(surface, _read_chat)(msgspec.json.decode(b"".join(chunks), type=dict[str, Any]))
    except (
        msgspec.MsgspecError,
        UnicodeDecodeError,
        TooLong,
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        RecursionError,
    ):
        return Answered()  # an answer in another shape than its dialect's tells nothing, and harms nobody


def _events(chunks: Sequence[bytes], content: bool) -> Iterator[Json]:
    body = b"".join(chunks)
    frames = Framer().feed(body) if content or b"\r" in body else map(Frame, _telling(body))
    for frame in frames:
        data = frame.data
        if data and data != b"[DONE]":
            yield msgspec.json.decode(data, type=dict[str, Any])


def _telling(body: bytes) -> list[bytes]:
    """Return the first event and those that say something, in their order; lines must end with LF."""
    places = {body.find(b"data:")}
    for mark in _TELLING:
        at = body.find(mark)
        while at >= 0:
            places.add(at)
            at = body.find(mark, at + len(mark))
    spans = set()
    for at in places:
        before = body.rfind(b"\n\n", 0, max(at, 0))
        spans.add((before + 2 if before >= 0 else 0, body.find(b"\n\n", max(at, 0))))
    return [body[start : end + 2] for start, end in sorted(spans) if end >= 0]


def _said(reason: str | None) -> str:
    return _REASONS.get(reason or "", reason or "error")


def _output(found: list[Json], reason: str | None) -> Json:
    return {"role": "assistant", "parts": found, "finish_reason": _said(reason)}


def _read_chat(body: Json) -> Answered:
    answered = Answered(id=body.get("id"), model=body.get("model"))
    for choice in body.get("choices") or ():
        reason = choice.get("finish_reason")
        said = choice.get("message") or {"content": choice.get("text")}
        answered.reasons = [*answered.reasons, *([reason] if reason else [])]
        answered.messages = [*answered.messages, _output(message(said)["parts"], reason)]
    return answered


def _read_chat_stream(events: list[Json]) -> Answered:
    """Put the deltas of each choice together, and read them as if they had come at once."""
    choices: dict[int, Json] = {}
    calls: dict[tuple[int, int], Json] = {}
    head: Json = {}
    for event in events:
        head = head or {"id": event.get("id"), "model": event.get("model")}
        for piece in event.get("choices") or ():
            index = piece.get("index", 0)
            choice = choices.setdefault(index, {"message": {"content": "", "tool_calls": []}, "finish_reason": None})
            delta = piece.get("delta") or {"content": piece.get("text")}
            choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
            choice["message"]["content"] += delta.get("content") or ""
            for part in delta.get("tool_calls") or ():
                _add_call(part, (index, part.get("index", 0)), calls, choice["message"]["tool_calls"])
    for choice in choices.values():
        choice["message"]["content"] = choice["message"]["content"] or None
    return _read_chat({**head, "choices": [choices[index] for index in sorted(choices)]})


def _add_call(part: Json, place: tuple[int, int], calls: dict[tuple[int, int], Json], into: list[Json]) -> None:
    call = calls.get(place)
    if call is None:
        call = calls[place] = {"id": part.get("id"), "function": {"name": None, "arguments": ""}}
        into.append(call)
    function = part.get("function") or {}
    call["function"]["name"] = function.get("name") or call["function"]["name"]
    call["function"]["arguments"] += function.get("arguments") or ""


def _read_response(body: Json) -> Answered:
    items = [item for item in body.get("output") or () if isinstance(item, dict)]
    reason = (body.get("incomplete_details") or {}).get("reason") or body.get("status")
    if reason == "completed" and any(str(item.get("type")).endswith("_call") for item in items):
        reason = "tool_calls"
    found = [part for item in items for part in message(item)["parts"]]
    reasons = [str(reason)] if reason else []
    return Answered(id=body.get("id"), model=body.get("model"), reasons=reasons, messages=[_output(found, reason)])


def _read_response_stream(events: list[Json]) -> Answered:
    found = (event["response"] for event in reversed(events) if isinstance(event.get("response"), dict))
    return _read_response(next(found, {}))


def _read_message(body: Json) -> Answered:
    reason = body.get("stop_reason")
    return Answered(
        id=body.get("id"),
        model=body.get("model"),
        reasons=[reason] if reason else [],
        messages=[_output(parts(body.get("content")), reason)],
    )


def _read_message_stream(events: list[Json]) -> Answered:
    body: Json = {}
    blocks: dict[int, Json] = {}
    for event in events:
        match event.get("type"):
            case "message_start":
                body = event["message"]
            case "content_block_start":
                blocks[event["index"]] = dict(event["content_block"])
            case "content_block_delta":
                _add_delta(blocks.setdefault(event["index"], {"type": "text"}), event["delta"])
            case "message_delta":
                body = {**body, **event["delta"]}
            case _:
                pass
    return _read_message({**body, "content": [blocks[index] for index in sorted(blocks)]})


def _add_delta(block: Json, delta: Json) -> None:
    if "partial_json" in delta:
        given = block.get("input")
        block["input"] = (given if isinstance(given, str) else "") + delta["partial_json"]
    for key in ("text", "thinking"):
        if key in delta:
            block[key] = block.get(key, "") + delta[key]


def _read_gemini(body: Json) -> Answered:
    return _read_gemini_stream([body])


def _read_gemini_stream(events: list[Json]) -> Answered:
    answered = Answered()
    reasons: dict[int, str] = {}
    found: dict[int, list[Json]] = {}
    for event in events:
        answered.id = event.get("responseId") or answered.id
        answered.model = event.get("modelVersion") or answered.model
        for candidate in event.get("candidates") or ():
            index = candidate.get("index", 0)
            found.setdefault(index, []).extend(parts((candidate.get("content") or {}).get("parts")))
            if candidate.get("finishReason"):
                reasons[index] = candidate["finishReason"]
    answered.reasons = [reasons[index] for index in sorted(reasons)]
    answered.messages = [_output(found[index], reasons.get(index)) for index in sorted(found)]
    return answered


_BODIES: Final = {
    "responses": _read_response,
    "stored": _read_response,
    "messages": _read_message,
    "gemini": _read_gemini,
}
_STREAMS: Final = {
    "responses": _read_response_stream,
    "messages": _read_message_stream,
    "gemini": _read_gemini_stream,
}
