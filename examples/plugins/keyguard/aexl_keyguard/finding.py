"""Finding keys in the bytes of a request. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

KNOWN: Final[Mapping[str, str]] = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{82})",
    "a Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "a Stripe key": r"\b[rs]k_live_[0-9A-Za-z]{16,}",
    "an aexl token": r"\baexl_[0-9a-z]+_[0-9A-Za-z_-]{20,}",
}
"""Keys that tell themselves by their shape, so that ordinary text is never taken for one."""


class Finder:
    """Looks for all patterns in one pass over the text.

    Args:
        patterns: What each thing is called in a sentence, and its regular expression.

    Raises:
        ValueError: If an expression cannot be compiled; names it.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        for name, pattern in patterns.items():
            try:
                re.compile(pattern.encode())
            except re.error as error:
                raise ValueError(f"{name!r} is not a regular expression: {error}") from error
        # Outer groups are found by counting, because the patterns may have groups of their own.
        self._names: dict[int, str] = {}
        group = 1
        for name, pattern in patterns.items():
            self._names[group] = name
            group += re.compile(pattern.encode()).groups + 1
        self._all = re.compile(b"|".join(b"(%b)" % pattern.encode() for pattern in patterns.values()))

    def find(self, data: bytes) -> str | None:
        """Return what the first thing found is called."""
        found = self._all.search(data)
        return None if found is None else next(name for group, name in self._names.items() if found[group] is not None)
