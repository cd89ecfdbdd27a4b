"""What is booked for a call that ended: the table in DESIGN section 3. Pure."""

from __future__ import annotations

from typing import Final

from aexl.api import Charge, Ending, Hold, Plan, Target, Usage
from aexl.api.money import round_up

COMPLETED: Final = Ending.COMPLETED
"""How most calls end; a name of its own because Python 3.11 takes ten times as long to look an enum's member up."""


def charge(plan: Plan, hold: Hold, target: Target, ending: Ending, usage: Usage | None, delivered: int) -> Charge:
    """Return what to book.

    Args:
        ending: How the call ended.
        usage: What the provider reported. Of an answer that did not end it may
            be the beginning only: its input is believed, its output is a floor.
        delivered: The most output tokens that can have been delivered.
    """
    if ending is COMPLETED:
        if usage is None:
            return _bound(plan, hold, delivered, "no_usage")
        return Charge(state="committed", amount=target.price.cost(usage), estimated=False, reason="usage")
    match ending:
        case Ending.REJECTED | Ending.UNSENT:
            return Charge(state="released", amount=0, estimated=False, reason=ending.value)
        case Ending.LOST | Ending.CUT:
            return Charge(state="committed", amount=hold.amount, estimated=True, reason=ending.value)
        case Ending.LEFT if usage is not None:
            return _seen(hold, target, usage, delivered)
        case Ending.LEFT:
            return _bound(plan, hold, delivered, "left")


def with_lost(own: Charge, lost: int) -> Charge:
    """Return the charge of a call some of whose earlier attempts may have cost ``lost`` nano-dollars together."""
    amount = own.amount if own.state == "committed" else 0
    reason = own.reason if own.state == "committed" else Ending.LOST.value
    return Charge(state="committed", amount=amount + lost, estimated=True, reason=reason)


def _bound(plan: Plan, hold: Hold, delivered: int, reason: str) -> Charge:
    """Book the input bound and what was delivered, at the dearest price; never more than was held."""
    output = min(delivered, hold.output_bound)
    amount = min(plan.fixed + round_up(output * plan.output_price), hold.amount)
    return Charge(state="committed", amount=amount, estimated=True, reason=reason)


def _seen(hold: Hold, target: Target, usage: Usage, delivered: int) -> Charge:
    """Book the input that was reported and what was delivered."""
    rates = target.price.rates_for(usage)
    output = max(0, min(delivered, hold.output_bound) - usage.output_tokens)
    amount = target.price.cost(usage) + round_up(output * rates.dearest_output)
    return Charge(state="committed", amount=max(min(amount, hold.amount), 0), estimated=True, reason="left")
