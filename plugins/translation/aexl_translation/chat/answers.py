"""Whole answers and errors of Chat Completions, read and written."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl_translation.answer import Answer, AnswerPart, Failure, Head, Stop
from aexl_translation.asked import Asked
from aexl_translation.chat.wire import Chunk, Completion, Delta, Function, ToolDelta, read_citations
from aexl_translation.consumption import chat_usage
from aexl_translation.names import fresh_id
from aexl_translation.opaque import seal
from aexl_translation.parts import Broken, decode
from aexl_translation.pivot import Reasoning, Text, ToolCall

STOPS: Final[dict[str, Stop]] = {
    "stop": "end",
    "length": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filter",
}
FINISH: Final[dict[Stop, str]] = {
    "end": "stop",
    "length": "length",
    "stop_sequence": "stop",
    "tool": "tool_calls",
    "refusal": "content_filter",
    "filter": "content_filter",
    "context": "length",
    "pause": "stop",
    "failed": "stop",
}
_DECODER: Final = msgspec.json.Decoder(Completion)
Json = dict[str, object]


def read(data: bytes) -> Answer:
    """Return what an answer says.

    Raises:
        Broken: If it is none.
    """
    body = decode(_DECODER, data, "answer is no chat completion")
    if not body.choices:
        raise Broken("its answer has no choices")
    choice = body.choices[0]
    parts = parts_of(choice.message)
    stop = STOPS.get(choice.finish_reason or "stop", "end")
    if stop == "end":
        stop = ending(parts)
    return Answer(head_of(body), parts, stop)


def head_of(body: Completion | Chunk) -> Head:
    """Return what an answer, or a chunk of one, says of itself."""
    created = body.created
    return Head(body.id or "", body.model or "", created if type(created) is int else 0, body.service_tier or "")


def ending(parts: list[AnswerPart]) -> Stop:
    """Return why an answer ended that only says that it did."""
    if any(isinstance(part, ToolCall) for part in parts):
        return "tool"  # some servers say stop with calls of tools
    return "refusal" if any(isinstance(part, Text) and part.refusal for part in parts) else "end"


def parts_of(message: Delta) -> list[AnswerPart]:
    """Return the parts of a message."""
    parts: list[AnswerPart] = []
    for key in ("reasoning_content", "reasoning"):
        text = getattr(message, key)
        if isinstance(text, str) and text:
            parts.append(Reasoning("chat", text, id=key))
            break
    if isinstance(message.content, str) and message.content:
        parts.append(Text(message.content, citations=read_citations(message.annotations)))
    elif isinstance(message.content, list):
        texts = [part.get("text") for part in message.content if isinstance(part, dict)]
        parts.append(Text("".join(text for text in texts if isinstance(text, str))))
    if message.refusal:
        parts.append(Text(message.refusal, refusal=True))
    parts += [read_call(call) for call in message.tool_calls or ()]
    if message.function_call is not None:
        parts.append(_call(message.function_call, fresh_id()))
    return parts


def read_call(call: ToolDelta) -> ToolCall:
    """Return a call of a tool, or the beginning of one."""
    id = call.id or fresh_id()
    if call.custom is not None:
        return ToolCall(id, call.custom.name or "", call.custom.input or "", "custom")
    return _call(call.function or Function(), id)


def _call(function: Function, id: str) -> ToolCall:
    given = function.arguments
    arguments = given if isinstance(given, str) else "" if given is None else msgspec.json.encode(given).decode()
    return ToolCall(id, function.name or "", arguments)


def write(answer: Answer, asked: Asked) -> bytes:
    """Return an answer as a chat completion."""
    id, created, model = asked.identity(answer.head, "chatcmpl-")
    usage = asked.usage()
    body: Json = {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": _message(answer),
                "logprobs": None,
                "finish_reason": FINISH[answer.stop],
            }
        ],
    }
    if usage is not None:
        body["usage"] = chat_usage(usage)
    if answer.head.tier:
        body["service_tier"] = answer.head.tier
    return msgspec.json.encode(body)


def _message(answer: Answer) -> Json:
    texts = [part for part in answer.parts if isinstance(part, Text)]
    said = "".join(part.text for part in texts if not part.refusal)
    refused = "".join(part.text for part in texts if part.refusal) or answer.explanation
    calls = [written_call(part) for part in answer.parts if isinstance(part, ToolCall)]
    thoughts = [part for part in answer.parts if isinstance(part, Reasoning)]
    message: Json = {"role": "assistant", "content": said or (None if calls or refused else "")}
    message["refusal"] = refused or None
    thought = "".join(part.text for part in thoughts)
    if thought:
        message["reasoning_content"] = thought
    details = [sealed(part, number) for number, part in enumerate(part for part in thoughts if part.opaque)]
    if details:
        message["reasoning_details"] = details
    if calls:
        message["tool_calls"] = calls
    citations = [annotation for part in texts for annotation in written_citations(part)]
    if citations:
        message["annotations"] = citations
    return message


def sealed(part: Reasoning, number: int) -> Json:
    """Return reasoning in the form that clients give back as it came."""
    if part.text:
        return {"type": "reasoning.text", "text": part.text, "signature": seal(part), "index": number}
    return {"type": "reasoning.encrypted", "data": seal(part), "index": number}


def written_citations(part: Text) -> list[Json]:
    """Return a text's citations as annotations."""
    return [
        {
            "type": "url_citation",
            "url_citation": {"url": one.url, "title": one.title, "start_index": one.start, "end_index": one.end},
        }
        for one in part.citations
    ]


def written_call(call: ToolCall) -> Json:
    """Return a call of a tool."""
    if call.kind == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}


def read_error(data: bytes) -> Failure | None:
    """Return the error that a body has, if it has one in any of the forms that servers use."""
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    error = body.get("error", body)
    if isinstance(error, str):
        return Failure(error)
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    kind, code, param = error.get("type"), error.get("code"), error.get("param")
    return Failure(
        error["message"],
        kind if isinstance(kind, str) else "",
        str(code) if isinstance(code, str | int) else "",
        param if isinstance(param, str) else None,
    )


def write_error(failure: Failure, kind: str) -> Json:
    """Return the body of an error; ``kind`` is its type in OpenAI's words."""
    return {"error": {"message": failure.message, "type": kind, "param": failure.param, "code": failure.code or None}}
