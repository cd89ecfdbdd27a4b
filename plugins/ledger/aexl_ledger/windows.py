"""Days and months of a time zone, as Unix microseconds. Pure."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from aexl.errors import Invalid

Period = Literal["day", "month"]
PERIODS: Final[tuple[Period, ...]] = ("day", "month")
MICROS: Final = 1_000_000


@lru_cache(maxsize=256)
def zone(name: str) -> zoneinfo.ZoneInfo:
    """Return an IANA time zone.

    Raises:
        Invalid: If there is none of that name.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(f'there is no time zone {name!r}; write it as in "Europe/Berlin" or "UTC"') from error


def bounds(time: int, timezone: str, period: Period) -> tuple[int, int]:
    """Return beginning and end of the day or month that ``time`` is in; the end belongs to the next.

    A day has 23 or 25 hours where the clocks change. A midnight that does not
    exist is the first moment after the gap.
    """
    local = datetime.fromtimestamp(time / MICROS, zone(timezone))
    first = local.date() if period == "day" else local.date().replace(day=1)
    following = first + timedelta(days=1) if period == "day" else (first + timedelta(days=31)).replace(day=1)
    return _midnight(first.year, first.month, first.day, timezone), _midnight(
        following.year, following.month, following.day, timezone
    )


def _midnight(year: int, month: int, day: int, timezone: str) -> int:
    # fold=0 in a gap takes the offset before it, which gives the moment of the gap itself.
    moment = datetime(year, month, day, tzinfo=zone(timezone))
    return round((moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
