"""Lists of names with ``*``, ``?`` and ``[…]``, as one compiled pattern."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable


class Globs:
    """Tells whether a name is on a list of globs; case counts.

    Args:
        patterns: As in ``gpt-*``; an empty list contains nothing.
    """

    __slots__ = ("_pattern", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        self._pattern = re.compile("|".join(map(fnmatch.translate, self.patterns)) or r"(?!)")

    def __contains__(self, name: str) -> bool:
        return self._pattern.match(name) is not None

    def __str__(self) -> str:
        return ", ".join(self.patterns) or "nothing"
