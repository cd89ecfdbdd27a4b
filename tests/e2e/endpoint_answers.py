"""What the model server says at the endpoints beside conversations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Events = list[tuple[str | None, dict[str, object] | str]]


def read_form(content_type: str, body: bytes) -> dict[str, str] | None:
    """Return the fields of a form; ``None`` if it is none."""
    if not content_type.startswith("multipart/form-data"):
        return None
    fields = re.findall(
        rb'name="([^"]+)"(?:; filename="[^"]*")?[^\r]*\r\n(?:[^\r]+\r\n)*\r\n(.*?)\r\n--', body, re.DOTALL
    )
    return {name.decode(): value.decode("latin-1") for name, value in fields}


def _completion(handler: Any) -> dict[str, object]:
    given, made = handler.tokens
    usage = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}
    choice = {"index": 0, "text": "The quick brown fox.", "logprobs": None, "finish_reason": "stop"}
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1700000000, "model": handler.model}
    return {**head, "choices": [choice], "usage": usage}


def _completion_events(handler: Any) -> Events:
    whole = _completion(handler)
    usage = whole.pop("usage")
    words = [{"index": 0, "text": word, "logprobs": None, "finish_reason": None} for word in ("The ", "fox.")]
    chunks: Events = [(None, {**whole, "choices": [word], "usage": None}) for word in words]
    return [*chunks, (None, {**whole, "choices": [], "usage": usage}), (None, "[DONE]")]


def _embeddings(handler: Any) -> dict[str, object]:
    asked = handler.request_body["input"]
    count = len(asked) if isinstance(asked, list) else 1
    data = [{"object": "embedding", "index": index, "embedding": [0.5, 0.25]} for index in range(count)]
    usage = {"prompt_tokens": handler.tokens[0], "total_tokens": handler.tokens[0]}
    return {"object": "list", "data": data, "model": handler.model, "usage": usage}


def _moderations(handler: Any) -> dict[str, object]:
    result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    return {"id": "modr-1", "model": handler.model, "results": [result]}


def _images(handler: Any) -> dict[str, object]:
    count = int(handler.request_body.get("n", 1))
    answer: dict[str, object] = {"created": 1700000000, "data": [{"b64_json": "aW1n"}] * count}
    if "tokens" in handler.traits:
        given, made = handler.tokens
        details = {"text_tokens": given - 4, "image_tokens": 4}
        answer["usage"] = {"input_tokens": given, "output_tokens": made, "total_tokens": given + made,
                           "input_tokens_details": details}  # fmt: skip
    return answer


def _transcription(handler: Any) -> object:
    kind = handler.request_body.get("response_format", "json")
    if kind == "text":
        return "The quick brown fox."
    if kind == "verbose_json":
        return {"task": "transcribe", "language": "english", "duration": 2.3, "text": "The quick brown fox."}
    return {"text": "The quick brown fox.", "usage": {"type": "duration", "seconds": 3}}


def _transcript_events(handler: Any) -> Events:
    given, made = handler.tokens
    usage = {"type": "tokens", "input_tokens": given, "output_tokens": made, "total_tokens": given + made,
             "input_token_details": {"text_tokens": 0, "audio_tokens": given}}  # fmt: skip
    text = "The quick brown fox."
    return [
        (None, {"type": "transcript.text.delta", "delta": text}),
        (None, {"type": "transcript.text.done", "text": text, "usage": usage}),
    ]


ANSWERS: Mapping[str, Callable[[Any], object]] = {
    "/v1/completions": _completion,
    "/v1/embeddings": _embeddings,
    "/v1/moderations": _moderations,
    "/v1/images/generations": _images,
    "/v1/images/edits": _images,
    "/v1/images/variations": _images,
    "/v1/audio/transcriptions": _transcription,
    "/v1/audio/translations": _transcription,
}
EVENTS: Mapping[str, Callable[[Any], Events]] = {
    "/v1/completions": _completion_events,
    "/v1/audio/transcriptions": _transcript_events,
}
