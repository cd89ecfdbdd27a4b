"""Reading values of which nothing is certain: what has the wrong type counts as not there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from aexl.api.money import MAX_AMOUNT, NANOS

_NOTHING: Final[Mapping[str, object]] = {}


def text_of(values: Mapping[str, object], key: str) -> str:
    """Return a string, or an empty one."""
    value = values.get(key)
    return value if isinstance(value, str) else ""


def name_of(values: Mapping[str, object], key: str) -> str | None:
    """Return a string that is not empty, or ``None``."""
    return text_of(values, key) or None


def table_of(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Return an object, or an empty one."""
    value = values.get(key)
    return value if isinstance(value, dict) else _NOTHING


def tables_of(value: object) -> Iterator[Mapping[str, object]]:
    """Yield the objects among the items of an array."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def count_of(values: Mapping[str, object], key: str) -> int:
    """Return a number of tokens: whole, and not negative."""
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def whole_of(values: Mapping[str, object], key: str) -> int | None:
    """Return a whole number, or ``None``."""
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def nanos_of(value: object) -> int | None:
    """Return nano-dollars for USD as a CLI counts them, a JSON number; ``None`` for what is no amount.

    The nearest one: sums of floats have crumbs at their end.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return None
    nanos = round(Decimal(repr(value)) * NANOS)
    return nanos if nanos <= MAX_AMOUNT else None


_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def without_colours(text: str) -> str:
    """Return text without the codes that colour it on a terminal."""
    return _COLOUR.sub("", text)
