"""Wildcards as gitignore(5) has them, matched in linear time. Pure.

A pattern becomes a list of pieces, and a match carries a set of positions of the
text, as the bits of one integer, from piece to piece. So the work is the number
of pieces times the words of that integer, whatever the pattern: there is no
backtracking. Text is bytes, as in git: ``?`` is one byte of a name.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 4096
"""Bytes of a path; a pattern that needs a longer one never matches."""

_PIECE: Final = re.compile(rb"\*+|\?+|\[|\\.?|[^*?\[\\]+", re.DOTALL)
_MORE_FOLDERS: Final = re.compile(rb"(?:\*\*+/)*")

_LITERAL, _ANY, _CLASS, _STAR, _EVERYTHING, _FOLDERS = range(6)

_UPPER: Final = frozenset(range(0x41, 0x5B))
_LOWER: Final = frozenset(range(0x61, 0x7B))
_DIGIT: Final = frozenset(range(0x30, 0x3A))
_GRAPH: Final = frozenset(range(0x21, 0x7F))
_ALNUM: Final = _UPPER | _LOWER | _DIGIT
_CLASSES: Final = {
    b"alnum": _ALNUM,
    b"alpha": _UPPER | _LOWER,
    b"blank": frozenset(b" \t"),
    b"cntrl": frozenset({*range(0x20), 0x7F}),
    b"digit": _DIGIT,
    b"graph": _GRAPH,
    b"lower": _LOWER,
    b"print": _GRAPH | {0x20},
    b"punct": _GRAPH - _ALNUM,
    b"space": frozenset(b" \t\n\r"),
    b"upper": _UPPER,
    b"xdigit": _DIGIT | frozenset(b"abcdefABCDEF"),
}

_Piece = tuple[int, bytes | int | frozenset[int]]


class NeverMatches(Exception):
    """A pattern is malformed, or needs a path that is too long; such a one matches nothing."""


class Subject:
    """A text to match, with what every pattern wants to know of it."""

    __slots__ = ("_found", "end", "names", "slashes", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.end = 1 << len(text)
        self.slashes = self._bits(b"/") if b"/" in text else 0
        self.names = (self.end - 1) ^ self.slashes
        self._found: dict[bytes, int] = {}

    def _bits(self, literal: bytes) -> int:
        bits, at = 0, self.text.find(literal)
        while at >= 0:
            bits |= 1 << at
            at = self.text.find(literal, at + 1)
        return bits

    def find(self, literal: bytes) -> int:
        """Return the positions where a literal begins."""
        bits = self._found.get(literal)
        if bits is None:
            bits = self._found[literal] = self._bits(literal)
        return bits

    def members(self, wanted: frozenset[int]) -> int:
        """Return the positions of bytes that belong to a class."""
        bits = 0
        for at, byte in enumerate(self.text):
            if byte in wanted:
                bits |= 1 << at
        return bits


class Glob:
    """A compiled pattern.

    Raises:
        NeverMatches: If nothing can match it.
    """

    __slots__ = ("_pieces",)

    def __init__(self, pattern: bytes) -> None:
        self._pieces = tuple(_compile(pattern))

    def matches(self, subject: Subject) -> bool:
        """Say whether the whole text matches."""
        at, names = 1, subject.names
        for kind, value in self._pieces:
            if kind == _LITERAL:
                assert isinstance(value, bytes)
                at = (at & subject.find(value)) << len(value)
            elif kind == _STAR:
                # Adding a bit to a run of ones carries it to the run's end: all that lies between becomes reachable.
                at |= ((at & names) + names) ^ names
            elif kind == _ANY:
                assert isinstance(value, int)
                for _ in range(value):
                    at = (at & names) << 1
            elif kind == _CLASS:
                assert isinstance(value, frozenset)
                at = (at & names & subject.members(value)) << 1
            else:
                after = (subject.end << 1) - (at & -at)  # the first position, and all behind it
                at = after if kind == _EVERYTHING else at | (after & subject.slashes) << 1
            if not at:
                return False
        return bool(at & subject.end)


def _compile(pattern: bytes) -> list[_Piece]:
    pieces: list[_Piece] = []
    least, position = 0, 0
    while position < len(pattern):
        found = _PIECE.match(pattern, position)
        assert found is not None  # the expression covers every byte
        text, start, position = found[0], position, found.end()
        if text[0:1] == b"*":
            position = _add_stars(pieces, pattern, start, position)
            continue
        if text == b"[":
            members, position = _read_class(pattern, position)
            pieces.append((_CLASS, members))
            least += 1
        elif text[0:1] == b"?":
            pieces.append((_ANY, len(text)))
            least += len(text)
        else:
            if text[0:1] == b"\\":
                text = text[1:]
                if not text:
                    raise NeverMatches("a backslash at the end")
            pieces.append((_LITERAL, text))
            least += len(text)
        if least > LONGEST:
            raise NeverMatches("longer than any path")
    return pieces


def _add_stars(pieces: list[_Piece], pattern: bytes, start: int, end: int) -> int:
    """Add what a run of stars means, and return where the pattern goes on."""
    piece: _Piece = (_STAR, 0)
    if end - start > 1 and (start == 0 or pattern[start - 1 : start] == b"/"):
        if end == len(pattern) or pattern.startswith(b"\\/", end):
            piece = (_EVERYTHING, 0)
        elif pattern.startswith(b"/", end):
            piece = (_FOLDERS, 0)
            more = _MORE_FOLDERS.match(pattern, end + 1)
            end = end + 1 if more is None else more.end()
    if not pieces or pieces[-1] != piece:
        pieces.append(piece)
    return end


def _read_class(pattern: bytes, position: int) -> tuple[frozenset[int], int]:
    """Return the members of a bracket expression that begins before ``position``, and where it ends."""
    negative = pattern[position : position + 1] in (b"!", b"^")
    position += negative
    members: set[int] = set()
    previous: int | None = None
    first, close = position, -1
    while position == first or pattern[position : position + 1] != b"]":
        if close < position and (close := pattern.find(b"]", position + (position == first))) < 0:
            raise NeverMatches("a bracket that is not closed")
        if (
            previous is not None
            and pattern[position : position + 1] == b"-"
            and pattern[position + 1 : position + 2] not in (b"", b"]")
        ):
            last, position = _read_member(pattern, position + 1)
            members.update(range(previous, last + 1))
            previous = None
        elif pattern.startswith(b"[:", position) and pattern[close - 1 : close] == b":" and close > position + 2:
            members |= _named_class(pattern[position + 2 : close - 1])
            previous, position = None, close + 1
        else:
            previous, position = _read_member(pattern, position)
            members.add(previous)
    found = frozenset(members)
    return (frozenset(range(256)) - found if negative else found), position + 1


def _read_member(pattern: bytes, position: int) -> tuple[int, int]:
    if pattern[position : position + 1] == b"\\":
        position += 1
    if position >= len(pattern):
        raise NeverMatches("a bracket that is not closed")
    return pattern[position], position + 1


def _named_class(name: bytes) -> frozenset[int]:
    if name not in _CLASSES:
        raise NeverMatches("a class that does not exist")
    return _CLASSES[name]
