"""In which line of a TOML file a key stands.

``tomllib`` reads values without positions, and a person needs the line. This
looks only when something is wrong, and knows as much of TOML as headers and
keys need: a key inside an inline table is found at the line of the table.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

_HEADER = re.compile(r"^\s*\[\[?\s*(?P<path>[^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*(?P<path>(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)


def find_line(text: str, path: tuple[str, ...]) -> int | None:
    """Return the line, counted from 1, of the longest prefix of ``path`` that the text sets."""
    best: tuple[int, int] | None = None
    for line, found in _keys(text):
        shared = _shared(found, path)
        if shared == len(found) or shared == len(path):
            depth = min(shared, len(path))
            if depth and (best is None or depth > best[0]):
                best = depth, line
    return best[1] if best else None


def _keys(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header["path"])
            yield number, table
        elif key := _KEY.match(line):
            yield number, table + _parts(key["path"])


def _parts(path: str) -> tuple[str, ...]:
    """Split a dotted key the way TOML does."""
    try:
        value: object = tomllib.loads(f"{path} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts: list[str] = []
    while isinstance(value, dict):
        key, value = next(iter(value.items()))
        parts.append(key)
    return tuple(parts)


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
