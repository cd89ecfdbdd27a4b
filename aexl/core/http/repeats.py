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

    __slots__ = ("_around", "_digits", "_head", "_limits")

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._around: tuple[bytes, bytes] | None = None
        self._digits = b""
        self._head: Head | None = None

    def read(self, data: bytes) -> Head:
        """Return a head that ends with its empty line.

        Raises:
            Refusal: See ``parse_head``.
        """
        found = _LENGTH.search(data)
        if found is None or len(data) > LONGEST:
            return parse_head(data, self._limits)
        start, end = found.span(1)
        around = data[:start], data[end:]
        digits = data[start:end]
        if around == self._around and self._head is not None:
            if digits != self._digits:
                self._head = _resized(self._head, digits, self._limits)
                self._digits = digits
            return self._head
        head = parse_head(data, self._limits)
        self._around, self._digits, self._head = around, digits, head
        return head


def _resized(head: Head, digits: bytes, limits: ServerLimits) -> Head:
    length = int(digits)
    if length > limits.body_bytes:
        raise body_too_large(limits).of(head.method, head.path)
    headers = [(name, digits) if name == b"content-length" else (name, value) for name, value in head.headers]
    return msgspec.structs.replace(head, headers=headers, length=length)
