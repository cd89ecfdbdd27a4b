"""What kind of failure it is, by the HTTP status and by what the message says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aexl.api.runners import ErrorKind, RunnerError

_BY_STATUS: Final[Mapping[int, ErrorKind]] = {
    401: "auth",
    402: "budget",
    403: "policy",
    404: "model",
    423: "policy",
    429: "rate",
}

_WORDS: Final[tuple[tuple[str, ErrorKind], ...]] = (
    # What aexl's own refusals say: a CLI often passes on nothing but the sentence.
    (r"budget of \S+ has|insufficient_budget|insufficient balance|max.?budget", "budget"),
    (r"this agent may not|not (?:on|in) the (?:allow|list)|is paused|is quarantined|is frozen", "policy"),
    (r"there is no model|model.{0,40}not found|unknown model|model_not_found", "model"),
    (r"not logged in|invalid api key|incorrect api key|authenticat|unauthorized|no key found|api key", "auth"),
    (r"rate.?limit|too many requests|quota", "rate"),
    (r"session.{0,80}(?:not found|already in use|does not exist)|no (?:conversation|rollout|session)", "session"),
    (r"overloaded|connection|timed out|timeout|unreachable|server error|bad gateway", "provider"),
)
"""Tried in this order; the first two outweigh a status, because a CLI's surface may have mapped it."""

_BY_WORDS: Final = tuple((re.compile(words, re.IGNORECASE), kind) for words, kind in _WORDS)


def classify(message: str, status: int | None = None) -> RunnerError:
    """Return the error that a CLI reports."""
    return RunnerError(kind=_kind(message, status), message=message or "it failed, and said nothing", status=status)


def _kind(message: str, status: int | None) -> ErrorKind:
    for words, kind in _BY_WORDS[:2]:
        if words.search(message):
            return kind
    if status is not None and status in _BY_STATUS:
        return _BY_STATUS[status]
    if status is not None and status >= 500:
        return "provider"
    return next((kind for words, kind in _BY_WORDS[2:] if words.search(message)), "other")
