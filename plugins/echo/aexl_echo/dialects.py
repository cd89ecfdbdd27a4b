"""The same answer in each dialect: as one JSON object, and as the events of a stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from aexl.api import Call
from aexl_echo import gemini
from aexl_echo.conversation import Said, count

Json = dict[str, Any]


def whole(call: Call, said: Said) -> Json:
    """Return the answer to a call that asks for no stream."""
    return _WHOLE[call.surface](call, said)


def stream(call: Call, said: Said) -> Iterator[bytes]:
    """Yield the stream's events, each complete."""
    if call.surface == "gemini":
        yield from gemini.stream(call, said)
        return
    if call.surface in ("chat", "completions"):
        for chunk in _chat_chunks(call, said) if call.surface == "chat" else _completion_chunks(call, said):
            yield b"data: " + msgspec.json.encode(chunk) + b"\n\n"
        yield b"data: [DONE]\n\n"
        return
    events = _response_events(call, said) if call.surface == "responses" else _message_events(call, said)
    for number, event in enumerate(events):
        if call.surface == "responses":
            event["sequence_number"] = number
        yield b"event: %b\ndata: %b\n\n" % (event["type"].encode(), msgspec.json.encode(event))


def _count(call: Call, said: Said) -> Json:  # noqa: ARG001 - one shape for all
    if call.path.startswith("/models/"):
        return gemini.counted(call)
    tokens = {"input_tokens": count(call.body)}
    return tokens if "messages" in call.body else {"object": "response.input_tokens", **tokens}


def _chat_head(call: Call, kind: str) -> Json:
    return {"id": f"chatcmpl-{call.id}", "object": kind, "created": int(time.time()), "model": call.model}


def _chat_usage(call: Call, said: Said) -> Json:
    output = said.output_tokens * call.choices
    return {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": output,
        "total_tokens": said.input_tokens + output,
    }


def _chat_finish(said: Said) -> str:
    return "tool_calls" if said.tool else "stop" if said.complete else "length"


def _chat_tool(call: Call, name: str | None, arguments: str) -> Json:
    return {"id": f"call_{call.id}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _chat(call: Call, said: Said) -> Json:
    message: Json = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
    if said.tool:
        message |= {"content": None, "tool_calls": [_chat_tool(call, said.tool, said.text)]}
    finish = {"message": message, "logprobs": None, "finish_reason": _chat_finish(said)}
    choices = [{"index": index, **finish} for index in range(call.choices)]
    return _chat_head(call, "chat.completion") | {"choices": choices, "usage": _chat_usage(call, said)}


def _chat_chunks(call: Call, said: Said) -> Iterator[Json]:
    options = call.body.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    head = _chat_head(call, "chat.completion.chunk") | ({"usage": None} if with_usage else {})
    first: Json = {"role": "assistant", "content": None if said.tool else ""}
    deltas: list[Json] = [first, *({"content": word} for word in said.words)]
    if said.tool:
        first["tool_calls"] = [{"index": 0, **_chat_tool(call, said.tool, "")}]
        deltas[1:] = [{"tool_calls": [{"index": 0, "function": {"arguments": word}}]} for word in said.words]
    for index in range(call.choices):
        for delta in deltas:
            yield head | {"choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": None}]}
        end = {"index": index, "delta": {}, "logprobs": None, "finish_reason": _chat_finish(said)}
        yield head | {"choices": [end]}
    if with_usage:
        yield head | {"choices": [], "usage": _chat_usage(call, said)}


def _completion(call: Call, said: Said) -> Json:
    choice = {"text": said.text, "logprobs": None, "finish_reason": _chat_finish(said)}
    choices = [{"index": index, **choice} for index in range(call.choices)]
    return _completion_head(call) | {"choices": choices, "usage": _chat_usage(call, said)}


def _completion_head(call: Call) -> Json:
    return {"id": f"cmpl-{call.id}", "object": "text_completion", "created": int(time.time()), "model": call.model}


def _completion_chunks(call: Call, said: Said) -> Iterator[Json]:
    options = call.body.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    head = _completion_head(call) | ({"usage": None} if with_usage else {})
    for index in range(call.choices):
        for word in said.words:
            yield head | {"choices": [{"index": index, "text": word, "logprobs": None, "finish_reason": None}]}
        yield head | {"choices": [{"index": index, "text": "", "logprobs": None, "finish_reason": _chat_finish(said)}]}
    if with_usage:
        yield head | {"choices": [], "usage": _chat_usage(call, said)}


