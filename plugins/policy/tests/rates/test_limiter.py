import msgspec
import pytest
import trio
import trio.testing

from aexl.api import Call, Charge, Limits, Usage
from aexl.errors import Refused
from aexl.testing.factories import make_call, make_outcome, make_plan, make_principal
from aexl_policy.rates.limiter import Limiter, RateLease

PLAN = make_plan(input_bound=10, output_bound=90)


def limited(agent: str = "alice", **limits: object) -> Call:
    return make_call(principal=make_principal(agent, limits=Limits(**limits)))


async def test_a_call_waits_until_exactly_60_seconds_after_the_one_before(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limiter, begin, times = Limiter(), trio.current_time(), []
    for _ in range(5):
        await limiter.admit(limited(rpm=2, queue=1000), PLAN)
        times.append(trio.current_time() - begin)
    assert times == [0, 0, 60, 60, 120]


async def test_many_waiting_calls_are_let_in_in_order_without_polling(autojump_clock: trio.testing.MockClock) -> None:
    limiter, begin, seen = Limiter(), trio.current_time(), []

    async def one(number: int) -> None:
        await limiter.admit(limited(rpm=3, queue=1000), PLAN)
        seen.append((number, trio.current_time() - begin))

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(one, number)
            await trio.testing.wait_all_tasks_blocked()
        assert limiter.waiting == 5
    # Those of one instant are woken together, and trio runs them in any order.
    assert sorted(seen) == [(n, 60 * (n // 3)) for n in range(8)]
    assert limiter.waiting == 0


async def test_a_call_that_cannot_fit_into_the_queue_is_refused_at_once(autojump_clock: trio.testing.MockClock) -> None:
    limiter = Limiter()
    await limiter.admit(limited(rpm=1), PLAN)
    await trio.sleep(20)
    before = trio.current_time()
    with pytest.raises(Refused, match="1 requests in 60 seconds") as caught:
        await limiter.admit(limited(rpm=1, queue=10), PLAN)
    assert trio.current_time() == before
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "rate_limited", 40)
    assert (b"x-ratelimit-remaining-requests", b"0") in caught.value.headers


async def test_a_call_that_just_fits_into_the_queue_is_let_in(autojump_clock: trio.testing.MockClock) -> None:
    limiter = Limiter()
    await limiter.admit(limited(rpm=1), PLAN)
    await trio.sleep(50)
    await limiter.admit(limited(rpm=1, queue=10), PLAN)
    with pytest.raises(Refused):
        await limiter.admit(limited(rpm=1, queue=59.9), PLAN)


async def test_concurrency_lets_the_next_in_when_one_ends() -> None:
    limiter = Limiter()
    first = await limiter.admit(limited(concurrency=1, queue=5), PLAN)
    got: list[RateLease] = []

    async def second() -> None:
        got.append(await limiter.admit(limited(concurrency=1, queue=5), PLAN))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(second)
        await trio.testing.wait_all_tasks_blocked()
        assert not got
        first.close(make_outcome())
    got[0].close(None)
    assert limiter._agents["alice"].usage.running == 0


async def test_a_call_that_waited_in_vain_is_refused_when_its_time_is_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limiter, begin = Limiter(), trio.current_time()
    await limiter.admit(limited(concurrency=1), PLAN)
    with pytest.raises(Refused) as caught:
        await limiter.admit(limited(concurrency=1, queue=7), PLAN)
    assert trio.current_time() - begin == 7
    assert caught.value.retry_after == 1.0
    assert limiter.waits.count == 1
    assert dict(limiter.waits.buckets())["5.0"] == 0
    assert dict(limiter.waits.buckets())["10.0"] == 1


async def test_tokens_are_held_at_their_bound_and_corrected_at_settlement() -> None:
    limiter = Limiter()
    lease = await limiter.admit(limited(tpm=150), PLAN)
    assert (b"x-ratelimit-remaining-tokens", b"50") in lease.headers
    lease.close(make_outcome(Usage(input_tokens=5, cached_input_tokens=2, output_tokens=13)))
    assert (b"x-ratelimit-remaining-tokens", b"130") in lease.headers


async def test_nothing_sent_gives_everything_back() -> None:
    limiter = Limiter()
    lease = await limiter.admit(limited(tpm=150, rpm=5), PLAN)
    lease.close(None)
    assert (b"x-ratelimit-remaining-tokens", b"150") in lease.headers
    assert (b"x-ratelimit-remaining-requests", b"5") in lease.headers


@pytest.mark.parametrize(("state", "left"), [("released", b"150"), ("committed", b"50")])
async def test_without_usage_the_charge_decides_whether_the_hold_counts(state: str, left: bytes) -> None:
    limiter = Limiter()
    lease = await limiter.admit(limited(tpm=150, rpm=5), PLAN)
    charge = Charge(state=state, amount=0, estimated=True, reason="lost")
    lease.close(msgspec.structs.replace(make_outcome(charge=charge), usage=None))
    assert (b"x-ratelimit-remaining-tokens", left) in lease.headers
    assert (b"x-ratelimit-remaining-requests", b"4") in lease.headers


async def test_a_bound_above_the_limit_runs_alone(autojump_clock: trio.testing.MockClock) -> None:
    limiter, begin = Limiter(), trio.current_time()
    lease = await limiter.admit(limited(tpm=20, queue=100), PLAN)
    lease.close(make_outcome(Usage(input_tokens=3, output_tokens=3)))
    await limiter.admit(limited(tpm=20, queue=100), PLAN)
    assert trio.current_time() - begin == 60


async def test_a_small_call_does_not_pass_a_large_one_that_waits() -> None:
    limiter, seen = Limiter(), []
    first = await limiter.admit(limited(tpm=100, queue=100), make_plan(input_bound=50, output_bound=10))

    async def one(name: str, bound: int) -> None:
        lease = await limiter.admit(limited(tpm=100, queue=100), make_plan(input_bound=bound, output_bound=0))
        seen.append(name)
        lease.close(None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "large", 95)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(one, "small", 10)
        await trio.testing.wait_all_tasks_blocked()
        assert not seen
        first.close(None)
    assert seen == ["large", "small"]


async def test_a_large_call_that_gives_up_lets_the_small_ones_behind_it_in(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limiter, begin, seen = Limiter(), trio.current_time(), []
    await limiter.admit(limited(tpm=100, queue=5), make_plan(input_bound=50, output_bound=10))

    async def small() -> None:
        await limiter.admit(limited(tpm=100, queue=50), make_plan(input_bound=10, output_bound=0))
        seen.append(trio.current_time() - begin)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_refused, limiter, limited(tpm=100, queue=5), make_plan(input_bound=90, output_bound=0))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(small)
    assert seen == [5]


@pytest.mark.parametrize("room_first", [True, False])
async def test_a_cancelled_call_gives_its_turn_to_the_next(room_first: bool) -> None:
    limiter, seen = Limiter(), []
    first = await limiter.admit(limited(concurrency=1), PLAN)

    async def one(name: str) -> None:
        lease = await limiter.admit(limited(concurrency=1), PLAN)
        seen.append(name)
        lease.close(None)

    async with trio.open_nursery() as nursery, trio.open_nursery() as doomed:
        doomed.start_soon(one, "cancelled")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(one, "next")
        await trio.testing.wait_all_tasks_blocked()
        for step in (lambda: first.close(None), doomed.cancel_scope.cancel)[:: 1 if room_first else -1]:
            step()
    assert seen[-1] == "next"
    assert limiter._agents["alice"].usage.running == 0


async def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aexl_policy.rates.limiter.MAX_WAITING", 3)
    limiter = Limiter()
    await limiter.admit(limited(concurrency=1), PLAN)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(limiter.admit, limited(concurrency=1), PLAN)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Refused, match="3 of its calls wait"):
            await limiter.admit(limited(concurrency=1), PLAN)
        nursery.cancel_scope.cancel()
    assert limiter.waiting == 0


async def test_the_state_survives_a_change_of_limits(autojump_clock: trio.testing.MockClock) -> None:
    limiter = Limiter()
    for _ in range(5):
        await limiter.admit(limited(rpm=5), PLAN)
    with pytest.raises(Refused):
        await limiter.admit(limited(rpm=3), PLAN)
    await limiter.admit(limited(rpm=6), PLAN)


@pytest.mark.parametrize("limit", ["rpm", "tpm", "concurrency"])
async def test_a_limit_of_nothing_refuses_without_a_time_to_come_back(limit: str) -> None:
    with pytest.raises(Refused) as caught:
        await Limiter().admit(limited(**{limit: 0}), PLAN)
    assert caught.value.retry_after is None


async def test_without_a_queue_a_call_is_refused_at_once() -> None:
    limiter = Limiter()
    await limiter.admit(limited(concurrency=1, queue=0), PLAN)
    with pytest.raises(Refused):
        await limiter.admit(limited(concurrency=1, queue=0), PLAN)


async def test_a_call_does_not_wait_past_its_own_deadline(autojump_clock: trio.testing.MockClock) -> None:
    limiter, begin = Limiter(), trio.current_time()
    await limiter.admit(limited(concurrency=1), PLAN)
    call = make_call(principal=make_principal(limits=Limits(concurrency=1)), deadline=begin + 2)
    with pytest.raises(Refused):
        await limiter.admit(call, PLAN)
    assert trio.current_time() - begin == 2


async def test_idle_agents_are_forgotten(autojump_clock: trio.testing.MockClock) -> None:
    limiter = Limiter()
    await limiter.admit(limited("busy", concurrency=1), PLAN)
    for number in range(2000):
        lease = await limiter.admit(limited(f"a{number}", rpm=10), PLAN)
        lease.close(make_outcome())
        await trio.sleep(1)
    assert limiter.agents <= 520
    assert "busy" in limiter._agents


async def test_agents_do_not_wait_for_each_other() -> None:
    limiter = Limiter()
    for agent in ("alice", "bob"):
        await limiter.admit(limited(agent, concurrency=1, queue=0), PLAN)


async def test_on_messages_the_headers_are_told_in_its_own_words_too(autojump_clock: trio.testing.MockClock) -> None:
    call = make_call(principal=make_principal(limits=Limits(rpm=5, tpm=1000)), surface="messages")
    headers = dict((await Limiter().admit(call, PLAN)).headers)
    assert headers[b"x-ratelimit-limit-requests"] == b"5"
    assert headers[b"x-ratelimit-reset-requests"] == b"1m0s"
    assert headers[b"anthropic-ratelimit-tokens-remaining"] == b"900"
    assert headers[b"anthropic-ratelimit-requests-reset"].endswith(b"Z")


async def _refused(limiter: Limiter, call: Call, plan: object) -> None:
    with pytest.raises(Refused):
        await limiter.admit(call, plan)
