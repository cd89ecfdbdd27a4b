"""The dialects, and the paths at which they count tokens; all that is needed before the first translated call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Dialect = Literal["chat", "responses", "messages", "gemini"]

COUNTING: Final[tuple[Dialect, ...]] = ("responses", "messages", "gemini")
"""The dialects that can count tokens without answering; also the order in which one is chosen."""

_PLACES: Final[Mapping[str, Dialect]] = {
    "/responses/input_tokens": "responses",
    "/messages/count_tokens": "messages",
}
_METHOD: Final = ":countTokens"


def dialect_of(path: str) -> Dialect | None:
    """Return the dialect of a call to count tokens."""
    return "gemini" if path.endswith(_METHOD) else _PLACES.get(path)


def place_of(dialect: Dialect, model: str) -> str:
    """Return the path at which a dialect counts."""
    if dialect == "gemini":
        return f"/models/{model}{_METHOD}"
    return next(path for path, known in _PLACES.items() if known == dialect)
