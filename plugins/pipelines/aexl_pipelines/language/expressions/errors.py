"""What can be wrong with an expression, and where in it."""

from __future__ import annotations

from aexl.errors import AexlError


class ExpressionError(AexlError):
    """An expression, a condition or a template cannot be read.

    Attributes:
        offset: The character, from 0, at which it goes wrong.
        suggestion: What to write instead, or an empty text.
    """

    def __init__(self, message: str, offset: int, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


class Unresolved(AexlError):
    """A name stands for nothing now; the message has the name in it."""


class NotComparable(AexlError):
    """Two values were given an order that they do not have."""