def _moderation(call: Call, said: Said) -> Json:  # noqa: ARG001 - nothing that an echo could object to
    result: Json = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    return {"id": f"modr-{call.id}", "model": call.model, "results": [result]}


def _response(call: Call, said: Said, *, status: str | None = None, item: Json | None = None) -> Json:
    done = status is None
    return {
        "id": f"resp_{call.id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status or ("completed" if said.complete else "incomplete"),
        "error": None,
        "incomplete_details": None if said.complete or not done else {"reason": "max_output_tokens"},
        "instructions": call.body.get("instructions"),
        "metadata": call.body.get("metadata") or {},
        "model": call.model,
        "output": [item or _item(call, said, said.text, "completed" if said.complete else "incomplete")]
        if done
        else [],
        "parallel_tool_calls": True,
        "temperature": call.body.get("temperature"),
        "tool_choice": call.body.get("tool_choice") or "auto",
        "tools": call.body.get("tools") or [],
        "top_p": call.body.get("top_p"),
        "usage": {
            "input_tokens": said.input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": said.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": said.input_tokens + said.output_tokens,
        }
        if done
        else None,
    }


def _item(call: Call, said: Said, text: str | None, status: str) -> Json:
    if said.tool:
        call_id = f"call_{call.id}"
        kind = {"type": "function_call", "call_id": call_id, "name": said.tool, "arguments": text or ""}
        return {"id": f"fc_{call.id}", "status": status, **kind}
    content = [] if text is None else [_part(text)]
    return {"id": f"msg_{call.id}", "type": "message", "status": status, "role": "assistant", "content": content}


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response_events(call: Call, said: Said) -> Iterator[Json]:
    yield {"type": "response.created", "response": _response(call, said, status="in_progress")}
    yield {"type": "response.in_progress", "response": _response(call, said, status="in_progress")}
    item = _item(call, said, None, "in_progress")
    place: Json = {"item_id": item["id"], "output_index": 0}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item}
    if said.tool:
        for word in said.words:
            yield {"type": "response.function_call_arguments.delta", **place, "delta": word}
        yield {"type": "response.function_call_arguments.done", **place, "name": said.tool, "arguments": said.text}
    else:
        place["content_index"] = 0
        yield {"type": "response.content_part.added", **place, "part": _part("")}
        for word in said.words:
            yield {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "text": said.text, "logprobs": []}
        yield {"type": "response.content_part.done", **place, "part": _part(said.text)}
    final = _response(call, said)
    yield {"type": "response.output_item.done", "output_index": 0, "item": final["output"][0]}
    yield {"type": f"response.{final['status']}", "response": final}


def _message(call: Call, said: Said) -> Json:
    block: Json = {"type": "text", "text": said.text, "citations": None}
    if said.tool:
        arguments = msgspec.json.decode(said.text)
        block = {"type": "tool_use", "id": f"toolu_{call.id}", "name": said.tool, "input": arguments}
    return {
        "id": f"msg_{call.id}",
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": [block],
        "stop_reason": "tool_use" if said.tool else "end_turn" if said.complete else "max_tokens",
        "stop_sequence": None,
        "usage": {
            "input_tokens": said.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": said.output_tokens,
        },
    }


def _message_events(call: Call, said: Said) -> Iterator[Json]:
    message = _message(call, said)
    (block,) = message["content"]
    usage = message["usage"]
    begun = {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": min(1, said.output_tokens)}}
    yield {"type": "message_start", "message": message | begun}
    empty: Json = {"input": {}} if said.tool else {"text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": block | empty}
    kind, key = ("input_json_delta", "partial_json") if said.tool else ("text_delta", "text")
    for word in said.words:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": kind, key: word}}
    yield {"type": "content_block_stop", "index": 0}
    reason = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": reason, "usage": usage}
    yield {"type": "message_stop"}


_WHOLE: Final[Mapping[str, Callable[[Call, Said], Json]]] = {
    "chat": _chat,
    "completions": _completion,
    "count": _count,
    "embeddings": gemini.embeddings,
    "gemini": gemini.whole,
    "gemini_embeddings": gemini.embeddings,
    "messages": _message,
    "moderations": _moderation,
    "responses": _response,
}
