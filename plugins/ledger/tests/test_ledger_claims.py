"""Keys, retries, restarts, and what happens beside the calls: sweeping, bounds, cancellation."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
import trio
import trio.testing

from aexl.api import Charge, Ending, Hold, NewAgent, Replay
from aexl.errors import Refused
from aexl.testing.factories import make_call, make_outcome, make_plan, make_principal
from aexl_ledger.book import Ledger
from aexl_ledger.options import LedgerOptions
from aexl_ledger.roles import LedgerAccounts, LedgerExecutions, LedgerJournal, Reading
from aexl_ledger.verify import verify

PLAN = make_plan()
KEYED = {"id": "key-1", "keyed": True}


def answer(data: bytes = b"hello", **changes) -> Replay:
    values = {
        "execution": "?",
        "status": 200,
        "headers": ((b"a", b"b"),),
        "chunks": (data,),
        "stream": False,
        **changes,
    }
    return Replay(**values)


def failure():
    return make_outcome(
        ending=Ending.REJECTED,
        status=500,
        charge=Charge(state="released", amount=0, estimated=False, reason="rejected"),
    )


@pytest.fixture
def make_ledger(tmp_path, clock, host):
    """Return a ledger of the test's folder, to be opened by the test itself."""

    def make(**options) -> Ledger:
        values = {"low_water": 0, "ballast": 0, **options}
        return Ledger(tmp_path / "ledger.db", LedgerOptions(**values), clock=clock, threaded=False, host=host)

    return make


async def ask(ledger, call) -> str:
    """Reserve, and return ``held``, ``replay`` or the refusal's code."""
    try:
        return "held" if isinstance(await ledger.reserve(call, PLAN), Hold) else "replay"
    except Refused as refused:
        return refused.code


async def begin(ledger) -> LedgerAccounts:
    accounts = LedgerAccounts(ledger)
    await accounts.create(NewAgent(name="alice", budget=1000 * PLAN.hold))
    return accounts


@pytest.mark.parametrize("hold", [-1, True, 1.5, 2**53 + 1, 2**63, "5"])
async def test_a_hold_that_is_no_amount_is_refused(make_ledger, hold):
    async with (ledger := make_ledger()).running():
        await begin(ledger)
        with pytest.raises(Refused) as caught:
            await ledger.reserve(make_call(), msgspec.structs.replace(PLAN, hold=hold))
        assert (caught.value.status, caught.value.code) == (400, "amount_out_of_range")


async def test_the_largest_hold_fits_the_largest_budget_once(make_ledger):
    async with (ledger := make_ledger()).running():
        await LedgerAccounts(ledger).create(NewAgent(name="alice", budget=2**53))
        whole = msgspec.structs.replace(PLAN, hold=2**53)
        assert isinstance(await ledger.reserve(make_call(), whole), Hold)
        with pytest.raises(Refused, match="total budget of alice"):
            await ledger.reserve(make_call(), msgspec.structs.replace(PLAN, hold=1))


async def test_an_answer_outlives_a_restart(make_ledger):
    async with (ledger := make_ledger()).running():
        await begin(ledger)
        hold = await ledger.reserve(make_call(**KEYED), PLAN)
        booked = await ledger.settle(hold, make_outcome(), answer(stream=True, chunks=(b"one", b"two")))
    async with (ledger := make_ledger()).running():
        replay = await ledger.reserve(make_call(**KEYED), PLAN)
        assert isinstance(replay, Replay)
        assert (tuple(replay.chunks), replay.stream, replay.booked) == ((b"one", b"two"), True, booked)
        with pytest.raises(Refused, match="another request"):
            await ledger.reserve(make_call({"other": 1}, **KEYED), PLAN)


async def test_a_call_that_a_crash_ended_frees_its_key_and_its_hold_is_booked(make_ledger):
    async with (ledger := make_ledger()).running():
        await begin(ledger)
        hold = await ledger.reserve(make_call(**KEYED), PLAN)
    async with (ledger := make_ledger()).running():
        agent = await LedgerAccounts(ledger).get("alice")
        assert (agent.reserved, agent.spent) == (0, PLAN.hold)
        reading = Reading(ledger)
        execution = await LedgerExecutions(ledger, reading).get(hold.execution, None)
        assert (execution.cost, execution.estimated, execution.reason) == (PLAN.hold, True, "recovered")
        reading.close()
        again = await ledger.reserve(make_call(**KEYED), PLAN)
        assert isinstance(again, Hold)
        assert (await ledger.settle(hold, make_outcome(), None)).estimated, "a late settlement is the first one"


