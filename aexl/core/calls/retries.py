"""Whether a call that failed may be tried again, where, and when. Pure.

Nothing is tried again once a byte of an answer was passed on. What a provider
answered itself is no reason to doubt it: a request that it calls wrong is wrong
anywhere, so only its own troubles lead elsewhere.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

from aexl.api import Ending, Headers
from aexl.core.calls.settlement import Course
from aexl.errors import ProviderFailed

BACKOFF: Final = 0.5
"""Seconds before the second round, at most; twice that before the third, and so on."""

LONGEST_BACKOFF: Final = 8.0

_TARGETS_OWN: Final = frozenset({401, 402, 403, 404})
"""A key, an account or a model that this target does not have; another may."""

_PASSING: Final = frozenset({408, 409, 425, 429})
"""What may be different a moment later; so may every status from 500 on."""

_HOPELESS: Final = frozenset({"upstream_too_large"})


class Next(enum.Enum):
    """What may follow a failed attempt."""

    NOTHING = enum.auto()
    ELSEWHERE = enum.auto()
    ANYWHERE = enum.auto()


def judge(course: Course) -> Next:
    """Return what may follow an attempt of which nothing was passed on."""
    failure = course.failure
    match course.ending:
        case Ending.UNSENT:
            lasting = isinstance(failure, ProviderFailed) and failure.lasting
            return Next.ELSEWHERE if lasting else Next.ANYWHERE
        case Ending.REJECTED:
            return _judge_status(course.reply.status if course.reply is not None else 500)
        case Ending.LOST | Ending.CUT:
            if failure is None:
                return Next.NOTHING if course.size else Next.ANYWHERE
            return Next.NOTHING if failure.code in _HOPELESS else Next.ANYWHERE
        case Ending.COMPLETED | Ending.LEFT:
            return Next.NOTHING


def _judge_status(status: int) -> Next:
    if status in _TARGETS_OWN:
        return Next.ELSEWHERE
    return Next.ANYWHERE if status in _PASSING or status >= 500 else Next.NOTHING


def retry_after(headers: Headers, now: float) -> float | None:
    """Return the seconds that a provider asks to be left alone for, where it does.

    Args:
        now: Unix seconds.
    """
    found = dict(headers)
    millis = found.get(b"retry-after-ms", b"")
    if millis.isdigit() and len(millis) <= 9:
        return int(millis) / 1000
    value = found.get(b"retry-after", b"").decode("latin-1")
    if value.isascii() and value.isdigit() and len(value) <= 6:
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def pause(number: int, asked: float | None, patience: float, chance: Callable[[], float]) -> float | None:
    """Return the seconds before a round; ``None`` where the provider asks for more than ``patience``.

    Half of the backoff is chance, so that callers that failed together do not come back together.

    Args:
        number: 1 for the second round.
        asked: What ``retry_after`` said.
        chance: Returns numbers from 0 up to 1.
    """
    most: float = min(BACKOFF * 2 ** (number - 1), LONGEST_BACKOFF)
    wait = most * (0.5 + 0.5 * chance())
    if asked is not None:
        if asked > patience:
            return None
        wait = asked + min(wait, 0.1 * asked)
    return min(wait, patience)
