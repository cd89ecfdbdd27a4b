"""The headers that tell a client how much it has left, in its own dialect."""

from __future__ import annotations

import time
from typing import Final

from aexl.api import Headers, Limits, Surface
from aexl_policy.rates.durations import go_duration, rfc3339
from aexl_policy.rates.windows import Usage

_Names = tuple[bytes, bytes, bytes]


def _names(kind: bytes) -> tuple[_Names, _Names]:
    own = (b"x-ratelimit-limit-" + kind, b"x-ratelimit-remaining-" + kind, b"x-ratelimit-reset-" + kind)
    start = b"anthropic-ratelimit-" + kind
    return own, (start + b"-limit", start + b"-remaining", start + b"-reset")


_REQUESTS: Final = _names(b"requests")
_TOKENS: Final = _names(b"tokens")


def rate_headers(surface: Surface, usage: Usage, limits: Limits, now: float) -> Headers:
    """Return ``x-ratelimit-*``, and on the messages dialect ``anthropic-ratelimit-*`` as well, for the limits there are.

    ``reset`` is when all of a limit is there again, not when the next place is free.
    """
    headers: list[tuple[bytes, bytes]] = []
    if limits.rpm is not None:
        left = limits.rpm - usage.requests.count(now)
        _add(headers, surface, _REQUESTS, limits.rpm, left, usage.requests.clear_at(now) - now)
    if limits.tpm is not None:
        left = limits.tpm - usage.tokens.count(now)
        _add(headers, surface, _TOKENS, limits.tpm, left, usage.tokens.clear_at(now) - now)
    return headers


def _add(
    headers: list[tuple[bytes, bytes]],
    surface: Surface,
    names: tuple[_Names, _Names],
    limit: int,
    left: int,
    seconds: float,
) -> None:
    most, rest = b"%d" % limit, b"%d" % max(left, 0)
    own, anthropic = names
    headers += ((own[0], most), (own[1], rest), (own[2], go_duration(seconds).encode()))
    if surface == "messages":
        reset = rfc3339(time.time() + seconds).encode()
        headers += ((anthropic[0], most), (anthropic[1], rest), (anthropic[2], reset))