async def test_a_success_whose_answer_was_too_large_is_not_run_again(make_ledger):
    async with (ledger := make_ledger(answer_bytes=10)).running():
        await begin(ledger)
        hold = await ledger.reserve(make_call(**KEYED), PLAN)
        await ledger.settle(hold, make_outcome(), answer(b"x" * 11))
        with pytest.raises(Refused) as caught:
            await ledger.reserve(make_call(**KEYED), PLAN)
        assert (caught.value.status, caught.value.code) == (409, "answer_not_kept")
        fits = await ledger.reserve(make_call(id="key-2", keyed=True), PLAN)
        await ledger.settle(fits, make_outcome(), answer(b"x" * 10))
        assert isinstance(await ledger.reserve(make_call(id="key-2", keyed=True), PLAN), Replay)


async def test_kept_answers_have_a_bound_together(make_ledger):
    chance = random.Random(1)
    async with (ledger := make_ledger(answers_bytes=4000)).running():
        await begin(ledger)
        for number in range(6):
            hold = await ledger.reserve(make_call(id=f"key-{number}", keyed=True), PLAN)
            await ledger.settle(hold, make_outcome(), answer(chance.randbytes(1500)))
        codes = [await ask(ledger, make_call(id=f"key-{number}", keyed=True)) for number in range(6)]
        assert sorted(codes) == ["answer_not_kept"] * 4 + ["replay"] * 2


async def test_a_key_is_free_after_its_retention(make_ledger, clock, autojump_clock):
    async with (ledger := make_ledger(answer_retention=100.0)).running():
        await begin(ledger)
        hold = await ledger.reserve(make_call(**KEYED), PLAN)
        await ledger.settle(hold, make_outcome(), answer())
        clock.forward(99.999)
        assert isinstance(await ledger.reserve(make_call(**KEYED), PLAN), Replay)
        clock.forward(0.001)
        again = await ledger.reserve(make_call(**KEYED), PLAN)
        assert isinstance(again, Hold)
        await trio.sleep(120)
        assert isinstance(await ledger.settle(again, make_outcome(), answer()), object)
        assert isinstance(await ledger.reserve(make_call(**KEYED), PLAN), Replay)


async def test_an_equal_call_waits_only_so_long(make_ledger, autojump_clock):
    async with (ledger := make_ledger(flight_wait=10.0)).running():
        await begin(ledger)
        await ledger.reserve(make_call(**KEYED), PLAN)
        started = trio.current_time()
        with pytest.raises(Refused) as caught:
            await ledger.reserve(make_call(**KEYED), PLAN)
        assert (caught.value.status, caught.value.code) == (409, "in_flight")
        assert caught.value.retry_after
        assert trio.current_time() - started == pytest.approx(10.0)


async def test_a_retry_joins_only_within_its_window(make_ledger, autojump_clock):
    async with (ledger := make_ledger(retry_window=120.0)).running():
        await begin(ledger)
        hold = await ledger.reserve(make_call(), PLAN)
        await ledger.settle(hold, make_outcome(), answer())
        await trio.sleep(120.001)
        assert isinstance(await ledger.reserve(make_call(retry_count=1), PLAN), Hold)


async def test_a_retry_does_not_join_a_failure_or_another_body_or_agent(make_ledger):
    async with (ledger := make_ledger()).running():
        accounts = await begin(ledger)
        await accounts.create(NewAgent(name="bob", budget=None))
        hold = await ledger.reserve(make_call(), PLAN)
        await ledger.settle(hold, failure(), answer(status=500))
        assert isinstance(await ledger.reserve(make_call(retry_count=1), PLAN), Hold)
        lost = await ledger.reserve(make_call({"n": 1}), PLAN)
        await ledger.settle(lost, make_outcome(), answer())
        assert isinstance(await ledger.reserve(make_call({"n": 2}, retry_count=1), PLAN), Hold)
        other = make_call({"n": 1}, retry_count=1, principal=make_principal("bob"))
        assert isinstance(await ledger.reserve(other, PLAN), Hold)
        assert isinstance(await ledger.reserve(make_call({"n": 1}, retry_count=2), PLAN), Replay)


