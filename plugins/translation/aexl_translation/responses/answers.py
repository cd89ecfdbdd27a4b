"""Whole answers and errors of Responses, read and written."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl_translation.answer import Answer, AnswerPart, Failure, Head, Stop
from aexl_translation.asked import Asked
from aexl_translation.consumption import responses_usage
from aexl_translation.opaque import seal
from aexl_translation.parts import Broken, decode
from aexl_translation.pivot import Citation, Reasoning, Text, ToolCall
from aexl_translation.responses.wire import Content, Item, Response
from aexl_translation.values import read_citation
from aexl_translation.writing import object_of

_DECODER: Final = msgspec.json.Decoder(Response)
_INCOMPLETE: Final[dict[Stop, str]] = {
    "length": "max_output_tokens",
    "context": "max_output_tokens",
    "filter": "content_filter",
    "refusal": "content_filter",
}
Json = dict[str, object]


def read(data: bytes) -> Answer:
    """Return what an answer says.

    Raises:
        Broken: If it is none, or one that failed.
    """
    response = decode(_DECODER, data, "answer is no response")
    if response.status == "failed":
        raise Broken(f"its answer failed: {failure_of(response).message}")
    parts = [part for item in response.output for part in parts_of(item)]
    return Answer(head_of(response), parts, stop_of(response, parts))


def head_of(response: Response) -> Head:
    """Return what a response says of itself."""
    created = response.created_at
    time = int(created) if isinstance(created, int | float) else 0
    return Head(response.id or "", response.model or "", time, response.service_tier or "")


def failure_of(response: Response) -> Failure:
    """Return why a response failed."""
    error = response.error if isinstance(response.error, dict) else {}
    message, code = error.get("message"), error.get("code")
    return Failure(
        message if isinstance(message, str) else "the provider failed", "", code if isinstance(code, str) else ""
    )


def stop_of(response: Response, parts: list[AnswerPart]) -> Stop:
    """Return why a response ended."""
    if response.status == "incomplete":
        details = response.incomplete_details if isinstance(response.incomplete_details, dict) else {}
        return "filter" if details.get("reason") == "content_filter" else "length"
    if any(isinstance(part, ToolCall) for part in parts):
        return "tool"
    return "refusal" if any(isinstance(part, Text) and part.refusal for part in parts) else "end"


def parts_of(item: Item) -> list[AnswerPart]:
    """Return what an item says; nothing for one that only a refused tool could bring."""
    if item.type == "message":
        return [
            Text(content.refusal or content.text or "", refusal=content.type == "refusal", citations=cited(content))
            for content in item.content or ()
        ]
    if item.type == "reasoning":
        return [reasoning_of(item)]
    call = call_of(item)
    return [] if call is None else [call]


def reasoning_of(item: Item) -> Reasoning:
    """Return an item of reasoning."""
    shown = item.summary or item.content or []
    text = "\n\n".join(content.text or "" for content in shown)
    return Reasoning("responses", text, item.encrypted_content or "", item.id or "")


def call_of(item: Item) -> ToolCall | None:
    """Return a call of the client's tool, or ``None`` if the item is none."""
    id = item.call_id or item.id or ""
    if item.type == "function_call":
        return ToolCall(id, item.name or "", item.arguments or "")
    if item.type == "custom_tool_call":
        return ToolCall(id, item.name or "", item.input or "", "custom")
    return None


def cited(content: Content) -> list[Citation]:
    """Return the web pages that a text rests on."""
    found = []
    for note in content.annotations if isinstance(content.annotations, list) else ():
        if isinstance(note, dict) and note.get("type") == "url_citation":
            citation = read_citation(note)
            if citation is not None:
                found.append(citation)
    return found


def write(answer: Answer, asked: Asked) -> bytes:
    """Return an answer as a response."""
    output = [written(part, asked, number) for number, part in enumerate(answer.parts)]
    return msgspec.json.encode(response(asked, answer.head, answer.stop, output))


def response(asked: Asked, head: Head, stop: Stop | None, output: list[Json]) -> Json:
    """Return a response object; one that is in progress has no ``stop`` yet."""
    id, created, model = asked.identity(head, "resp_")
    why = _INCOMPLETE.get(stop) if stop is not None else None
    usage = asked.usage() if stop is not None else None
    status = "in_progress" if stop is None else "failed" if stop == "failed" else "incomplete" if why else "completed"
    body: Json = {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": why} if why else None,
        "model": model,
        "output": output,
        **asked.echo,
        "previous_response_id": None,
        "store": False,
        "usage": None if usage is None else responses_usage(usage),
    }
    if head.tier:
        body["service_tier"] = head.tier
    return body


def item_id(part: AnswerPart, asked: Asked, number: int) -> str:
    """Return the id of an item of the answer."""
    if isinstance(part, Text):
        return f"msg_{asked.id}_{number}"
    if isinstance(part, Reasoning):
        return f"rs_{asked.id}_{number}"
    prefix = {"function": "fc", "custom": "ctc", "search": "tsc"}[part.kind]
    return f"{prefix}_{asked.id}_{number}"


def written(part: AnswerPart, asked: Asked, number: int, status: str = "completed") -> Json:
    """Return a part as an item of the output."""
    id = item_id(part, asked, number)
    if isinstance(part, Text):
        content = [written_text(part)]
        return {"id": id, "type": "message", "status": status, "role": "assistant", "content": content}
    if isinstance(part, Reasoning):
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        return {"id": id, "type": "reasoning", "summary": summary, "encrypted_content": seal(part)}
    if part.kind == "search":
        return {
            "id": id,
            "type": "tool_search_call",
            "call_id": part.id,
            "execution": "client",
            "status": status,
            "arguments": object_of(part.arguments),
        }
    call: Json = {"id": id, "type": "function_call", "status": status, "call_id": part.id, "name": part.name}
    if part.namespace:
        call["namespace"] = part.namespace
    if part.kind == "custom":
        return {**call, "type": "custom_tool_call", "input": part.arguments}
    return {**call, "arguments": part.arguments or "{}"}


def written_text(part: Text) -> Json:
    """Return a text as a part of a message's content."""
    if part.refusal:
        return {"type": "refusal", "refusal": part.text}
    return {"type": "output_text", "text": part.text, "annotations": written_citations(part), "logprobs": []}


def written_citations(part: Text) -> list[Json]:
    """Return a text's citations as annotations."""
    return [
        {"type": "url_citation", "url": one.url, "title": one.title, "start_index": one.start, "end_index": one.end}
        for one in part.citations
    ]
