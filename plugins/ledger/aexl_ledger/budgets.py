"""What an agent may still spend, along its whole chain of parents. Pure.

A hold counts against every budget until it is settled, and a cost counts in the
day and month in which it is *settled*: so ``spent + reserved <= budget`` holds
in whichever window is current at any moment, and no old window needs keeping.
"""

from __future__ import annotations

from collections.abc import Iterator

from aexl.api.money import MAX_AMOUNT, PICOS, format_usd, round_up
from aexl.api.records import Plan
from aexl.errors import Refused
from aexl_ledger.operations import Draft
from aexl_ledger.state import AgentRow, WindowRow
from aexl_ledger.windows import bounds

_PERIODS = {"day": "daily", "month": "monthly"}


def tightest(agent: AgentRow, now: int) -> tuple[int, str, str]:
    """Return what the tightest budget has left, perhaps below 0, whose it is, and which of theirs.

    Without any budget, what the largest amount leaves.
    """
    least, name, which = MAX_AMOUNT, agent.name, ""
    for each in agent.chain:
        reserved = each.reserved
        left = (MAX_AMOUNT if each.budget is None else each.budget) - each.spent - reserved
        if left < least:
            least, name, which = left, each.name, "total"
        if each.day is not None or each.month is not None:
            for window in each.windows():
                left = window.budget - (0 if now >= window.end else window.spent) - reserved
                if left < least:
                    least, name, which = left, each.name, _PERIODS[window.period]
    return least, name, which


def left(agent: AgentRow, now: int) -> int | None:
    """Return what the tightest budget has left, perhaps below 0; ``None`` where the chain has no budget."""
    for each in agent.chain:
        if each.budget is not None or each.day is not None or each.month is not None:
            return tightest(agent, now)[0]
    return None


def fit(agent: AgentRow, plan: Plan, clamp: bool, now: int) -> tuple[int, int]:
    """Return the hold and the output bound that the budgets allow.

    Raises:
        Refused: 402, naming the budget that is too small.
    """
    hold = plan.hold
    if hold == 0:
        return 0, plan.output_bound  # costs nothing, and so needs no budget
    left, name, which = tightest(agent, now)
    if hold <= left:
        return hold, plan.output_bound
    if clamp and plan.output_price > 0:
        bound = (left - plan.fixed) * PICOS // plan.output_price
        if bound >= plan.output_floor:
            return plan.fixed + round_up(bound * plan.output_price), bound
    least = f", more than is left even if it is cut to {plan.output_floor} output tokens" if clamp else ""
    raise Refused(
        f"the {which} budget of {name} has {format_usd(max(0, left))} USD left, "
        f"and this call may cost up to {format_usd(hold)} USD{least}: "
        "ask for fewer output tokens, or raise the budget",
        code="insufficient_budget",
        status=402,
    )


def roll(agent: AgentRow, now: int) -> list[Draft]:
    """Return the events that begin new windows where one has ended, along the chain; mostly none."""
    drafts: list[Draft] = []
    for each in agent.chain:
        if each.day is not None or each.month is not None:
            drafts.extend(_roll_windows(each, now))
    return drafts


def _roll_windows(agent: AgentRow, now: int) -> Iterator[Draft]:
    for window in agent.windows():
        if window.start <= now < window.end:
            continue
        start, end = bounds(now, agent.timezone, window.period)
        if now >= window.end:
            yield begin_window(agent, window, start, end, 0)
        elif end < window.start:
            # The clock was far ahead and has been put right: money that was spent stays spent. A clock that is
            # only behind the window's beginning stays in the window, or going to and fro would make money.
            yield begin_window(agent, window, start, end, window.spent)


def begin_window(agent: AgentRow, window: WindowRow, start: int, end: int, carried: int) -> Draft:
    """Return the event that a window begins with ``carried`` nano-dollars spent."""
    data = {"period": window.period, "start": start, "end": end, "carried": carried}
    return ("agent.window", agent.name, data)
