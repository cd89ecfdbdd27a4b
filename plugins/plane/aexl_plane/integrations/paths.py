"""Paths that callers of the connector ``http`` ask for, held to where they may go. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

from aexl.errors import Invalid

LONGEST: Final = 2000
"""Characters of a path."""

_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_KEPT: Final = "/-._~!$&'()*+,;=:@%"


def clean_path(path: str) -> str:
    """Return a path as it goes into a URL; ``%`` with two digits stays what it is.

    Raises:
        Invalid: If it does not begin with a slash, is too long, or could leave its folder however
            often somebody decodes it: ``.``, ``..``, an empty segment, an escaped slash.
    """
    if not path.startswith("/") or len(path) > LONGEST:
        raise Invalid(f"a path begins with a slash and has at most {LONGEST} characters, not {path[:80]!r}")
    if _ESCAPE.search(path) or "?" in path or "#" in path:
        raise Invalid(f"{path[:80]!r} is no path: put the query into 'query', and write % as %25")
    segments = path[1:].split("/")
    for number, segment in enumerate(segments):
        decoded = segment
        for _ in range(3):
            decoded = unquote(decoded, errors="replace")
        last = number == len(segments) - 1
        if decoded in {".", ".."} or (not decoded and not last) or set(decoded) & {"/", "\\", "\x00", "\ufffd"}:
            raise Invalid(f"{path[:80]!r} has a segment that could lead elsewhere: {segment[:40]!r}")
    return quote(path, safe=_KEPT)


def is_below(path: str, allowed: Sequence[str]) -> bool:
    """Say whether a path is one of the allowed ones, or below one, by whole segments as they are decoded."""
    segments = [unquote(segment) for segment in path.strip("/").split("/")]
    for each in allowed:
        wanted = [segment for segment in each.strip("/").split("/") if segment]
        if segments[: len(wanted)] == wanted:
            return True
    return False
