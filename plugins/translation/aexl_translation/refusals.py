"""Saying that something cannot be translated, and reading values that may be of a wrong type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from aexl.errors import AexlError

_SHOWN: Final = 60


class Untranslatable(AexlError):
    """A request has something that cannot be said in the provider's dialect.

    Args:
        reason: A sentence that names the field and says what to do.
        param: The field.
    """

    def __init__(self, reason: str, param: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.param = param


def show(value: object) -> str:
    """Return a value as JSON for a message, cut where it is long."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def wrong(value: object, what: str, param: str) -> Untranslatable:
    """Return the refusal of a value of a wrong type."""
    return Untranslatable(f"{param} must be {what}, not {show(value)}", param)


def as_object(value: object, param: str) -> Mapping[str, object]:
    """Return a JSON object."""
    if isinstance(value, dict):
        return value
    raise wrong(value, "an object", param)


def as_list(value: object, param: str) -> Sequence[object]:
    """Return a JSON array; ``null`` is an empty one."""
    if value is None:
        return ()
    if isinstance(value, list):
        return value
    raise wrong(value, "a list", param)


def as_text(value: object, param: str) -> str:
    """Return a string; ``null`` is an empty one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise wrong(value, "a string", param)


def as_flag(value: object, param: str) -> bool | None:
    """Return a boolean or ``None``."""
    if value is None or isinstance(value, bool):
        return value
    raise wrong(value, "true or false", param)


def as_count(value: object, param: str) -> int | None:
    """Return a whole number or ``None``."""
    if value is None or type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise wrong(value, "a whole number", param)


def as_number(value: object, param: str) -> float | None:
    """Return a number or ``None``."""
    if value is None or type(value) is float or type(value) is int:
        return value
    raise wrong(value, "a number", param)
