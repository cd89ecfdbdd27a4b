"""The operation between reserve and settle: one attempt of a call failed, and another one follows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aexl.api.money import format_usd
from aexl.api.records import Attempt, Hold, Receipt
from aexl.errors import Refused
from aexl_ledger.budgets import tightest
from aexl_ledger.lifecycle import not_ready
from aexl_ledger.operations import Draft, Operation, check_amount
from aexl_ledger.outcomes import shorten
from aexl_ledger.state import State
from aexl_ledger.windows import MICROS


class Retry(Operation[Hold]):
    """Record a failed attempt; where it may have been charged, hold as much again for the next."""

    __slots__ = ("attempt", "hold")
    quick = True

    def __init__(self, hold: Hold, attempt: Attempt) -> None:
        self.hold = hold
        self.attempt = attempt

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        execution, attempt = self.hold.execution, self.attempt
        row = state.open.get(execution)
        if row is None:
            raise Refused(f"the execution {execution} has ended already", code="execution_ended", status=409)
        agent = state.agents[row.agent]
        refused = not_ready(agent)
        if refused is not None:
            raise refused
        extra = check_amount(attempt.extra, "what an attempt may have cost")
        left, name, which = tightest(agent, now)
        if extra > max(0, left):
            raise Refused(
                f"an attempt of this call may have cost {format_usd(extra)} USD, and the {which} budget of "
                f"{name} has {format_usd(max(0, left))} USD left for another: raise the budget",
                code="insufficient_budget",
                status=402,
            )
        target = attempt.target
        data: dict[str, Any] = {
            "agent": agent.name,
            "number": attempt.number,
            "provider": target.provider,
            "provider_model": shorten(target.model),
            "ending": attempt.ending.value,
            "code": shorten(attempt.code),
            "micros": round(attempt.seconds * MICROS),
            "hold": extra,
        }
        if attempt.status is not None:
            data["status"] = attempt.status
        return (("execution.attempted", execution, data),)

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Hold:  # noqa: ARG002 - as every operation
        hold = self.hold
        amount = state.open[hold.execution].hold
        return Hold(execution=hold.execution, amount=amount, output_bound=hold.output_bound, receipt=hold.receipt)
