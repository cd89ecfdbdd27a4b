"""Operations on executions that are not the usual end: recover, release, deny, correct. Pure."""

# ruff: noqa: ARG002 - operations have one signature, whatever they need of it

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aexl.api.ids import uuid7
from aexl.api.records import Booked, Call, Ending, Receipt
from aexl.errors import Conflict, Invalid, NotFound, Refused
from aexl_ledger.budgets import left, roll
from aexl_ledger.executions import BookedBefore
from aexl_ledger.operations import Draft, Operation, check_amount, check_text
from aexl_ledger.outcomes import shorten
from aexl_ledger.state import State


class Recover(Operation["Booked | BookedBefore"]):
    """End an execution that nobody will end any more: its hold is booked, as an estimate.

    After a crash nobody knows whether the provider charged it; zero would be a lie.
    """

    __slots__ = ("_known", "_remaining", "execution")
    urgent = True

    def __init__(self, execution: str) -> None:
        self.execution = execution
        self._known = False
        self._remaining: int | None = None

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        row = state.open.get(self.execution)
        if row is None:
            self._known = True
            return ()
        agent = state.agents[row.agent]
        data: dict[str, Any] = {"agent": row.agent, "amount": row.hold, "estimated": 1, "reason": "recovered"}
        before = left(agent, now)
        if before is not None:
            self._remaining = max(0, before)
            data["remaining"] = self._remaining
        return [*roll(agent, now), ("execution.committed", self.execution, data)]

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Booked | BookedBefore:
        if self._known:
            return BookedBefore(self.execution)
        row = state.ended[self.execution]
        drop_claims(state, self.execution)
        return Booked(
            execution=self.execution,
            receipt=receipts[-1],
            amount=row.hold,
            estimated=True,
            remaining=self._remaining,
        )


class Release(Operation["Receipt | None"]):
    """Give a hold back whose call was never sent."""

    __slots__ = ("execution",)
    urgent = True

    def __init__(self, execution: str) -> None:
        self.execution = execution

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        row = state.open.get(self.execution)
        if row is None:
            return ()
        data = {"agent": row.agent, "ending": Ending.UNSENT.value, "estimated": 0, "reason": "unsent"}
        return (("execution.released", self.execution, data),)

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Receipt | None:
        drop_claims(state, self.execution)
        return receipts[0] if receipts else None


def drop_claims(state: State, execution: str) -> None:
    """Free the keys that name an execution which did not succeed."""
    for key, claim in state.claims.items():
        if claim.execution == execution and not claim.done:
            claim.dropped = True
            state.touched_claims[key] = claim


class Deny(Operation[Receipt]):
    """Record a refusal. Its sentence is not kept: a policy may have quoted the request in it."""

    __slots__ = ("call", "execution", "refused", "remaining")

    def __init__(self, call: Call, refused: Refused) -> None:
        self.call = call
        self.refused = refused
        self.execution = uuid7()
        self.remaining: int | None = None
        """Nano-dollars that the agent's tightest budget has left, once this has been done."""

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        call, refused = self.call, self.refused
        data: dict[str, Any] = {
            "agent": call.principal.agent,
            "token": call.principal.token_id,
            "surface": call.surface,
            "model": shorten(call.model),
            "code": shorten(refused.code),
            "status": refused.status,
        }
        if refused.param is not None:
            data["param"] = shorten(refused.param)
        if call.principal.labels:
            data["labels"] = dict(call.principal.labels)
        return (("execution.denied", self.execution, data),)

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Receipt:
        agent = state.agents.get(self.call.principal.agent)
        before = None if agent is None else left(agent, now)
        self.remaining = None if before is None else max(0, before)
        return receipts[0]


class Correct(Operation[Receipt]):
    """Book what an invoice says instead of what was booked."""

    __slots__ = ("cost", "execution", "reason")

    def __init__(self, execution: str, cost: int, reason: str) -> None:
        self.execution = execution
        self.cost = cost
        self.reason = reason

    def ended(self) -> str | None:
        return self.execution

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        check_amount(self.cost, "a cost")
        if not check_text(self.reason, "a reason", 500).strip():
            raise Invalid("a correction needs a reason, such as the number of the invoice")
        row = state.ended.get(self.execution)
        if row is None:
            if self.execution in state.open:
                raise Conflict(f"the execution {self.execution} has not been settled yet")
            raise NotFound(f"there is no execution {self.execution!r}")
        if row.state == "denied":
            raise Conflict(f"the execution {self.execution} was denied: it never ran, and cost nothing")
        was = row.corrected if row.corrected is not None else row.cost
        data = {"agent": row.agent, "amount": self.cost, "was": was, "reason": self.reason}
        return [*roll(state.agents[row.agent], now), ("execution.corrected", self.execution, data)]

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Receipt:
        return receipts[-1]
