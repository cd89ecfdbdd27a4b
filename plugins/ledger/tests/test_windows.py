"""Days and months, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.errors import Invalid
from aexl_ledger.windows import bounds


def micros(*when: int) -> int:
    return round(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000


HOUR = 3600 * 1_000_000


def test_a_day_begins_at_the_zones_midnight():
    assert bounds(micros(2026, 1, 15, 12), "Europe/Berlin", "day") == (micros(2026, 1, 14, 23), micros(2026, 1, 15, 23))


def test_the_last_moment_belongs_to_the_day_and_its_end_to_the_next():
    end = micros(2026, 1, 15, 23)
    assert bounds(end - 1, "Europe/Berlin", "day")[1] == end
    assert bounds(end, "Europe/Berlin", "day")[0] == end


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25), (6, 1, 24)])
def test_a_day_on_which_clocks_change_is_shorter_or_longer(month, day, hours):
    start, end = bounds(micros(2026, month, day, 12), "Europe/Berlin", "day")
    assert end - start == hours * HOUR


def test_a_midnight_that_does_not_exist_is_the_moment_of_the_gap():
    # Beirut skipped from 00:00 to 01:00 on 2022-03-27.
    start, end = bounds(micros(2022, 3, 27, 12), "Asia/Beirut", "day")
    assert start == micros(2022, 3, 26, 22)
    assert end - start == 23 * HOUR


@pytest.mark.parametrize(("year", "month", "days"), [(2026, 2, 28), (2028, 2, 29), (2026, 12, 31), (2026, 4, 30)])
def test_a_month_has_all_its_days(year, month, days):
    start, end = bounds(micros(year, month, days, 23), "UTC", "month")
    assert start == micros(year, month, 1)
    assert end - start == days * 24 * HOUR


def test_an_unknown_zone_is_named():
    with pytest.raises(Invalid, match="Mars/Olympus"):
        bounds(0, "Mars/Olympus", "day")


@given(
    st.integers(micros(2000, 1, 1), micros(2050, 1, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo"]),
    st.sampled_from(["day", "month"]),
)
def test_windows_follow_each_other_without_gap_or_overlap(time, zone, period):
    start, end = bounds(time, zone, period)
    assert start <= time < end
    assert bounds(start, zone, period) == (start, end)
    assert bounds(end - 1, zone, period) == (start, end)
    assert bounds(end, zone, period)[0] == end
