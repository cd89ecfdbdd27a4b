"""A connection's heads, most of which say what the one before said. Pure.

A client repeats its head from request to request, but for the length of the body.
Parsing is a good part of what a small request costs, so the last head is kept, and
one with the same bytes around its ``content-length`` is not parsed again: it has
passed every check there is, but for the limit of the body.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from aexl.core.http.head import Head, body_too_large, parse_head
from aexl.core.http.limits import ServerLimits

LONGEST: Final = 4096
"""Bytes of a head that is kept; every connection keeps one."""

_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,18})\r\n")


class Repeats:
    """Reads the heads of one connection."""

    __slots__ = ("_digits", "_end", "_head", "_limits", "_start")

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._head: Head | None = None
        self._start = self._digits = self._end = b""

    def read(self, data: bytes) -> Head:
        """Return a head that ends with its empty line.

        Raises:
            Refusal: See ``parse_head``.
        """
        if self._head is not None and data.startswith(self._start) and data.endswith(self._end):
            digits = data[len(self._start) : len(data) - len(self._end)]
            if digits == self._digits:
                return self._head
            if digits.isdigit() and len(digits) <= 18:
                self._head = _resized(self._head, digits, self._limits)
                self._digits = digits
                return self._head
        head = parse_head(data, self._limits)
        found = _LENGTH.search(data)
        if found is not None and len(data) <= LONGEST:
            start, end = found.span(1)
            self._start, self._digits, self._end, self._head = data[:start], data[start:end], data[end:], head
        return head


def _resized(head: Head, digits: bytes, limits: ServerLimits) -> Head:
    length = int(digits)
    if length > limits.body_bytes:
        raise body_too_large(limits).of(head.method, head.path)
    headers = [(name, digits) if name == b"content-length" else (name, value) for name, value in head.headers]
    return msgspec.structs.replace(head, headers=headers, length=length)
