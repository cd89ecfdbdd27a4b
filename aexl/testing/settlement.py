"""What every book promises, as tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, cast

import pytest
import trio
import trio.testing

from aexl.api import (
    Booked,
    Call,
    Charge,
    Ending,
    Hold,
    Limits,
    Outcome,
    Plan,
    Replay,
    Retrying,
    Settlement,
)
from aexl.errors import Invalid, Refused
from aexl.testing.factories import make_attempt, make_call, make_outcome, make_plan, make_principal


class OpenBook(Protocol):
    """Opens a book that knows some agents; what it opened is closed after the test."""

    async def __call__(self, budgets: Mapping[str, int | None], parents: Mapping[str, str] | None = None) -> Settlement:
        """Return a book.

        Args:
            budgets: Total budgets in nano-dollars, by agent; parents before children.
            parents: The parent of an agent, where it has one.
        """
        ...


def _answer(hold: Hold) -> Replay:
    return Replay(
        execution=hold.execution,
        status=200,
        headers=((b"content-type", b"application/json"),),
        chunks=(b'{"a":', b"1}"),
        stream=False,
    )


def _failure() -> Outcome:
    charge = Charge(state="released", amount=0, estimated=False, reason="rejected")
    return make_outcome(ending=Ending.REJECTED, status=500, usage=None, charge=charge)


def _charging(amount: int) -> Outcome:
    return make_outcome(charge=Charge(state="committed", amount=amount, estimated=False, reason="usage"))


async def _hold(book: Settlement, call: Call | None = None, plan: Plan | None = None) -> Hold:
    hold = await book.reserve(call or make_call(), plan or make_plan())
    assert isinstance(hold, Hold)
    return hold


async def _code(book: Settlement, call: Call, plan: Plan | None = None) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        await book.reserve(call, plan or make_plan())
    return caught.value.status, caught.value.code


class RetryingBook(Settlement, Retrying, Protocol):
    """A book that has attempts on record."""


async def _retrying(
    open_book: OpenBook, budgets: Mapping[str, int | None], parents: Mapping[str, str] | None = None
) -> RetryingBook:
    book = await open_book(budgets, parents)
    if not isinstance(book, Retrying):
        pytest.skip("the book has no attempts on record")
    return cast("RetryingBook", book)


PLAN = make_plan()


class SettlementConformance:
    """Derive a test class from this one, with a fixture ``open_book`` that returns an ``OpenBook``."""

    async def test_a_hold_is_what_the_plan_says(self, open_book: OpenBook) -> None:
        hold = await _hold(await open_book({"alice": PLAN.hold}))
        assert (hold.amount, hold.output_bound) == (PLAN.hold, PLAN.output_bound)

    async def test_a_settlement_books_the_charge(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": 10 * PLAN.hold})
        hold = await _hold(book)
        outcome = make_outcome()
        booked = await book.settle(hold, outcome, None)
        assert booked.execution == hold.execution
        assert booked.amount == outcome.charge.amount
        assert booked.remaining == 10 * PLAN.hold - outcome.charge.amount
        assert booked.receipt.seq > hold.receipt.seq
        assert not booked.overrun

    async def test_without_a_budget_nothing_is_said_to_remain(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": None})
        assert (await book.settle(await _hold(book), make_outcome(), None)).remaining is None

    async def test_a_second_settlement_returns_the_first_booking(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": 10 * PLAN.hold})
        hold = await _hold(book)
        first = await book.settle(hold, make_outcome(), None)
        assert await book.settle(hold, _failure(), None) == first

    async def test_equal_settlements_at_once_book_once(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": 10 * PLAN.hold})
        hold = await _hold(book)
        seen: list[Booked] = []

        async def settle() -> None:
            seen.append(await book.settle(hold, make_outcome(), None))

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(settle)
        assert seen == [seen[0]] * 8

    async def test_a_released_hold_may_be_spent_again(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold})
        booked = await book.settle(await _hold(book), _failure(), None)
        assert (booked.amount, booked.remaining) == (0, PLAN.hold)
        await _hold(book)

    async def test_a_hold_above_the_budget_is_refused_with_402(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold - 1})
        assert await _code(book, make_call()) == (402, "insufficient_budget")

    async def test_an_open_hold_counts_against_the_budget(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": 2 * PLAN.hold - 1})
        await _hold(book)
        assert await _code(book, make_call()) == (402, "insufficient_budget")

    async def test_racers_for_the_last_units_never_overspend(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": 10 * PLAN.hold})
        admitted: list[Hold] = []
        refused: list[int] = []

        async def race() -> None:
            try:
                admitted.append(await _hold(book))
            except Refused as error:
                refused.append(error.status)

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(race)
        assert (len(admitted), refused) == (10, [402] * 40)

    async def test_a_parents_budget_binds_its_children(self, open_book: OpenBook) -> None:
        book = await open_book(
            {"team": PLAN.hold, "alice": None, "bob": 10 * PLAN.hold}, {"alice": "team", "bob": "team"}
        )
        hold = await _hold(book)
        bob = make_call(principal=make_principal("bob"))
        assert await _code(book, bob) == (402, "insufficient_budget")
        assert (await book.settle(hold, _charging(1), None)).remaining == PLAN.hold - 1

    async def test_a_call_that_may_be_clamped_gets_what_fits(self, open_book: OpenBook) -> None:
        plan = make_plan(output_bound=4096)
        limits = Limits(clamp=True)
        budget = plan.fixed + 2000 * plan.output_price // 1000
        book = await open_book({"alice": budget})
        hold = await _hold(book, make_call(principal=make_principal(limits=limits)), plan)
        assert (hold.amount, hold.output_bound) == (budget, 2000)

    async def test_a_clamp_never_goes_below_the_floor(self, open_book: OpenBook) -> None:
        plan = make_plan(output_bound=4096)
        book = await open_book({"alice": plan.fixed + plan.output_floor * plan.output_price // 1000 - 1})
        call = make_call(principal=make_principal(limits=Limits(clamp=True)))
        assert await _code(book, call, plan) == (402, "insufficient_budget")

    async def test_a_cost_above_the_hold_is_booked_whole_and_freezes(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": 10 * PLAN.hold})
        booked = await book.settle(await _hold(book), _charging(PLAN.hold + 1), None)
        assert (booked.amount, booked.overrun) == (PLAN.hold + 1, True)
        assert await _code(book, make_call()) == (423, "agent_not_ready")

    async def test_a_cost_of_exactly_the_hold_is_no_overrun(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold})
        booked = await book.settle(await _hold(book), _charging(PLAN.hold), None)
        assert (booked.overrun, booked.remaining) == (False, 0)

    @pytest.mark.parametrize("amount", [-1, 2**53 + 1, True, 1.5])
    async def test_an_amount_that_is_no_amount_is_not_booked(self, open_book: OpenBook, amount: int) -> None:
        book = await open_book({"alice": None})
        hold = await _hold(book)
        with pytest.raises(Invalid):
            await book.settle(hold, _charging(amount), None)
        assert (await book.settle(hold, _charging(1), None)).amount == 1

    async def test_a_keyed_success_is_replayed_byte_for_byte(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold})
        call = make_call(id="key-1", keyed=True)
        hold = await _hold(book, call)
        booked = await book.settle(hold, make_outcome(), _answer(hold))
        replay = await book.reserve(call, PLAN)
        assert isinstance(replay, Replay)
        assert (replay.status, replay.stream, tuple(replay.chunks)) == (200, False, (b'{"a":', b"1}"))
        assert [tuple(header) for header in replay.headers] == [(b"content-type", b"application/json")]
        assert (replay.execution, replay.booked) == (hold.execution, booked)

    async def test_a_key_of_another_request_is_refused_with_422(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": None})
        hold = await _hold(book, make_call(id="key-1", keyed=True))
        other = make_call({"model": "other"}, id="key-1", keyed=True)
        assert await _code(book, other) == (422, "idempotency_mismatch")
        await book.settle(hold, make_outcome(), _answer(hold))
        assert await _code(book, other) == (422, "idempotency_mismatch")

    async def test_keys_of_two_agents_do_not_meet(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": None, "bob": None})
        first = await _hold(book, make_call(id="key-1", keyed=True))
        second = await _hold(book, make_call({"b": 1}, id="key-1", keyed=True, principal=make_principal("bob")))
        assert first.execution != second.execution

    async def test_an_equal_call_in_flight_is_awaited_and_replayed(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold})
        call = make_call(id="key-1", keyed=True)
        hold = await _hold(book, call)
        replays: list[Hold | Replay] = []

        async def ask() -> None:
            replays.append(await book.reserve(call, PLAN))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert replays == []
            await book.settle(hold, make_outcome(), _answer(hold))
        assert [isinstance(replay, Replay) for replay in replays] == [True] * 4

    async def test_a_failure_frees_its_key(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold})
        call = make_call(id="key-1", keyed=True)
        first = await _hold(book, call)
        await book.settle(first, _failure(), None)
        assert (await _hold(book, call)).execution != first.execution

    async def test_whoever_waits_for_a_failure_tries_anew(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold})
        call = make_call(id="key-1", keyed=True)
        first = await _hold(book, call)
        second: list[Hold | Replay] = []

        async def ask() -> None:
            second.append(await book.reserve(call, PLAN))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked(0.02)
            await book.settle(first, _failure(), None)
        assert isinstance(second[0], Hold)

    async def test_calls_without_a_key_are_never_taken_for_one(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": None})
        first = await _hold(book, make_call())
        await book.settle(first, make_outcome(), _answer(first))
        assert (await _hold(book, make_call())).execution != first.execution

    async def test_a_retry_joins_one_attempt_that_was_not_delivered(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": None})
        first = await _hold(book, make_call())
        await book.settle(first, make_outcome(), _answer(first))
        book.delivered(first.execution, False)
        retry = make_call(retry_count=1)
        assert isinstance(await book.reserve(retry, PLAN), Replay)
        assert isinstance(await book.reserve(retry, PLAN), Hold)

    async def test_a_retry_joins_an_attempt_in_flight(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold})
        first = await _hold(book, make_call())
        seen: list[Hold | Replay] = []

        async def retry() -> None:
            seen.append(await book.reserve(make_call(retry_count=1), PLAN))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(retry)
            await trio.testing.wait_all_tasks_blocked(0.02)
            await book.settle(first, make_outcome(), _answer(first))
        assert isinstance(seen[0], Replay)

    async def test_a_retry_after_a_delivered_answer_is_a_new_call(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": None})
        first = await _hold(book, make_call())
        await book.settle(first, make_outcome(), _answer(first))
        book.delivered(first.execution, True)
        assert isinstance(await book.reserve(make_call(retry_count=1), PLAN), Hold)

    async def test_a_cancelled_reservation_holds_nothing(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold})
        with trio.CancelScope() as scope:
            scope.cancel()
            await book.reserve(make_call(), PLAN)
        assert scope.cancelled_caught
        await _hold(book)

    async def test_a_cancelled_settlement_is_booked_all_the_same(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": PLAN.hold})
        hold = await _hold(book)
        with trio.CancelScope() as scope:
            scope.cancel()
            await book.settle(hold, _charging(PLAN.hold), None)
        assert (await book.settle(hold, _charging(1), None)).amount == PLAN.hold
        assert await _code(book, make_call()) == (402, "insufficient_budget")

    async def test_a_failed_attempt_that_may_have_been_charged_is_held_beside_the_next(
        self, open_book: OpenBook
    ) -> None:
        book = await _retrying(open_book, {"alice": 2 * PLAN.hold})
        first = await _hold(book)
        hold = await book.retry(first, make_attempt(extra=PLAN.hold))
        assert (hold.execution, hold.amount) == (first.execution, 2 * PLAN.hold)
        assert await _code(book, make_call()) == (402, "insufficient_budget")
        booked = await book.settle(hold, _charging(2 * PLAN.hold), None)
        assert (booked.amount, booked.remaining, booked.overrun) == (2 * PLAN.hold, 0, False)

    async def test_a_failed_attempt_that_cost_nothing_holds_nothing_more(self, open_book: OpenBook) -> None:
        book = await _retrying(open_book, {"alice": PLAN.hold})
        hold = await book.retry(await _hold(book), make_attempt(extra=0))
        assert hold.amount == PLAN.hold
        assert (await book.settle(hold, _charging(1), None)).remaining == PLAN.hold - 1

    async def test_an_attempt_beyond_the_budget_is_refused_and_changes_nothing(self, open_book: OpenBook) -> None:
        book = await _retrying(open_book, {"team": 2 * PLAN.hold - 1, "alice": None}, {"alice": "team"})
        hold = await _hold(book)
        with pytest.raises(Refused) as caught:
            await book.retry(hold, make_attempt(extra=PLAN.hold))
        assert (caught.value.status, caught.value.code) == (402, "insufficient_budget")
        assert (await book.settle(hold, _failure(), None)).remaining == 2 * PLAN.hold - 1

    async def test_an_execution_that_has_ended_has_no_further_attempt(self, open_book: OpenBook) -> None:
        book = await _retrying(open_book, {"alice": None})
        hold = await _hold(book)
        await book.settle(hold, make_outcome(), None)
        with pytest.raises(Refused) as caught:
            await book.retry(hold, make_attempt(extra=0))
        assert (caught.value.status, caught.value.code) == (409, "execution_ended")

    async def test_a_refusal_can_be_recorded(self, open_book: OpenBook) -> None:
        book = await open_book({"alice": None})
        receipt = await book.deny(make_call(), Refused("no", code="model_not_allowed", status=403))
        assert receipt is None or receipt.seq > 0
