"""What the benchmarks send and what they must get back: the bytes of requests and answers.

The load generator and the scripted model server share this, so that every
answer can be checked and a fast wrong answer counts as an error.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Literal

Shape = Literal[
    "json",
    "stream",
    "stream+usage",
    "messages",
    "messages-stream",
    "translated",
    "translated-stream",
    "translated-chat",
    "translated-chat-stream",
]
SHAPES: Final[tuple[Shape, ...]] = ("json", "stream", "stream+usage", "messages", "messages-stream")
TRANSLATED: Final[dict[Shape, Shape]] = {
    "translated": "json",
    "translated-stream": "stream",
    "translated-chat": "messages",
    "translated-chat-stream": "messages-stream",
}
"""Calls in another dialect than their provider's, and what is sent to the same provider in its own."""

_SPEAK_MESSAGES: Final = frozenset({"messages", "messages-stream", "translated", "translated-stream"})
_CALL_MESSAGES: Final = frozenset({"messages", "messages-stream", "translated-chat", "translated-chat-stream"})

MODEL: Final = "bench"
MESSAGES_MODEL: Final = "bench-messages"
EVENTS: Final = 50
"""Chunks of text in a stream; usage and the end come on top."""

SYSTEM: Final = "You answer in one short paragraph and name your sources where you have any."
QUESTION: Final = "Explain to a new colleague why a ledger writes an entry before the money moves, and not after it."
USAGE: Final = {
    "prompt_tokens": 46,
    "completion_tokens": EVENTS,
    "total_tokens": 46 + EVENTS,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def is_stream(shape: Shape) -> bool:
    """Tell whether the answer comes as events."""
    return "stream" in shape


def request(shape: Shape, host: str, token: str, *, prefix: str = "") -> bytes:
    """Return one whole request, as an SDK would send it."""
    messages = shape in _SPEAK_MESSAGES
    model = MESSAGES_MODEL if shape in _CALL_MESSAGES else MODEL
    body: dict[str, Any] = {"model": model, "max_tokens": 256, "temperature": 0.2}
    if messages:
        body |= {"system": SYSTEM, "messages": [{"role": "user", "content": QUESTION}]}
    else:
        body["messages"] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    if is_stream(shape):
        body["stream"] = True
    if shape == "stream+usage":
        body["stream_options"] = {"include_usage": True}
    payload = _compact(body)
    path = "/v1/messages" if messages else "/v1/chat/completions"
    credential = (
        f"x-api-key: {token}\r\nanthropic-version: 2023-06-01" if messages else f"authorization: Bearer {token}"
    )
    head = (
        f"POST {prefix}{path} HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\n"
        f"content-type: application/json\r\nuser-agent: aexl-benchmarks\r\n{credential}\r\n"
        f"content-length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def content_length(head: bytes) -> int | None:
    """Return what a head says of its body's length."""
    found = _LENGTH.search(head)
    return int(found[1]) if found else None


def json_answer(*, messages: bool) -> bytes:
    """Return a whole answer that is not a stream, about 600 bytes of body."""
    text = "An entry that comes first can be undone; money that moved first can only be missed. " * 2
    if messages:
        body: dict[str, Any] = {
            "id": "msg_bench",
            "type": "message",
            "role": "assistant",
            "model": MESSAGES_MODEL,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 46,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": EVENTS,
            },
        }
    else:
        message = {"role": "assistant", "content": text, "refusal": None}
        body = {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1760000000,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": USAGE,
            "system_fingerprint": "fp_bench",
        }
    payload = _compact(body)
    return _head(b"application/json", b"content-length: %d\r\n" % len(payload)) + payload


def stream_pieces(*, messages: bool, usage: bool, writes: int) -> list[bytes]:
    """Return a whole streamed answer as the pieces in which a server writes it, each event a chunk of its own."""
    events = _message_events() if messages else _chat_events(usage=usage)
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    chunks.append(b"0\r\n\r\n")
    each = -(-len(chunks) // writes)
    pieces = [b"".join(chunks[start : start + each]) for start in range(0, len(chunks), each)]
    pieces[0] = _head(b"text/event-stream; charset=utf-8", b"transfer-encoding: chunked\r\n") + pieces[0]
    return pieces


def check(shape: Shape, answer: bytes) -> str | None:
    """Return what is wrong with an answer, head included, or ``None``."""
    if not answer.startswith(b"HTTP/1.1 200"):
        return answer[:400].decode("latin-1")
    if not is_stream(shape):
        return None if b'_tokens"' in answer else "an answer without usage"
    mark = b'" word' if shape in TRANSLATED else b"text_delta" if shape == "messages-stream" else b'"delta"'
    found = answer.count(mark)
    if found != EVENTS:
        found = dechunk(answer).count(mark)  # a chunk may end within the mark
    if found != EVENTS:
        return f"a stream with {found} pieces of text instead of {EVENTS}"
    end = b"message_stop" if shape in _SPEAK_MESSAGES else b"[DONE]"
    return None if end in answer[-400:] else "a stream without its end"


def dechunk(answer: bytes) -> bytes:
    """Return the body of an answer with a chunked body; for checks, not for speed."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


def _head(kind: bytes, framing: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ndate: Fri, 20 Nov 2026 10:00:00 GMT\r\ncontent-type: %b\r\n"
        b"x-request-id: req_bench\r\nopenai-processing-ms: 5\r\nx-ratelimit-limit-requests: 10000\r\n"
        b"x-ratelimit-remaining-requests: 9999\r\n%b\r\n" % (kind, framing)
    )


def _chat_events(*, usage: bool) -> list[bytes]:
    common = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": MODEL,
        "system_fingerprint": "fp_bench",
    }
    events = []
    for index in range(EVENTS):
        last = index == EVENTS - 1
        choice = {
            "index": 0,
            "delta": {"content": f" word{index}"},
            "logprobs": None,
            "finish_reason": "stop" if last else None,
        }
        event: dict[str, Any] = {**common, "choices": [choice]}
        if usage:
            event["usage"] = None
        events.append(b"data: %b\n\n" % _compact(event))
    if usage:
        events.append(b"data: %b\n\n" % _compact({**common, "choices": [], "usage": USAGE}))
    events.append(b"data: [DONE]\n\n")
    return events


def _message_events() -> list[bytes]:
    message = {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": MESSAGES_MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 46, "output_tokens": 1},
    }
    block = {"type": "text", "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
    ]
    events += (
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f" word{index}"}}
        for index in range(EVENTS)
    )
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": EVENTS}},
        {"type": "message_stop"},
    ]
    return [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _compact(event)) for event in events]
