"""A book in memory that keeps every promise of a book."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
import trio
import trio.testing

from aexl.api import (
    Attempt,
    Booked,
    Call,
    Ending,
    Hold,
    Outcome,
    Plan,
    Receipt,
    Replay,
    uuid7,
)
from aexl.errors import Invalid, Refused

MAX_AMOUNT = 2**53


RETRY_WINDOW_SECONDS = 120.0


class _Account:
    def __init__(self, budget: int | None, parent: _Account | None) -> None:
        self.budget = MAX_AMOUNT if budget is None else budget
        self.limited = budget is not None
        self.parent = parent
        self.spent = 0
        self.reserved = 0
        self.frozen = False

    def chain(self) -> list[_Account]:
        return [self, *(self.parent.chain() if self.parent else [])]

    def left(self) -> int:
        return min(account.budget - account.spent - account.reserved for account in self.chain())

    def remaining(self) -> int | None:
        return max(0, self.left()) if any(account.limited for account in self.chain()) else None


class _Attempt:
    def __init__(self, call: Call, hold: Hold) -> None:
        self.call = call
        self.hold = hold
        self.began = trio.current_time()
        self.ended = trio.Event()
        self.success = False
        self.answer: Replay | None = None
        self.delivered = False
        self.joined = False


class FakeBook:
    """A book in memory: budgets, parents, claims and replays, without a ledger.

    Agents that it was not told of have no budget.

    Attributes:
        seen: What was asked of it, in order: ``reserve``, ``settle``, ``deny``, ``delivered``.
        reserved: Every hold it gave.
        settled: Every settlement it booked, without repeated ones.
        denied: Every refusal it was told of.
        retried: Every failed attempt it was told of.
        deliveries: What ``delivered`` heard.
    """

    name = "fake"

    def __init__(
        self, budgets: Mapping[str, int | None] | None = None, parents: Mapping[str, str] | None = None
    ) -> None:
        self.seen: list[str] = []
        self.reserved: list[Hold] = []
        self.settled: list[tuple[Hold, Outcome, Replay | None]] = []
        self.denied: list[tuple[Call, Refused]] = []
        self.retried: list[Attempt] = []
        self.deliveries: list[tuple[str, bool]] = []
        self._accounts: dict[str, _Account] = {}
        self._attempts: dict[str, _Attempt] = {}
        self._booked: dict[str, Booked] = {}
        self._claims: dict[tuple[str, str | bytes], _Attempt] = {}
        self._seq = 0
        for name, budget in (budgets or {}).items():
            parent = (parents or {}).get(name)
            self._accounts[name] = _Account(budget, self._accounts[parent] if parent else None)

    async def reserve(self, call: Call, plan: Plan) -> Hold | Replay:
        await trio.lowlevel.checkpoint()
        self.seen.append("reserve")
        earlier = self._find(call)
        while earlier is not None:
            await earlier.ended.wait()
            if earlier.answer is not None and earlier.success:
                return earlier.answer
            earlier = self._find(call)
        account = self._accounts.setdefault(call.principal.agent, _Account(None, None))
        if account.frozen:
            raise Refused("the agent is frozen", code="agent_not_ready", status=423)
        amount, bound = _fit(call, plan, account.left())
        for each in account.chain():
            each.reserved += amount
        hold = Hold(execution=uuid7(), amount=amount, output_bound=bound, receipt=self._receipt())
        attempt = _Attempt(call, hold)
        self._attempts[hold.execution] = attempt
        self._claims[_claim(call)] = attempt
        self.reserved.append(hold)
        return hold

    async def settle(self, hold: Hold, outcome: Outcome, answer: Replay | None) -> Booked:
        self.seen.append("settle")
        if hold.execution in self._booked:
            return self._booked[hold.execution]
        charge = outcome.charge
        _check(charge.amount, "a charge")
        attempt = self._attempts[hold.execution]
        account = self._accounts[attempt.call.principal.agent]
        amount = charge.amount if charge.state == "committed" else 0
        for each in account.chain():
            each.reserved -= attempt.hold.amount
            each.spent += amount
        overrun = amount > attempt.hold.amount
        account.frozen = account.frozen or overrun
        booked = Booked(
            execution=hold.execution,
            receipt=self._receipt(),
            amount=amount,
            estimated=charge.estimated,
            remaining=account.remaining(),
            overrun=overrun,
        )
        self._booked[hold.execution] = booked
        self.settled.append((hold, outcome, answer))
        attempt.success = outcome.ending == Ending.COMPLETED and outcome.status is not None and outcome.status < 300
        attempt.answer = answer and msgspec.structs.replace(answer, execution=hold.execution, booked=booked)
        if attempt.call.keyed and not attempt.success:
            self._claims.pop(_claim(attempt.call), None)
        attempt.ended.set()
        await trio.lowlevel.checkpoint()
        return booked

    async def retry(self, hold: Hold, attempt: Attempt) -> Hold:
        await trio.lowlevel.checkpoint()
        self.seen.append("retry")
        extra = attempt.extra
        _check(extra, "what an attempt may have cost")
        if hold.execution in self._booked:
            raise Refused("the execution has ended", code="execution_ended", status=409)
        known = self._attempts[hold.execution]
        account = self._accounts[known.call.principal.agent]
        if extra > account.left():
            raise Refused("there is not enough left for another attempt", code="insufficient_budget", status=402)
        for each in account.chain():
            each.reserved += extra
        known.hold = msgspec.structs.replace(known.hold, amount=known.hold.amount + extra)
        self.retried.append(attempt)
        return known.hold

    async def deny(self, call: Call, refused: Refused) -> Receipt | None:
        await trio.lowlevel.checkpoint()
        self.seen.append("deny")
        self.denied.append((call, refused))
        account = self._accounts.get(call.principal.agent)
        refused.remaining = account.remaining() if account else None
        return self._receipt()

    def delivered(self, execution: str, complete: bool) -> None:
        self.seen.append("delivered")
        self.deliveries.append((execution, complete))
        if complete and execution in self._attempts:
            self._attempts[execution].delivered = True

    def _find(self, call: Call) -> _Attempt | None:
        attempt = self._claims.get(_claim(call))
        if attempt is None:
            return None
        if call.keyed:
            if attempt.call.fingerprint != call.fingerprint:
                raise Refused("the key belongs to another request", code="idempotency_mismatch", status=422)
            if attempt.ended.is_set() and attempt.answer is None:
                raise Refused("the answer was not kept", code="answer_not_kept", status=409)
            return attempt
        failed = attempt.ended.is_set() and not (attempt.success and attempt.answer)
        late = trio.current_time() - attempt.began > RETRY_WINDOW_SECONDS
        if call.retry_count < 1 or attempt.delivered or attempt.joined or failed or late:
            return None
        attempt.joined = True
        return attempt if not attempt.ended.is_set() or attempt.answer else None

    def _receipt(self) -> Receipt:
        self._seq += 1
        return Receipt(seq=self._seq, hash=hashlib.sha256(str(self._seq).encode()).hexdigest())


def _claim(call: Call) -> tuple[str, str | bytes]:
    return call.principal.agent, call.id if call.keyed else call.fingerprint


def _check(amount: int, what: str) -> None:
    if type(amount) is not int or not 0 <= amount <= MAX_AMOUNT:
        raise Invalid(f"{what} must be a whole number from 0 to 2^53, not {amount!r}")


def _fit(call: Call, plan: Plan, left: int) -> tuple[int, int]:
    _check(plan.hold, "a hold")
    if plan.hold == 0 or plan.hold <= left:
        return plan.hold, plan.output_bound
    if call.principal.limits.clamp and plan.output_price:
        bound = (left - plan.fixed) * 1000 // plan.output_price
        if bound >= plan.output_floor:
            return plan.fixed - (-bound * plan.output_price // 1000), bound
    agent = call.principal.agent
    raise Refused(f"{agent} has {left} left, not {plan.hold}", code="insufficient_budget", status=402)
