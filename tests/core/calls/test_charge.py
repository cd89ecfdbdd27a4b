"""What is booked: each row of the table in DESIGN section 3."""

from __future__ import annotations

import pytest

from aexl.api import Ending, Hold, Receipt, Usage
from aexl.core.calls.charge import charge
from aexl.testing.factories import CHEAP, make_plan, make_target

PLAN = make_plan(input_bound=100, output_bound=1000)
HOLD = Hold(execution="e", amount=PLAN.hold, output_bound=1000, receipt=Receipt(seq=1, hash="h"))
USED = Usage(input_tokens=40, output_tokens=7)


def booked(ending, usage=None, delivered=0):
    made = charge(PLAN, HOLD, make_target(), ending=ending, usage=usage, delivered=delivered)
    return made.state, made.amount, made.estimated, made.reason


def test_reported_usage_is_booked_exactly():
    assert booked(Ending.COMPLETED, USED) == ("committed", CHEAP.cost(USED), False, "usage")


def test_a_reported_zero_is_zero_and_not_missing():
    assert booked(Ending.COMPLETED, Usage()) == ("committed", 0, False, "usage")


def test_without_usage_the_input_bound_and_what_was_delivered_are_booked():
    assert booked(Ending.COMPLETED, delivered=10) == ("committed", PLAN.fixed + 10 * 2000, True, "no_usage")


def test_an_estimate_is_never_above_the_hold():
    assert booked(Ending.COMPLETED, delivered=10**9)[1] == PLAN.hold
    assert booked(Ending.LEFT, Usage(input_tokens=10**9), delivered=10**9)[1] == PLAN.hold


@pytest.mark.parametrize("ending", [Ending.REJECTED, Ending.UNSENT])
def test_what_cannot_have_been_charged_is_released(ending):
    assert booked(ending, USED) == ("released", 0, False, ending.value)


@pytest.mark.parametrize("ending", [Ending.LOST, Ending.CUT])
def test_when_nobody_knows_the_hold_is_booked(ending):
    assert booked(ending) == ("committed", PLAN.hold, True, ending.value)


def test_a_client_that_left_pays_for_what_was_seen():
    assert booked(Ending.LEFT, delivered=3) == ("committed", PLAN.fixed + 3 * 2000, True, "left")
    beginning = Usage(input_tokens=40, output_tokens=1)
    assert booked(Ending.LEFT, beginning, delivered=5) == ("committed", 40 * 1000 + 5 * 2000, True, "left")


def test_a_cost_above_the_hold_is_booked_whole():
    dear = Usage(input_tokens=10**6, output_tokens=10**6)

    assert booked(Ending.COMPLETED, dear)[1] == CHEAP.cost(dear) > PLAN.hold
