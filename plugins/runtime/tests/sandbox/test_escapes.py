"""Escape attempts: none succeeds against a claim, and each one succeeds where its control is off."""

import pytest
from sandbox_attempts import ATTEMPTS, FORBIDDEN
from sandbox_modes import Batch, Mode

MODES = [
    Mode(user, view, warm)
    for user in ("root", "nobody")
    for view, warm in [
        ("namespaces", False),
        ("namespaces", True),
        ("bubblewrap", False),
        ("none", False),
        ("none", True),
    ]
]


def possible(mode):
    return [attempt for attempt in ATTEMPTS if mode.user in attempt.users]


def sampled(mode):
    """Others for each mode, so that all modes together try a part of the table."""
    return possible(mode)[MODES.index(mode) * 7 % 41 :: 43][:2]


def batch(mode, choose):
    return Batch(mode, tuple(attempt.name for attempt in choose(mode)))


def judge(attempt, results):
    confined, free = results[attempt.name, "confined"], results[attempt.name, "free"]
    report = confined["report"]
    assert confined["ending"].get("cause") not in ("refused", None), confined
    if confined["escaped"]:
        assert attempt.off[0] in report["not_enforced"], f"escaped from what is claimed: {confined}"
    assert free["escaped"], f"fails even where nothing forbids it, so it proves nothing: {free}"


def cases(choose):
    return [pytest.param(mode, attempt, id=f"{mode}: {attempt.name}") for mode in MODES for attempt in choose(mode)]


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "attempt"), cases(sampled))
def test_an_attempt_of_the_sample_fails_where_its_control_is_claimed_and_succeeds_where_it_is_off(
    drivers, mode, attempt
):
    together = tuple(batch(each, sampled) for each in MODES if each.user == mode.user)
    judge(attempt, drivers.results(mode, together))


@pytest.mark.long
@pytest.mark.parametrize(("mode", "attempt"), cases(possible))
def test_an_attempt_fails_where_its_control_is_claimed_and_succeeds_where_it_is_off(drivers, mode, attempt):
    judge(attempt, drivers.results(mode, (batch(mode, possible),)))


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_there_are_more_than_forty_attempts_in_each_mode(mode):
    names = [attempt.name for attempt in possible(mode)]
    assert len(set(names)) == len(names) > 40
    assert not set(names) & set(FORBIDDEN)
