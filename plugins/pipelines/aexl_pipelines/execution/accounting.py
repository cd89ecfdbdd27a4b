"""What a run may use and has used; what child runs use counts for those above them too. Pure."""

from __future__ import annotations

from aexl.api.money import NANOS, Usage
from aexl.api.runners import RunnerError
from aexl_pipelines.journal.records import total, total_usage
from aexl_pipelines.language.parts import Budget


class Account:
    """The spending of one run, or of a step with a budget that others are within.

    Args:
        budget: What it may use; ``time`` is kept elsewhere.
        parent: The account of the run, or the step, that it is within.
        what: What messages call the budget.
    """

    def __init__(
        self, budget: Budget | None = None, parent: Account | None = None, *, what: str = "the run's budget"
    ) -> None:
        self._what = what
        self.budget = budget or Budget()
        self.usage: Usage | None = None
        self.cost: int | None = None
        self.turns = 0
        self._parent = parent

    def start(self, usage: Usage | None, cost: int | None, turns: int) -> None:
        """Begin with what was used before, which those above know of."""
        self.usage, self.cost, self.turns = usage, cost, turns

    def add(self, usage: Usage | None, cost: int | None, turns: int) -> None:
        """Count what was used, here and above."""
        self.usage = total_usage((self.usage, usage))
        self.cost = total((self.cost, cost))
        self.turns += turns
        if self._parent is not None:
            self._parent.add(usage, cost, turns)

    def exceeded(
        self, *, ahead: bool = False, usage: Usage | None = None, cost: int | None = None
    ) -> RunnerError | None:
        """Return which budget is used up, here or above.

        Args:
            ahead: Something more is to begin: a budget that is used up exactly is used up.
            usage: What is being used at the moment beside what was counted; ``cost`` likewise.
        """
        found = _over(
            self.budget,
            tokens=tokens_of(total_usage((self.usage, usage))),
            cost=total((self.cost, cost)) or 0,
            turns=self.turns,
            ahead=ahead,
        )
        if found is not None:
            return RunnerError(kind="budget", message=f"{self._what} {found}")
        return self._parent.exceeded(ahead=ahead, usage=usage, cost=cost) if self._parent is not None else None

    def left(self) -> Budget:
        """Return the least that is left, here or above; ``None`` for what has no limit."""
        above = self._parent.left() if self._parent is not None else Budget()
        own = self.budget
        return Budget(
            usd=_least(_rest(own.usd, self.cost or 0), above.usd),
            tokens=_least(_rest(own.tokens, tokens_of(self.usage)), above.tokens),
            turns=_least(_rest(own.turns, self.turns), above.turns),
        )


def step_exceeded(budget: Budget | None, usage: Usage | None, cost: int | None, turns: int) -> RunnerError | None:
    """Return which budget of a step is overdrawn."""
    if budget is None:
        return None
    found = _over(budget, tokens=tokens_of(usage), cost=cost or 0, turns=turns, ahead=False)
    return RunnerError(kind="budget", message=f"the step's budget {found}") if found else None


def tokens_of(usage: Usage | None) -> int:
    """Return input and output tokens together."""
    return usage.input_total + usage.output_tokens if usage is not None else 0


def _over(budget: Budget, *, tokens: int, cost: int, turns: int, ahead: bool) -> str | None:
    checks = (
        (budget.usd, cost, "USD", NANOS),
        (budget.tokens, tokens, "tokens", 1),
        (budget.turns, turns, "turns", 1),
    )
    for limit, used, unit, scale in checks:
        if limit is not None and (used > limit or (ahead and used >= limit)):
            return f"of {limit / scale:g} {unit} is used up ({used / scale:g})"
    return None


def _rest(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
