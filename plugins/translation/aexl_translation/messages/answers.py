"""Whole answers and errors of Messages, read and written."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl_translation.answer import Answer, AnswerPart, Failure, Head, Stop
from aexl_translation.asked import Asked
from aexl_translation.consumption import messages_usage
from aexl_translation.messages.wire import Block, Message
from aexl_translation.opaque import seal
from aexl_translation.parts import decode
from aexl_translation.pivot import Reasoning, Text, ToolCall
from aexl_translation.writing import object_of

STOPS: Final[dict[str, Stop]] = {
    "end_turn": "end",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context",
}
REASONS: Final[dict[Stop, str]] = {
    "end": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool": "tool_use",
    "refusal": "refusal",
    "filter": "refusal",
    "context": "model_context_window_exceeded",
    "pause": "pause_turn",
    "failed": "end_turn",
}
_DECODER: Final = msgspec.json.Decoder(Message)
Json = dict[str, object]


def read(data: bytes) -> Answer:
    """Return what an answer says.

    Raises:
        Broken: If it is none.
    """
    message = decode(_DECODER, data, "answer is no message")
    parts = [part for block in message.content if (part := read_block(block)) is not None]
    stop = STOPS.get(message.stop_reason or "end_turn", "end")
    return Answer(head_of(message), parts, stop, message.stop_sequence, explanation_of(message.stop_details))


def head_of(message: Message) -> Head:
    """Return what a message says of itself."""
    return Head(message.id or "", message.model or "")


def explanation_of(details: object) -> str:
    """Return why the model refused, if it says so."""
    why = details.get("explanation") if isinstance(details, dict) else None
    return why if isinstance(why, str) else ""


def read_block(block: Block) -> AnswerPart | None:
    """Return a block of an answer, or the beginning of one; ``None`` for what only a refused tool could bring."""
    if block.type == "text":
        return Text(block.text or "")
    if block.type == "thinking":
        return Reasoning("messages", block.thinking or "", block.signature or "")
    if block.type == "redacted_thinking":
        return Reasoning("messages", "", block.data or "", redacted=True)
    if block.type == "tool_use":
        given = bytes(block.input).decode()
        return ToolCall(block.id or "", block.name or "", given)
    return None


def write(answer: Answer, asked: Asked) -> bytes:
    """Return an answer as a message."""
    id, _, model = asked.identity(answer.head, "msg_")
    return msgspec.json.encode(
        {
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [_block(part) for part in answer.parts],
            "stop_reason": REASONS[answer.stop],
            "stop_sequence": answer.stop_sequence,
            "usage": messages_usage(asked.usage()),
        }
    )


def _block(part: AnswerPart) -> Json:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Reasoning):
        return {"type": "thinking", "thinking": part.text, "signature": seal(part)}
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": object_of(part.arguments)}


def read_error(data: bytes) -> Failure | None:
    """Return the error that a body has, if it has one."""
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    kind = error.get("type")
    return Failure(error["message"], kind if isinstance(kind, str) else "")


def write_error(failure: Failure, kind: str) -> Json:
    """Return the body of an error; ``kind`` is its type in Anthropic's words."""
    error: Json = {"type": kind, "message": failure.message}
    if failure.code:
        error["details"] = {"error_code": failure.code}
    return {"type": "error", "error": error}
