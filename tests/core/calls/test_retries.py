"""What follows an attempt that failed: the verdict, the pause, and whole calls on fakes."""

from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import Ending, Usage
from aexl.core.calls.options import CallOptions
from aexl.core.calls.path import CallPath
from aexl.core.calls.retries import LONGEST_BACKOFF, Next, pause, retry_after
from aexl.errors import ProviderFailed, Refused
from aexl.testing.book import FakeBook
from aexl.testing.dispatcher import FakeDispatcher
from aexl.testing.factories import CHEAP, make_call
from aexl.testing.provider import FakeProvider, FakeReply

USED = Usage(input_tokens=5, output_tokens=3)
GOOD = FakeReply(usage=USED)
LOST = ProviderFailed("reset", code="upstream_reset", status=502, charged="unknown")
UNSENT = ProviderFailed("refused", code="upstream_unreachable", status=502, charged="no")


class Reporting(FakeDispatcher):
    def __init__(self, *, rounds=1, patience=10.0):
        super().__init__()
        self.rounds = rounds
        self.patience = patience
        self.reports = []

    def plan(self, call, providers):
        import msgspec

        return msgspec.structs.replace(super().plan(call, providers), rounds=self.rounds, patience=self.patience)

    def report(self, target, outcome):
        self.reports.append((target.provider, outcome.ending, outcome.status))


class Setting:
    """A call path with one scripted provider a name."""

    def __init__(self, rounds=1, patience=10.0, budgets=None, **scripts):
        self.book = FakeBook(budgets)
        self.dispatcher = Reporting(rounds=rounds, patience=patience)
        self.providers = {name: FakeProvider(*replies, name=name) for name, replies in scripts.items()}
        self.path = CallPath(
            gates=(), book=self.book, dispatcher=self.dispatcher, publish=lambda _: None, options=CallOptions()
        )
        self.path.providers = self.providers

    @asynccontextmanager
    async def running(self):
        async with trio.open_nursery() as nursery:
            await nursery.start(self.path.serve)
            yield self.path
            await self.path.drain(5)
            nursery.cancel_scope.cancel()

    @property
    def asked(self):
        return {name: len(provider.calls) for name, provider in self.providers.items()}

    @property
    def outcome(self):
        [(_, outcome, _)] = self.book.settled
        return outcome

    @property
    def hold(self):
        return self.book.reserved[0].amount


async def read(answer):
    return b"".join([chunk async for chunk in answer.chunks])


def rejected(status, *headers):
    return FakeReply(status=status, chunks=(b"no",), usage=None, headers=headers)


