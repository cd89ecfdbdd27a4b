"""Questions and answers in the shape of OpenAI's Chat Completions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from aexl.api import Body, Call, Usage

_WORD = re.compile(r"\s*\S+")


def read_question(body: Body) -> str:
    """Return the text of the last message of the user."""
    messages = body.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            parts = content if isinstance(content, list) else [{"text": content}]
            return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and part.get("text"))
    return ""


def count_usage(body: Body, words: list[str]) -> Usage:
    """Return what a call used: a token is a word, of the whole conversation and of the answer."""
    return Usage(input_tokens=max(1, len((body.raw("messages") or b"").split())), output_tokens=len(words))


def split_words(text: str) -> list[str]:
    """Return the words of an answer, each with the blanks before it."""
    return _WORD.findall(text)


def write_whole(call: Call, words: list[str], usage: Usage, *, complete: bool) -> bytes:
    """Return the answer as one JSON object."""
    message = {"role": "assistant", "content": "".join(words), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop" if complete else "length"}
    return msgspec.json.encode({**_head(call, "chat.completion"), "choices": [choice], "usage": _usage(usage)})


def write_stream(call: Call, words: list[str], usage: Usage, *, complete: bool) -> Iterator[bytes]:
    """Yield the events of a stream, each complete."""
    head = _head(call, "chat.completion.chunk")
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in words]
    deltas.append(({}, "stop" if complete else "length"))
    for delta, finish in deltas:
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})
    options = call.body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage") is True:
        yield _event({**head, "choices": [], "usage": _usage(usage)})
    yield b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _head(call: Call, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{call.id}", "object": kind, "created": 0, "model": call.model}


def _usage(usage: Usage) -> dict[str, int]:
    total = usage.input_tokens + usage.output_tokens
    return {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens, "total_tokens": total}
