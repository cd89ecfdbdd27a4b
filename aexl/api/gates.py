"""Questions to people, as the role ``Gates`` takes and answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person approves or rejects.

    Attributes:
        id: Up to 64 letters, digits, ``-`` and ``_``; nobody else's. Asked again with the same words, it is the same.
        subject: A few words for what it is about.
        text: What is asked, in a sentence.
        detail: What else a person should see, by name.
        asked: Since when, in Unix seconds.
    """

    id: str
    subject: str
    text: str
    detail: Mapping[str, Any] = {}
    asked: float


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question; ``by`` is as people read it."""

    choice: Literal["approve", "reject"]
    by: str
    reason: str = ""
