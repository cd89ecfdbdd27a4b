"""The order of targets: balance, breakers, and what is learned from outcomes."""

import itertools
import random

import pytest

from aexl.api import Charge, Ending, Target
from aexl.testing.factories import CHEAP, make_outcome
from aexl_catalog.entries import Entry
from aexl_catalog.pricing import FREE
from aexl_catalog.routing.breaker import LONGEST, Breaker
from aexl_catalog.routing.health import Health


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def entry(name, **changes):
    return Entry(name=name, provider=name, provider_model="m", price=FREE, **changes)


ABC = [entry("a"), entry("b"), entry("c")]


def outcome(name, ending=Ending.COMPLETED, **changes):
    target = Target(provider=name, model="m", price=CHEAP)
    return make_outcome(ending=ending, target=target, **changes)


def failed(name, status=500, **changes):
    charge = Charge(state="released", amount=0, estimated=False, reason="rejected")
    return outcome(name, Ending.REJECTED, status=status, charge=charge, usage=None, **changes)


def names(entries):
    return "".join(each.name for each in entries)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(3, 30.0, clock, random.Random(1).random)


def break_open(health, name="a"):
    for _ in range(3):
        health.report(failed(name))


def test_without_news_the_order_stands(health):
    assert names(health.arrange(ABC, "order")) == "abc"


def test_a_breaker_opens_at_its_number_of_failures_in_a_row_and_not_before(health):
    for _ in range(2):
        health.report(failed("a"))
    assert names(health.arrange(ABC, "order")) == "abc"
    health.report(outcome("a"))
    for _ in range(2):
        health.report(failed("a"))
    assert names(health.arrange(ABC, "order")) == "abc", "a success in between starts the count anew"
    health.report(failed("a"))
    assert names(health.arrange(ABC, "order")) == "bca"


def test_a_half_open_breaker_gets_one_call_and_closes_when_that_succeeds(health, clock):
    break_open(health)
    clock.now += 29.9
    assert names(health.arrange(ABC, "order")) == "bca"
    clock.now += 0.1
    assert names(health.arrange(ABC, "order")) == "abc"
    assert names(health.arrange(ABC, "order")) == "bca", "one call is on its way already"
    health.report(outcome("a"))
    assert names(health.arrange(ABC, "order")) == "abc"


def test_a_call_that_never_came_back_does_not_keep_a_half_open_breaker_waiting(health, clock):
    break_open(health)
    clock.now += 30
    health.arrange(ABC, "order")
    clock.now += 30
    assert names(health.arrange(ABC, "order")) == "abc"


def test_a_breaker_that_opens_again_stays_open_for_twice_as_long_up_to_its_limit(clock):
    breaker = Breaker(1, 10.0)
    lengths = []
    for _ in range(6):
        breaker.failed(clock.now)
        lengths.append(breaker.left(clock.now))
        clock.now += lengths[-1]
        assert breaker.state(clock.now) == "half-open"
    assert lengths == [10, 20, 40, 80, 10.0 * LONGEST, 10.0 * LONGEST]


def test_failures_of_calls_that_were_on_their_way_do_not_lengthen_an_open_breaker(health, clock):
    break_open(health)
    clock.now += 10
    health.report(failed("a"))
    assert health._targets["a", "m"].breaker.opened == 1


def test_a_target_is_left_alone_for_as_long_as_it_asks(health, clock):
    health.report(failed("a", 429, retry_after=7.0))
    assert names(health.arrange(ABC, "order")) == "bca"
    clock.now += 7
    assert names(health.arrange(ABC, "order")) == "abc"


def test_when_every_breaker_is_open_all_targets_are_still_tried(health):
    for name in "abc":
        break_open(health, name)
    assert names(health.arrange(ABC, "order")) == "abc"


def test_a_breaker_that_is_switched_off_never_opens(clock):
    health = Health(0, 30.0, clock)
    for _ in range(100):
        health.report(failed("a", retry_after=60.0))
    assert names(health.arrange(ABC, "order")) == "abc"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_the_caller_did_wrong_is_no_failure_of_the_target(health, status):
    for _ in range(10):
        health.report(failed("a", status))
    assert names(health.arrange(ABC, "order")) == "abc"


