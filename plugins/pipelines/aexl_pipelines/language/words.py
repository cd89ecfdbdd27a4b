"""Which parts of the description of the language can be asked for. Pure."""

from __future__ import annotations

import re
from typing import Final

PARTS: Final = ("prose", "compact", "core", "runner", "schema")
_AIL_SECTION: Final = re.compile(r"[sr][0-9]{2}")


def is_part(word: str) -> bool:
    """Say whether a word names a part: one of ours, or a section of ail's as ``s05`` or ``r02``."""
    return word in PARTS or _AIL_SECTION.fullmatch(word) is not None