async def test_of_two_equal_calls_in_flight_a_retry_joins_neither_until_one_is_left(make_ledger):
    async with (ledger := make_ledger()).running():
        await begin(ledger)
        await ledger.reserve(make_call(), PLAN)
        second = await ledger.reserve(make_call(), PLAN)
        assert isinstance(await ledger.reserve(make_call(retry_count=1), PLAN), Hold)
        third = await ledger.reserve(make_call({"n": 1}), PLAN)
        fourth = await ledger.reserve(make_call({"n": 1}), PLAN)
        ledger.delivered(fourth.execution, False)
        await ledger.settle(fourth, make_outcome(), answer())
        assert isinstance(await ledger.reserve(make_call({"n": 1}, retry_count=1), PLAN), Replay)
        for hold in (second, third):
            await ledger.settle(hold, make_outcome(), None)


async def test_undelivered_answers_have_a_bound_together(make_ledger):
    async with (ledger := make_ledger(undelivered_bytes=100)).running():
        await begin(ledger)
        for number in range(5):
            hold = await ledger.reserve(make_call({"n": number}), PLAN)
            await ledger.settle(hold, make_outcome(), answer(b"x" * 40))
            assert ledger._attempts.kept <= 100
        assert isinstance(await ledger.reserve(make_call({"n": 0}, retry_count=1), PLAN), Hold)
        assert isinstance(await ledger.reserve(make_call({"n": 4}, retry_count=1), PLAN), Replay)


async def test_an_execution_past_its_deadline_is_booked_at_its_hold(make_ledger, clock, autojump_clock):
    async with (ledger := make_ledger(sweep_interval=1.0, sweep_slack=5.0)).running():
        accounts = await begin(ledger)
        hold = await ledger.reserve(make_call(deadline=trio.current_time() + 10), PLAN)
        clock.forward(-3600)  # the wall clock has no say in it
        await trio.sleep(14.5)
        assert (await accounts.get("alice")).reserved == PLAN.hold
        clock.forward(7200)
        await trio.sleep(2)
        agent = await accounts.get("alice")
        assert (agent.reserved, agent.spent) == (0, PLAN.hold)
        late = await ledger.settle(hold, make_outcome(), None)
        assert (late.amount, late.estimated) == (PLAN.hold, True)
        assert (await accounts.get("alice")).spent == PLAN.hold
        assert ledger.metrics.recovered == 1


async def test_many_executions_that_a_crash_left_are_booked_at_start_up(make_ledger):
    async with (ledger := make_ledger()).running():
        await begin(ledger)
        for _ in range(100):
            await ledger.reserve(make_call(), PLAN)
    async with (ledger := make_ledger()).running():
        agent = await LedgerAccounts(ledger).get("alice")
        assert (agent.reserved, agent.spent) == (0, 100 * PLAN.hold)
        assert ledger.metrics.recovered == 100


async def test_whoever_waits_for_an_execution_that_was_swept_tries_anew(make_ledger, autojump_clock):
    async with (ledger := make_ledger(sweep_interval=1.0, sweep_slack=0.0)).running():
        await begin(ledger)
        await ledger.reserve(make_call(deadline=trio.current_time() + 5, **KEYED), PLAN)
        assert isinstance(await ledger.reserve(make_call(deadline=math.inf, **KEYED), PLAN), Hold)


async def test_a_full_queue_refuses_reservations_and_lets_settlements_in(open_ledger):
    ledger = await open_ledger(threaded=True, queue=4)
    await begin(ledger)
    holds = [await ledger.reserve(make_call(), PLAN) for _ in range(8)]
    codes: list[str] = []

    async def reserve() -> None:
        try:
            await ledger.reserve(make_call(), PLAN)
        except Refused as refused:
            codes.append(f"{refused.status} {refused.code}")

    async with trio.open_nursery() as nursery:
        for hold in holds:
            nursery.start_soon(ledger.settle, hold, make_outcome(), None)
        for _ in range(8):
            nursery.start_soon(reserve)
    agent = await LedgerAccounts(ledger).get("alice")
    assert agent.spent == 8 * make_outcome().charge.amount
    assert codes
    assert set(codes) == {"503 overloaded"}
    assert agent.reserved == (8 - len(codes)) * PLAN.hold


async def test_sixty_four_racers_for_the_last_unit_admit_exactly_one(open_ledger):
    ledger = await open_ledger(threaded=True)
    accounts = LedgerAccounts(ledger)
    await accounts.create(NewAgent(name="team", budget=PLAN.hold))
    for number in range(4):
        await accounts.create(NewAgent(name=f"a{number}", budget=None, parent="team"))
    codes: list[str] = []

    async def race(number: int) -> None:
        codes.append(await ask(ledger, make_call(principal=make_principal(f"a{number % 4}"))))

    async with trio.open_nursery() as nursery:
        for number in range(64):
            nursery.start_soon(race, number)
    assert sorted(codes) == ["held"] + ["insufficient_budget"] * 63
    assert (await accounts.get("team")).reserved == PLAN.hold


