"""The bytes of a response's head. Pure: no loop, no sockets."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

import msgspec


class _StatusLines(dict[int, bytes]):
    """Status lines by code, without the CRLF; a code without a standard phrase gets an empty one."""

    def __missing__(self, status: int) -> bytes:
        if not 200 <= status <= 999:
            raise ValueError(f"a response cannot have the status {status!r}")
        return b"HTTP/1.1 %d " % status


STATUS_LINES: Final = _StatusLines(
    {int(status): f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus if status >= 200}
)


class _Kind(Enum):
    PLAIN = auto()
    LENGTH = auto()
    CONNECTION = auto()
    DATE = auto()
    DROPPED = auto()


_SPECIAL: Final = {
    b"content-length": _Kind.LENGTH,
    b"connection": _Kind.CONNECTION,
    b"date": _Kind.DATE,
    # Framing is the server's own business (ASGI, "Response Start"); the others are one connection's (RFC 9110, 7.6.1).
    b"transfer-encoding": _Kind.DROPPED,
    b"keep-alive": _Kind.DROPPED,
    b"proxy-connection": _Kind.DROPPED,
    b"upgrade": _Kind.DROPPED,
}
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NAMES_KEPT: Final = 1024  # seen; an application that invents names must not fill memory
_starts: dict[bytes, bytes] = {}
_special: dict[bytes, _Kind] = {}
# As numbers: to look for a number in bytes is several times as quick as for bytes.
_CR, _LF, _NUL = b"\r\n\0"


def _start(name: bytes) -> bytes:
    return b"\r\n%b: " % name


def _learn(name: bytes) -> _Kind:
    # applications are not type-checked: a name may be a string after all
    if not isinstance(name, bytes) or _TOKEN.fullmatch(name) is None:  # type: ignore[redundant-expr]  # see above
        raise ValueError(f"{name!r} is not a valid header name")
    kind = _SPECIAL.get(name.lower(), _Kind.PLAIN)
    if len(_starts) + len(_special) < _NAMES_KEPT:
        if kind is _Kind.PLAIN:
            _starts[name] = _start(name)
        else:
            _special[name] = kind
    return kind


class ResponseFields(msgspec.Struct, frozen=True, gc=False):
    """What an application said in its response start, checked and encoded."""

    lines: bytes
    """The header lines, each after a CRLF of its own, without content-length and connection."""
    length: int | None
    """The announced content-length."""
    close: bool
    """Whether the application asked for ``Connection: close``."""


def encode_fields(headers: Iterable[tuple[bytes, bytes]]) -> ResponseFields:
    """Check and encode an application's response headers, adding ``Date``.

    Raises:
        ValueError: If a name is no token, a value holds CR, LF or NUL, or the
            content-length is not one number.
    """
    parts: list[bytes] = []
    length: int | None = None
    close = dated = False
    for name, value in headers:
        start = _starts.get(name)
        if start is None:
            kind = _special.get(name) or _learn(name)
            if kind is _Kind.LENGTH:
                length = _merge_length(length, value)
                continue
            if kind is _Kind.CONNECTION:
                close = close or b"close" in value.lower()
                continue
            if kind is _Kind.DROPPED:
                continue
            dated = dated or kind is _Kind.DATE
            start = _start(name)
        parts.append(start)
        parts.append(value)
    values = b"".join(parts[1::2])
    if _CR in values or _LF in values or _NUL in values:
        raise ValueError(f"a header value must not hold CR, LF or NUL: {values!r}")
    if not dated:
        parts.append(date_line())
    return ResponseFields(b"".join(parts), length, close)


def _merge_length(length: int | None, value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise ValueError(f"{value!r} is not a valid content-length")
    if length is not None and length != int(value):
        raise ValueError(f"two different values of content-length: {length} and {int(value)}")
    return int(value)


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_date: tuple[int, bytes] = (0, b"")


def date_line() -> bytes:
    """Return the ``Date`` header line after its CRLF, made once a second."""
    global _date  # noqa: PLW0603  # one small cache for the process
    now = int(time.time())
    if _date[0] != now:
        _date = (now, b"\r\ndate: %b" % format_date(now).encode())
    return _date[1]


def format_date(seconds: int) -> str:
    """Return a time since the epoch as HTTP writes it (RFC 9110, 5.6.7), whatever the locale."""
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(seconds)
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
