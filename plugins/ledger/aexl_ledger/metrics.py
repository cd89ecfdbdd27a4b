"""The ledger's numbers for ``/metrics``; all of it in the loop."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from aexl.api.money import NANOS
from aexl.api.offers import Sample
from aexl.api.records import Booked, Outcome
from aexl_ledger.driver import Balance

SECONDS: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Histogram:
    """Counts of values at most as large as each bound."""

    def __init__(self, name: str, help: str, bounds: tuple[float, ...]) -> None:
        self._name = name
        self._help = help
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._counts)

    def samples(self) -> Iterator[Sample]:
        """Return the histogram as Prometheus wants it."""
        total = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            label = "+Inf" if bound == float("inf") else repr(bound)
            yield self._sample("_bucket", total, {"le": label})
        yield self._sample("_sum", self._sum, {})
        yield self._sample("_count", total, {})

    def _sample(self, suffix: str, value: float, labels: dict[str, str]) -> Sample:
        return Sample(name=self._name, kind="histogram", help=self._help, value=value, labels=labels, suffix=suffix)


class Metrics:
    """What the book did since it started."""

    def __init__(self) -> None:
        self.commit = Histogram("aexl_ledger_commit_seconds", "Time to make a batch durable.", SECONDS)
        self.batch = Histogram("aexl_ledger_batch_operations", "Operations in one transaction.", SIZES)
        self.settled: dict[tuple[str, str], int] = {}
        self.denied: dict[str, int] = {}
        self.overruns = 0
        self.recovered = 0

    def hear_batch(self, commit_seconds: float | None, operations: int) -> None:
        """Count a batch; one that wrote nothing has no time."""
        if commit_seconds is not None:
            self.commit.add(commit_seconds)
            self.batch.add(operations)

    def hear_settlement(self, outcome: Outcome, booked: Booked) -> None:
        """Count a settlement by its kind."""
        charge = outcome.charge
        key = (charge.state, charge.reason)
        self.settled[key] = self.settled.get(key, 0) + 1
        self.overruns += booked.overrun

    def hear_denial(self, code: str) -> None:
        """Count a refusal by its code."""
        self.denied[code] = self.denied.get(code, 0) + 1

    def samples(self, waiting: int, balances: Iterable[Balance]) -> Iterator[Sample]:
        """Return all numbers; ``waiting`` operations are in the queue now."""
        yield from self.commit.samples()
        yield from self.batch.samples()
        yield Sample(name="aexl_ledger_queue", kind="gauge", help="Operations that wait for the ledger.", value=waiting)
        for (state, reason), count in self.settled.items():
            yield _counter("aexl_ledger_settlements_total", "Settlements by kind.", count, state=state, reason=reason)
        for code, count in self.denied.items():
            yield _counter("aexl_ledger_denials_total", "Refusals given to the ledger, by code.", count, code=code)
        yield _counter("aexl_ledger_overruns_total", "Calls that cost more than was set aside.", self.overruns)
        yield _counter(
            "aexl_ledger_recovered_total", "Executions whose hold was booked for want of an end.", self.recovered
        )
        for balance in balances:
            if balance.budget is not None:
                yield _gauge("aexl_agent_budget_usd", "Total budget.", balance.budget, balance.agent)
            yield _gauge("aexl_agent_spent_usd", "Spent, descendants included.", balance.spent, balance.agent)
            yield _gauge("aexl_agent_reserved_usd", "Held for running calls.", balance.reserved, balance.agent)


def _counter(name: str, help: str, value: int, **labels: str) -> Sample:
    return Sample(name=name, kind="counter", help=help, value=value, labels=labels)


def _gauge(name: str, help: str, nanos: int, agent: str) -> Sample:
    return Sample(name=name, kind="gauge", help=help, value=nanos / NANOS, labels={"agent": agent})
