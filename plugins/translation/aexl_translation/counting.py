"""Counting tokens without answering: what is asked, and how each dialect says how many there are."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl_translation.dialects import Dialect
from aexl_translation.parts import Broken

_UNCOUNTED: Final = ("stream", "store", "include", "metadata", "safety_identifier", "stop_sequences", "temperature")
"""What a request of an answer may have and one of a count may not."""


def countable(dialect: Dialect, body: dict[str, object], model: str) -> dict[str, object]:
    """Return the body of a count, made of the body of a request of an answer."""
    if dialect == "gemini":
        asked = {name: value for name, value in body.items() if name != "generationConfig"}
        return {"generateContentRequest": {"model": f"models/{model}", **asked}}
    return {name: value for name, value in body.items() if name not in (*_UNCOUNTED, "top_p", "top_k")}


def read_count(data: bytes) -> int:
    """Return how many tokens an answer says there are.

    Raises:
        Broken: If it says nothing of the kind.
    """
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Broken(f"its count is no JSON: {error}") from error
    for name in ("input_tokens", "totalTokens"):
        count = body.get(name) if isinstance(body, dict) else None
        if type(count) is int:
            return count
    raise Broken("its count has no number of tokens")


def write_count(dialect: Dialect, count: int) -> bytes:
    """Return the answer that says how many tokens there are."""
    if dialect == "gemini":
        return msgspec.json.encode({"totalTokens": count})
    kind = {"object": "response.input_tokens"} if dialect == "responses" else {}
    return msgspec.json.encode({**kind, "input_tokens": count})
