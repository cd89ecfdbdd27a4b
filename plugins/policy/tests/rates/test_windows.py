import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl_policy.rates.windows import WINDOW, Requests, Tokens, Usage

GAPS = st.lists(st.floats(0, 30, allow_nan=False), max_size=60)


@given(st.integers(1, 7), GAPS)
def test_at_most_the_limit_is_let_in_in_any_60_seconds(limit: int, gaps: list[float]) -> None:
    window, admitted, now = Requests(), [], 0.0
    for gap in gaps:
        now += gap
        if window.free_at(limit, 0, now) <= now:
            window.add(now)
            admitted.append(now)
    for first, later in zip(admitted, admitted[limit:], strict=False):
        assert later >= first + WINDOW


@given(st.integers(1, 5), st.integers(0, 20), GAPS)
def test_the_time_foretold_is_the_time_at_which_there_is_room(limit: int, ahead: int, gaps: list[float]) -> None:
    window, now = Requests(), 0.0
    for gap in gaps:
        now += gap
        if window.free_at(limit, 0, now) <= now:
            window.add(now)
    foretold = window.free_at(limit, ahead, now)
    for _ in range(ahead + 1):
        at = window.free_at(limit, 0, now)
        now = max(now, at)
        window.add(now)
    assert now == pytest.approx(foretold, abs=1e-9)  # so often added, so often rounded


def test_the_edge_of_a_window_cannot_be_burst() -> None:
    window = Requests()
    for time in (59.0, 59.1, 59.2):
        window.add(time)
    assert window.free_at(3, 0, 60.5) == 119.0


def test_a_lowered_limit_waits_for_all_that_is_above_it() -> None:
    window = Requests()
    for time in (1.0, 2.0, 3.0, 4.0):
        window.add(time)
    assert window.free_at(2, 0, 5.0) == 63.0
    assert window.free_at(2, 1, 5.0) == 64.0


def test_a_place_given_back_is_free_at_once() -> None:
    window = Requests()
    window.add(1.0)
    window.add(2.0)
    window.remove(1.0)
    assert window.count(3.0) == 1
    assert window.free_at(2, 0, 3.0) == 3.0


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 50), st.floats(0, 90), st.floats(0, 1)), max_size=40))
def test_what_is_used_in_any_60_seconds_is_within_the_limit(calls: list[tuple[float, int, float, float]]) -> None:
    limit, window, now = 100, Tokens(), 0.0
    running: list[tuple[float, int, int]] = []  # end, held, used
    spans: list[tuple[float, float, int]] = []  # begin, end, used

    def settle(until: float) -> None:
        for call in sorted(running):
            if call[0] <= until:
                running.remove(call)
                window.settle(call[1], call[2], call[0])

    for gap, bound, seconds, part in calls:
        now += gap
        settle(now)
        if window.count(now) + bound <= limit:
            window.hold(bound)
            used = int(bound * part)
            running.append((now + seconds, bound, used))
            spans.append((now, now + seconds, used))
    for begin, _, _ in spans:
        overlapping = [used for first, last, used in spans if first <= begin and last > begin - WINDOW]
        assert sum(overlapping) <= limit


def test_a_running_call_holds_its_tokens_longer_than_a_window() -> None:
    window = Tokens()
    window.hold(80)
    assert window.count(500.0) == 80
    window.settle(80, 30, 500.0)
    assert window.count(559.9) == 30
    assert window.count(560.0) == 0


def test_used_tokens_take_a_bounded_number_of_entries() -> None:
    window = Tokens()
    for step in range(100_000):
        window.settle(0, 1, step / 1000)
    assert window.count(100.0) <= 60_100
    assert len(window._ended) <= 961


def test_tokens_are_free_when_enough_of_them_expire() -> None:
    window = Tokens()
    window.settle(0, 40, 1.0)
    window.settle(0, 40, 2.0)
    assert window.free_at(100, 20, 3.0) == 3.0
    assert window.free_at(100, 21, 3.0) == 61.0
    assert window.free_at(100, 100, 3.0) == 62.0


def test_usage_is_idle_when_nothing_counts_any_more() -> None:
    usage = Usage()
    usage.requests.add(1.0)
    assert not usage.is_idle(60.9)
    assert usage.is_idle(61.0)
    usage.running = 1
    assert not usage.is_idle(61.0)
