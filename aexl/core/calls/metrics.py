"""Counting what the call path does, cheaply enough to do it for every call."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from aexl.api import Outcome, Sample

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper bounds of latency buckets: from a loopback model to the SDKs' own time limit of ten minutes."""


class Histogram:
    """Counts of observations by upper bound, as Prometheus has them."""

    def __init__(self, name: str, help_text: str, bounds: tuple[float, ...] = SECONDS) -> None:
        self.name = name
        self.help = help_text
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def samples(self) -> Iterable[Sample]:
        """Return cumulative buckets, sum and count."""
        reached = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            reached += count
            label = "+Inf" if bound == float("inf") else f"{bound:g}"
            yield self._sample("_bucket", reached, {"le": label})
        yield self._sample("_sum", self.total, {})
        yield self._sample("_count", reached, {})

    def _sample(self, suffix: str, value: float, labels: dict[str, str]) -> Sample:
        return Sample(name=self.name, kind="histogram", help=self.help, value=value, labels=labels, suffix=suffix)


class CallMetrics:
    """Admissions, denials by rule, settlements by kind, and how quick the upstream is."""

    def __init__(self) -> None:
        self.admitted = 0
        self.replayed = 0
        self.retried = 0
        self.denied: dict[str, int] = {}
        self._settled: dict[tuple[str, str, bool], int] = {}
        self._first_byte = Histogram("aexl_upstream_first_byte_seconds", "From dispatch to the head of the answer.")
        self._whole = Histogram("aexl_upstream_seconds", "From dispatch to the end of the answer.")

    def settled(self, outcome: Outcome) -> None:
        """Count a settlement."""
        key = (outcome.charge.state, outcome.charge.reason, outcome.charge.estimated)
        self._settled[key] = self._settled.get(key, 0) + 1
        self._whole.observe(outcome.seconds)
        if outcome.first_byte is not None:
            self._first_byte.observe(outcome.first_byte)

    def samples(self, in_flight: int) -> Iterable[Sample]:
        """Return everything for ``/metrics``."""
        yield Sample(
            name="aexl_calls_in_flight", kind="gauge", help="Calls between dispatch and settlement.", value=in_flight
        )
        yield Sample(
            name="aexl_admissions_total", kind="counter", help="Calls that were dispatched.", value=self.admitted
        )
        yield Sample(
            name="aexl_replays_total", kind="counter", help="Calls answered from the book.", value=self.replayed
        )
        text = "Attempts that failed, and were followed by another of the same call."
        yield Sample(name="aexl_retries_total", kind="counter", help=text, value=self.retried)
        for code, count in sorted(self.denied.items()):
            text = "Calls that were refused, by the code of the rule."
            yield Sample(name="aexl_denials_total", kind="counter", help=text, value=count, labels={"code": code})
        for (state, reason, estimated), count in sorted(self._settled.items()):
            labels = {"state": state, "reason": reason, "estimated": str(estimated).lower()}
            text = "Calls that were settled, by what was booked."
            yield Sample(name="aexl_settlements_total", kind="counter", help=text, value=count, labels=labels)
        yield from self._first_byte.samples()
        yield from self._whole.samples()
