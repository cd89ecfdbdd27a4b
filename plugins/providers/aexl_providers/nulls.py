"""Taking ``"usage":null`` out of an event that was only given it because aexl asked for the usage."""

from __future__ import annotations

import re
from typing import Final

_NULL: Final = re.compile(rb"\s*:\s*null\b")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BACKSLASH: Final = 0x5C
_COMMA: Final = 0x2C


def strip_null_usage(raw: bytes) -> bytes:
    """Return an event without the ``"usage":null`` of its outermost object, nothing else changed.

    A quote that no backslash precedes begins or ends a string, and after one that
    ends a string no letter can follow; so the word in such quotes is a key, or a value, never text.
    """
    start = raw.find(b'"usage"')
    while start >= 0:
        value = _NULL.match(raw, start + 7)
        if value is not None and raw[start - 1] != _BACKSLASH and _is_outermost(raw, start, value.end()):
            return _without(raw, start, value.end())
        start = raw.find(b'"usage"', start + 7)
    return raw


def _without(raw: bytes, start: int, end: int) -> bytes:
    """Return the event without a member of its object, and without one of the commas beside it."""
    if raw[start - 1] == _COMMA:
        return raw[: start - 1] + raw[end:]
    before = raw[:start].rstrip(b" \t\r\n")
    if before.endswith(b","):
        return before[:-1] + raw[end:]
    after = raw[end:].lstrip(b" \t\r\n")
    return raw[:start] + after[1:].lstrip(b" \t\r\n") if after.startswith(b",") else raw[:start] + raw[end:]


def _is_outermost(raw: bytes, start: int, end: int) -> bool:
    # What is open at the key must still be closed: exactly one brace left means one object open.
    if raw.count(b"}", end) == 1:
        return True
    opened = _STRING.sub(b"", raw[:start])
    return opened.count(b"{") - opened.count(b"}") == 1 and opened.count(b"[") == opened.count(b"]")