@pytest.mark.parametrize("ending", [Ending.UNSENT, Ending.LOST, Ending.CUT])
def test_a_connection_that_fails_is_a_failure_of_the_target(health, ending):
    for _ in range(3):
        health.report(outcome("a", ending))
    assert names(health.arrange(ABC, "order")) == "bca"


def test_a_client_that_left_says_nothing_about_the_target(health):
    for _ in range(10):
        health.report(outcome("a", Ending.LEFT))
    assert health.describe(ABC[0]) == ""


def test_latency_prefers_who_began_to_answer_soonest_and_tries_the_unknown_first(health):
    health.report(outcome("a", first_byte=0.5))
    health.report(outcome("b", first_byte=0.2))
    assert names(health.arrange(ABC, "latency")) == "cba"
    health.report(outcome("c", first_byte=0.3))
    assert names(health.arrange(ABC, "latency")) == "bca"


def test_a_slow_answer_counts_less_than_the_mean_of_many(health):
    for _ in range(20):
        health.report(outcome("a", first_byte=0.1))
    health.report(outcome("b", first_byte=0.25))
    health.report(outcome("a", first_byte=0.5))
    assert names(health.arrange(ABC[:2], "latency")) == "ab"


def test_each_target_comes_first_as_often_as_its_weight_says(health):
    entries = [entry("a", weight=6.0), entry("b", weight=3.0), entry("c", weight=1.0)]
    first = [names(health.arrange(entries, "weight"))[0] for _ in range(4000)]
    shares = [first.count(name) / 4000 for name in "abc"]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_a_weight_of_nothing_is_only_drawn_when_nothing_else_is_left(health):
    entries = [entry("a", weight=0.0), entry("b"), entry("c")]
    assert {names(health.arrange(entries, "weight"))[-1] for _ in range(200)} == {"a"}


def test_with_one_seed_the_draws_are_the_same(clock):
    draws = [
        [names(health.arrange(ABC, "weight")) for _ in range(50)]
        for health in (Health(3, 30.0, clock, random.Random(7).random) for _ in range(2))
    ]
    assert draws[0] == draws[1]
    assert {order[0] for order in draws[0]} == set("abc")


def test_what_is_known_is_said_in_a_phrase(health, clock):
    assert health.describe(ABC[0]) == ""
    health.report(outcome("a", first_byte=0.25))
    assert health.describe(ABC[0]) == "answers within 0.25 s"
    break_open(health)
    assert health.describe(ABC[0]) == "left alone for 30 s after 3 failures"
    clock.now += 30
    assert health.describe(ABC[0]) == "tried again after 3 failures"


def test_targets_are_forgotten_before_they_fill_the_memory(health):
    for number in range(2000):
        health.report(failed(f"p{number}"))
    assert len(health._targets) <= 1024


def test_metrics_show_the_breaker_of_each_target(health):
    health.report(outcome("b", first_byte=0.25))
    break_open(health)
    found = {(sample.name, sample.labels["provider"]): sample.value for sample in health.samples()}
    assert found["aexl_target_breaker", "a"] == 2
    assert found["aexl_target_breaker", "b"] == 0
    assert found["aexl_target_breaker_opened_total", "a"] == 1
    assert found["aexl_target_failures_total", "a"] == 3
    assert found["aexl_target_first_byte_seconds", "b"] == 0.25


def test_other_settings_begin_anew_and_the_same_ones_do_not(health):
    break_open(health)
    health.follow(3, 30.0)
    assert names(health.arrange(ABC, "order")) == "bca"
    health.follow(4, 30.0)
    assert names(health.arrange(ABC, "order")) == "abc"


def test_every_order_keeps_every_target_once(health):
    for balance, _ in itertools.product(("order", "weight", "latency"), range(20)):
        break_open(health, random.Random(balance).choice("abc"))
        assert sorted(names(health.arrange(ABC, balance))) == ["a", "b", "c"]
