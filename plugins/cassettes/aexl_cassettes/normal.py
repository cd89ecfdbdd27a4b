"""The normal form of a request: two requests with the same one are the same request. Pure.

Objects are compared without the order of their keys, numbers by value, texts
with what changes from run to run blurred, and without the fields that only say
who is asking.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from aexl_cassettes.requests import Request

IGNORED: Final = (
    "client_metadata",  # Codex: installation, session and turn
    "metadata",
    "prompt_cache_key",  # of a conversation
    "safety_identifier",
    "user",
)
"""Paths of the body that do not count."""

_WEEKDAY: Final = (
    r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d{1,2} )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r"(?: +\d{1,2})?(?: \d{4})?\b"
)

BLURRED: Final = (
    (r"(?i)(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f])", "<uuid>"),
    (
        r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b",
        "<date>",
    ),
    (_WEEKDAY, "<date>"),
    (r"\b\d{2}:\d{2}:\d{2}(?:[.,]\d+)?\b", "<time>"),
    (r"\bChunk ID: [0-9a-f]+", "Chunk ID: <id>"),  # Codex, of a tool's output
    (r"\bWall time: [0-9.]+ seconds", "Wall time: <seconds>"),  # the same
    (r"\bcch=[0-9a-f]+", "cch=<id>"),  # Claude Code, in its first system prompt
)
"""What changes from run to run in a text, and what stands for it."""

_encode: Final = msgspec.json.Encoder(order="sorted").encode


class Rules:
    """How requests are compared.

    Args:
        ignore: Further paths of the body; ``*`` stands for any key or place in a list.
        blur: Further regular expressions.
        headers: Names, in any case, of the headers that count.
    """

    def __init__(self, *, ignore: Iterable[str] = (), blur: Iterable[str] = (), headers: Iterable[str] = ()) -> None:
        self._ignored = [tuple(path.split(".")) for path in (*IGNORED, *ignore)]
        pairs = [*BLURRED, *((pattern, "<blurred>") for pattern in blur)]
        self._blurred = [(re.compile(pattern), text) for pattern, text in pairs]
        self._headers = frozenset(name.lower() for name in headers)

    def normal(self, request: Request) -> dict[str, object]:
        """Return the normal form, a JSON value."""
        return {
            "provider": request.provider,
            "surface": request.surface,
            "method": request.method,
            "path": request.path,
            "model": request.model,
            "query": sorted(map(list, parse_qsl(request.query, keep_blank_values=True))),
            "headers": sorted([name, value] for name, value in request.headers if name in self._headers),
            "body": _normal(request.body, self._ignored, self.blur),
            "files": [[file.field, file.size, file.sha256] for file in request.files],
        }

    def fingerprint(self, request: Request) -> str:
        """Return the SHA-256 of the normal form, hexadecimal."""
        return hashlib.sha256(_encode(self.normal(request))).hexdigest()

    def blur(self, text: str) -> str:
        """Return a text with what changes from run to run replaced."""
        for pattern, replacement in self._blurred:
            text = pattern.sub(replacement, text)
        return text


def _normal(value: object, ignored: Sequence[tuple[str, ...]], blur: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return blur(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        below = _below(ignored, "*")
        return [_normal(item, below, blur) for item in value]
    if isinstance(value, dict):
        left_out = {path[0] for path in ignored if len(path) == 1}
        return {
            name: _normal(item, _below(ignored, name), blur)
            for name, item in value.items()
            if name not in left_out and "*" not in left_out
        }
    return value


def _below(ignored: Sequence[tuple[str, ...]], name: str) -> list[tuple[str, ...]]:
    """Return what is left of the paths that lead through a name."""
    return [path[1:] for path in ignored if len(path) > 1 and path[0] in (name, "*")]
