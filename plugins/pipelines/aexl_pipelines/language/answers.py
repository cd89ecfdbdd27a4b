"""Texts that are JSON: what models, programs and people answer. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_MAYBE_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")


def strip_fence(text: str) -> str:
    """Return what stands between the fences of a Markdown block, if the text is one; else the text, trimmed."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        return text[text.index("\n") : -3].strip()
    return text


def decode_answer(text: str) -> Any:
    """Return the JSON value of an answer; a fence of Markdown around it is no fault. Raises as ``decode_json``."""
    return decode_json(strip_fence(text))


def decode_json(text: str) -> Any:
    """Return a JSON value; its texts are whole (``whole_text``).

    Raises:
        ValueError: If it is no JSON.
        RecursionError: If it is nested too deeply.
    """
    value = json.loads(text)
    if _MAYBE_HALF.search(text) is None:
        return value
    return json.loads(whole_text(json.dumps(value, ensure_ascii=False)))


def whole_text(text: str) -> str:
    """Return a text as UTF-8 can have it.

    Both halves of a surrogate pair become the character that they are; half of one, which JSON can name, and a byte
    that was no text, become U+FFFD, as in everything that we decode.
    """
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