FAILURES = {
    "refused": (FakeReply(refuses=UNSENT), False),
    "reset": (FakeReply(refuses=LOST), True),
    "429": (rejected(429), False),
    "500": (rejected(500), False),
    "529": (rejected(529), False),
    "401": (rejected(401), False),
    "404": (rejected(404), False),
    "cut": (FakeReply(chunks=(), cut=LOST), True),
    "empty": (FakeReply(chunks=(), usage=None, finished=False), True),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_call_survives_a_failing_target_and_is_booked_once(failure, stream):
    reply, may_be_charged = FAILURES[failure]
    setting = Setting(first=[reply], second=[GOOD])
    async with setting.running() as path, path.call(make_call(stream=stream)) as answer:
        assert answer.status == 200
        assert await read(answer)
    assert setting.asked == {"first": 1, "second": 1}
    charge = setting.outcome.charge
    extra = setting.hold if may_be_charged else 0
    assert (charge.amount, charge.estimated) == (CHEAP.cost(USED) + extra, may_be_charged)
    [attempt] = setting.book.retried
    assert (attempt.number, attempt.target.provider, attempt.extra) == (1, "first", extra)
    assert [(name, ending) for name, ending, _ in setting.dispatcher.reports] == [
        ("first", attempt.ending),
        ("second", Ending.COMPLETED),
    ]
    assert path.metrics.retried == 1


@pytest.mark.parametrize("status", [400, 413, 422, 451])
async def test_what_is_wrong_anywhere_is_asked_once(status):
    setting = Setting(rounds=3, first=[rejected(status)], second=[GOOD])
    async with setting.running() as path, path.call(make_call()) as answer:
        assert (answer.status, await read(answer)) == (status, b"no")
    assert setting.asked == {"first": 1, "second": 0}
    assert setting.book.retried == []


async def test_nothing_is_tried_again_once_a_byte_was_passed_on():
    setting = Setting(rounds=2, first=[FakeReply(chunks=(b"data: 1\n\n",), cut=LOST)], second=[GOOD])
    with trio.fail_after(5):
        async with setting.running() as path, path.call(make_call(stream=True)) as answer:
            assert await answer.chunks.receive() == b"data: 1\n\n"
            with pytest.raises(ProviderFailed):
                await answer.chunks.receive()
    assert setting.asked == {"first": 1, "second": 0}


async def test_a_whole_answer_that_was_cut_half_way_is_asked_for_elsewhere():
    setting = Setting(first=[FakeReply(chunks=(b"{",), cut=LOST)], second=[GOOD])
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.status == 200
        assert not (await read(answer)).startswith(b"{{")
    assert setting.asked == {"first": 1, "second": 1}


async def test_without_money_for_another_attempt_the_failure_is_the_answer():
    setting = Setting(budgets={"alice": 10**12}, first=[FakeReply(refuses=LOST)], second=[GOOD])
    async with setting.running() as path:
        hold = FakeDispatcher().plan(make_call(), setting.providers).hold
        setting.book._accounts["alice"].budget = 2 * hold - 1
        with pytest.raises(ProviderFailed, match="reset"):
            async with path.call(make_call()):
                pytest.fail("it was answered")
    assert setting.asked == {"first": 1, "second": 0}
    assert (setting.outcome.charge.amount, setting.outcome.charge.reason) == (hold, "lost")


async def test_when_every_attempt_may_have_been_charged_all_of_them_are_booked():
    setting = Setting(first=[FakeReply(refuses=LOST)], second=[FakeReply(refuses=LOST)])
    async with setting.running() as path:
        with pytest.raises(ProviderFailed):
            async with path.call(make_call()):
                pytest.fail("it was answered")
    assert (setting.outcome.charge.amount, setting.outcome.charge.estimated) == (2 * setting.hold, True)


async def test_a_rejection_after_a_lost_attempt_books_the_lost_one():
    setting = Setting(first=[FakeReply(refuses=LOST)], second=[rejected(500)])
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.status == 500
    charge = setting.outcome.charge
    assert (charge.state, charge.amount, charge.reason) == ("committed", setting.hold, "lost")


async def test_rounds_go_over_all_targets_and_wait_between(autojump_clock):
    setting = Setting(rounds=3, first=[rejected(500)], second=[rejected(503), rejected(503), GOOD])
    began = trio.current_time()
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.status == 200
    assert setting.asked == {"first": 3, "second": 3}
    assert 0.75 <= trio.current_time() - began <= 1.5  # the backoff's halves, and both whole


async def test_a_target_without_the_key_is_not_asked_again_in_a_later_round(autojump_clock):
    setting = Setting(rounds=2, first=[rejected(401)], second=[rejected(500), GOOD])
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.status == 200
    assert setting.asked == {"first": 1, "second": 2}


async def test_a_target_that_would_fail_in_the_same_way_is_not_asked_again(autojump_clock):
    lasting = ProviderFailed("no key", code="provider_key_missing", status=502, charged="no", lasting=True)
    setting = Setting(rounds=2, first=[FakeReply(refuses=lasting)], second=[rejected(500), GOOD])
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.status == 200
    assert setting.asked == {"first": 1, "second": 2}


@pytest.mark.parametrize(("asked", "tries"), [(b"10", 2), (b"11", 1)])
async def test_the_provider_is_left_alone_as_long_as_it_asks_within_patience(autojump_clock, asked, tries):
    setting = Setting(rounds=2, patience=10.0, first=[rejected(429, (b"retry-after", asked)), GOOD])
    began = trio.current_time()
    async with setting.running() as path, path.call(make_call()) as answer:
        assert answer.status == (200 if tries == 2 else 429)
    assert setting.asked == {"first": tries}
    assert trio.current_time() - began == (10.0 if tries == 2 else 0.0)


async def test_a_pause_that_would_pass_the_deadline_is_not_made(autojump_clock):
    setting = Setting(rounds=2, first=[rejected(429, (b"retry-after", b"5")), GOOD])
    async with setting.running() as path:
        call = make_call(deadline=trio.current_time() + 5)
        async with path.call(call) as answer:
            assert answer.status == 429


async def test_a_call_that_is_ended_during_the_pause_costs_nothing(autojump_clock):
    setting = Setting(rounds=2, first=[rejected(500), GOOD])
    async with setting.running() as path, trio.open_nursery() as nursery:

        async def client():
            with pytest.raises(Refused, match="stop"):
                async with path.call(make_call()):
                    pytest.fail("it was answered")

        nursery.start_soon(client)
        await trio.testing.wait_all_tasks_blocked()
        path.interrupt("alice", Refused("stop", code="agent_not_ready", status=423))
    assert (setting.outcome.charge.state, setting.asked) == ("released", {"first": 1})


async def test_nobody_is_asked_again_for_a_client_that_left(autojump_clock):
    setting = Setting(rounds=2, first=[rejected(500), GOOD])
    async with setting.running() as path:
        with trio.move_on_after(0.1):
            async with path.call(make_call()):
                pytest.fail("it was answered")
    assert setting.asked == {"first": 1}
    assert setting.outcome.charge.state == "released"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"retry-after", b"7")], 7.0),
        ([(b"retry-after-ms", b"1500"), (b"retry-after", b"7")], 1.5),
        ([(b"retry-after", b"Thu, 01 Jan 1970 00:01:40 GMT")], 40.0),
        ([(b"retry-after", b"Thu, 01 Jan 1970 00:00:10 GMT")], 0.0),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"-1")], None),
        ([(b"retry-after", b"1234567")], None),
        ([], None),
    ],
)
def test_what_a_provider_asks_for_is_read_in_every_form(headers, seconds):
    assert retry_after(headers, now=60.0) == seconds


@given(st.integers(1, 20), st.floats(0, 1, exclude_max=True), st.floats(0, 60))
def test_a_pause_is_never_longer_than_patience_nor_than_the_longest_backoff(number, chance, patience):
    wait = pause(number, None, patience, lambda: chance)
    assert wait is not None
    assert 0 <= wait <= min(patience, LONGEST_BACKOFF)


def test_every_verdict_is_reached():
    assert set(Next) == {Next.NOTHING, Next.ELSEWHERE, Next.ANYWHERE}
