"""How many output tokens an answer can have had, where its provider did not say. Pure.

A token stands for at least one byte of text, so the bytes of everything that
was generated bound the tokens from above. Looked at only when a call ends
without usage, so this may be slow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

_GENERATED: Final = frozenset(
    {
        "args",
        "arguments",
        "code",
        "content",
        "delta",
        "input",
        "name",
        "partial_json",
        "reasoning",
        "reasoning_content",
        "refusal",
        "summary",
        "text",
        "thinking",
    }
)
"""Keys under which the dialects put what a model generated."""

_REPEATING: Final = (b".done", b'.completed"', b'"response.created"', b'"response.in_progress"')
"""Events of the Responses stream that say again what deltas have said."""


def bound_output(chunks: Iterable[bytes]) -> int:
    """Return the most output tokens that ``chunks`` of an answer can hold, an event stream or JSON."""
    body = b"".join(chunks)
    if not body:
        return 0
    try:
        return _text_bytes(msgspec.json.decode(body))
    except msgspec.DecodeError:
        events = [line for line in body.splitlines() if line.startswith(b"data:")]
        # What is neither events nor whole is the beginning of an answer: its bytes are more than its tokens.
        return sum(map(_line_bound, events)) if events else len(body)


def _line_bound(line: bytes) -> int:
    data = line[5:].strip()
    if data == b"[DONE]" or any(mark in data[:200] for mark in _REPEATING):
        return 0
    try:
        return _text_bytes(msgspec.json.decode(data))
    except msgspec.DecodeError:
        return len(data)


def _text_bytes(value: object, *, generated: bool = False) -> int:
    match value:
        case str():
            return len(value.encode()) if generated else 0
        case dict():
            return sum(_text_bytes(item, generated=generated or key in _GENERATED) for key, item in value.items())
        case list():
            return sum(_text_bytes(item, generated=generated) for item in value)
        case _:
            return 0