async def test_cancelled_at_any_moment_no_hold_leaks(open_ledger):
    ledger = await open_ledger(threaded=True)
    accounts = await begin(ledger)

    async def client() -> None:
        hold = await ledger.reserve(make_call(), PLAN)
        with trio.CancelScope(shield=True):
            await ledger.settle(hold, failure(), None)

    async with trio.open_nursery() as nursery:
        for number in range(60):
            scope = trio.CancelScope(deadline=trio.current_time() + number * 0.0001)

            async def bounded(scope=scope) -> None:
                with scope:
                    await client()

            nursery.start_soon(bounded)
    assert (await accounts.get("alice")).reserved == 0
    assert ledger._flights == {}


async def test_a_closed_ledger_refuses(make_ledger):
    ledger = make_ledger()
    with pytest.raises(Refused) as caught:
        await ledger.reserve(make_call(), PLAN)
    assert (caught.value.status, caught.value.code) == (503, "ledger_closed")
    async with ledger.running():
        await begin(ledger)
    with pytest.raises(Refused):
        await ledger.reserve(make_call(), PLAN)
    assert await ledger.deny(make_call(), Refused("no", code="x", status=403)) is None


CANARY = "canary-4f1d"


async def test_no_prompt_answer_key_or_token_reaches_the_ledger(make_ledger, tmp_path):
    async with (ledger := make_ledger()).running():
        accounts = await begin(ledger)
        token = await accounts.mint("alice", "execute", {}, None)
        body = {"model": "m", "messages": [{"content": CANARY}]}
        for extra in ({}, {"id": CANARY, "keyed": True}):
            call = make_call(body, provider_key=CANARY, query=CANARY, headers=((b"x", CANARY.encode()),), **extra)
            hold = await ledger.reserve(call, PLAN)
            await ledger.settle(hold, make_outcome(), answer(CANARY.encode()))
            await ledger.deny(call, Refused(f"you said {CANARY}", code="c", status=403))
        reading = Reading(ledger)
        events = await LedgerJournal(ledger, reading).read(0, 1000)
        assert len(events) >= 6
        reading.close()
    secret = token.split("_")[2]
    for file in tmp_path.iterdir():
        data = file.read_bytes()
        assert CANARY.encode() not in data, file.name
        assert secret.encode() not in data, file.name
    assert verify(tmp_path / "ledger.db").ok


async def simulate(ledger: Ledger, seed: int) -> None:
    """Many clients with keys, retries, failures and cancellations, on a clock that jumps."""
    chance = random.Random(seed)
    upstream: dict[str, int] = {}
    refusals: set[str] = set()

    async def client() -> None:
        for _ in range(4):
            key = f"key-{chance.randrange(6)}"
            call = make_call({"key": key}, id=key, keyed=True)
            with trio.move_on_after(chance.choice([0.5, 2.0, math.inf])):
                try:
                    found = await ledger.reserve(call, PLAN)
                except Refused as refused:
                    refusals.add(refused.code)
                    continue
                if isinstance(found, Replay):
                    assert bytes(found.chunks[0]) == key.encode()
                    continue
                with trio.CancelScope(shield=True):
                    await trio.sleep(chance.random())
                    if chance.random() < 0.3:
                        await ledger.settle(found, failure(), None)
                    else:
                        upstream[key] = upstream.get(key, 0) + 1
                        await ledger.settle(found, make_outcome(), answer(key.encode()))

    async with trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(client)
    assert refusals <= {"in_flight"}
    assert set(upstream.values()) <= {1}, "no key was a success twice"


@pytest.mark.parametrize("seed", range(5))
async def test_a_simulated_crowd_pays_once_for_each_key(make_ledger, autojump_clock, seed):
    async with (ledger := make_ledger(flight_wait=3.0)).running():
        accounts = await begin(ledger)
        await simulate(ledger, seed)
        agent = await accounts.get("alice")
        assert agent.reserved == 0
    assert verify(ledger.path).ok


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 400))
async def test_many_simulated_crowds(make_ledger, autojump_clock, seed):
    async with (ledger := make_ledger(flight_wait=3.0)).running():
        await begin(ledger)
        await simulate(ledger, seed)
    assert verify(ledger.path).ok
