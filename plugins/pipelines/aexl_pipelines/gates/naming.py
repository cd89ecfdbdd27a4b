"""What gates are called: short, and found by their beginning. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Final

from aexl.errors import Conflict, NotFound

LENGTH: Final = 8
"""Characters of an id: 40 bits, so that ten thousand gates of a home have the same one with a chance of 1 in 20,000."""


def gate_id(unique: str) -> str:
    """Return a gate's id, made of anything that nothing else has."""
    return base64.b32encode(hashlib.sha256(unique.encode()).digest())[:LENGTH].decode().lower()


def complete(beginning: str, known: Iterable[str]) -> str:
    """Return the one id that begins like this.

    Raises:
        NotFound: If there is none.
        Conflict: If there are several; names them.
    """
    wanted = beginning.strip().lower()
    found = sorted({each for each in known if each.startswith(wanted)}) if wanted else []
    if wanted in found:
        return wanted
    if not found:
        raise NotFound(f"there is no gate {beginning[:40]!r}; 'aexl pipeline gates --all' lists them")
    if len(found) > 1:
        names = ", ".join(found[:8])
        raise Conflict(f"{len(found)} gates begin with {beginning[:40]!r}: {names}; write more of the id")
    return found[0]
