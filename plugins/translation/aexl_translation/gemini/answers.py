"""Whole answers and errors of generateContent, read and written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from aexl_translation.answer import Answer, AnswerPart, Failure, Head, Stop
from aexl_translation.asked import Asked
from aexl_translation.consumption import gemini_usage
from aexl_translation.gemini.wire import Part, Response
from aexl_translation.names import fresh_id
from aexl_translation.opaque import seal
from aexl_translation.parts import decode
from aexl_translation.pivot import Reasoning, Text, ToolCall
from aexl_translation.writing import object_of

STOPS: Final[dict[str, Stop]] = {
    "STOP": "end",
    "MAX_TOKENS": "length",
    "FINISH_REASON_UNSPECIFIED": "end",
    "OTHER": "filter",
    "LANGUAGE": "filter",
    "MALFORMED_FUNCTION_CALL": "failed",
    "MALFORMED_RESPONSE": "failed",
    "UNEXPECTED_TOOL_CALL": "failed",
    "TOO_MANY_TOOL_CALLS": "failed",
    "MISSING_THOUGHT_SIGNATURE": "failed",
    "CONTINUATION": "pause",
}
"""Every other reason is one of the provider's checks."""

REASONS: Final[dict[Stop, str]] = {
    "end": "STOP",
    "length": "MAX_TOKENS",
    "stop_sequence": "STOP",
    "tool": "STOP",
    "refusal": "SAFETY",
    "filter": "SAFETY",
    "context": "MAX_TOKENS",
    "pause": "STOP",
    "failed": "OTHER",
}
DECODER: Final = msgspec.json.Decoder(Response)
Json = dict[str, object]


def read(data: bytes) -> Answer:
    """Return what an answer says.

    Raises:
        Broken: If it is none.
    """
    response = decode(DECODER, data, "answer is no response of generateContent")
    parts: list[AnswerPart] = []
    for piece in pieces(response):
        last = parts[-1] if parts else None
        if isinstance(piece, Text) and isinstance(last, Text):
            last.text += piece.text
        elif isinstance(piece, Reasoning) and isinstance(last, Reasoning) and not last.opaque:
            last.text += piece.text
            last.opaque = piece.opaque
        else:
            parts.append(piece)
    stop, why = stop_of(response) or ("end", "")
    if stop == "end" and any(isinstance(part, ToolCall) for part in parts):
        stop = "tool"
    return Answer(head_of(response), parts, stop, None, why)


def head_of(response: Response) -> Head:
    """Return what a response says of itself."""
    return Head(response.response_id or "", response.model_version or "")


def pieces(response: Response) -> Iterator[AnswerPart]:
    """Yield what the first candidate says, as it says it."""
    for candidate in response.candidates[:1]:
        for part in candidate.content.parts if candidate.content is not None and candidate.content.parts else ():
            yield from _piece(part)


def _piece(part: Part) -> Iterator[AnswerPart]:
    signature = part.thought_signature or ""
    if part.thought:
        yield Reasoning("gemini", part.text or "", signature)
        return
    if signature:
        yield Reasoning("gemini", "", signature)
    if part.function_call is not None:
        call = part.function_call
        yield ToolCall(call.id or fresh_id(), call.name, bytes(call.args).decode() if call.args != b"null" else "{}")
    elif part.text:
        yield Text(part.text)


def stop_of(response: Response) -> tuple[Stop, str] | None:
    """Return why the answer ended, and what is said of it; ``None`` if it has not."""
    for candidate in response.candidates[:1]:
        if candidate.finish_reason is not None:
            return STOPS.get(candidate.finish_reason, "filter"), candidate.finish_message or ""
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason:
        return "filter", feedback.block_reason_message or f"the prompt was refused: {feedback.block_reason}"
    return None


def write(answer: Answer, asked: Asked) -> bytes:
    """Return an answer as a response of generateContent."""
    parts = [part for one in answer.parts for part in written(one)]
    return msgspec.json.encode(
        response(asked, answer.head, parts, answer.stop, answer.explanation, usage=True),
    )


def written(part: AnswerPart) -> list[Json]:
    """Return a part as this dialect says it."""
    if isinstance(part, Text):
        return [{"text": part.text}] if part.text else []
    if isinstance(part, Reasoning):
        thought: Json = {"text": part.text, "thought": True}
        if part.opaque:
            thought["thoughtSignature"] = seal(part)
        return [thought]
    return [{"functionCall": {"id": part.id, "name": part.name, "args": object_of(part.arguments)}}]


def response(
    asked: Asked, head: Head, parts: list[Json], stop: Stop | None, why: str = "", *, usage: bool = False
) -> Json:
    """Return a response, or an event of a stream."""
    id, _, model = asked.identity(head, "")
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if stop is not None:
        candidate["finishReason"] = REASONS[stop]
        if why:
            candidate["finishMessage"] = why
    body: Json = {"candidates": [candidate]}
    used = asked.usage() if usage else None
    if used is not None:
        body["usageMetadata"] = gemini_usage(used)
    return {**body, "modelVersion": model, "responseId": id}


def read_error(data: bytes) -> Failure | None:
    """Return the error that a body has, if it has one; some servers wrap it in a list."""
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    status = error.get("status")
    return Failure(error["message"], "", status if isinstance(status, str) else "")


def write_error(failure: Failure, status: int, kind: str) -> Json:
    """Return the body of an error; ``kind`` is its status in Google's words."""
    return {"error": {"code": status, "message": failure.message, "status": kind}}
