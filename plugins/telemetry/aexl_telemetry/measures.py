"""Histograms and sums that are counted here and exported as they stand. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from aexl_telemetry.otlp import CUMULATIVE, Json, Value, attributes

SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS: Final = tuple(4**power for power in range(14))
"""The buckets that the conventions ask for."""

MOST_SERIES: Final = 2000
"""Series of one measure (the specification's limit); what is beyond is counted in one that says so."""

_OVERFLOW: Final = (("otel.metric.overflow", True),)

T = TypeVar("T")

Key = tuple[tuple[str, Value], ...]


class Histogram:
    """Counts of observations by upper bound, for each set of attributes."""

    def __init__(self, name: str, unit: str, description: str, bounds: tuple[float, ...]) -> None:
        self.name = name
        self._about = {"name": name, "description": description, "unit": unit}
        self._bounds = bounds
        self._series: dict[Key, list[float]] = {}

    def record(self, value: float, labels: Mapping[str, Value]) -> None:
        """Count one observation."""
        empty = [*([0.0] * (len(self._bounds) + 1)), 0.0, value, value]
        series = _series(self._series, labels, empty)
        series[bisect_left(self._bounds, value)] += 1
        series[-3] += value
        series[-2] = min(series[-2], value)
        series[-1] = max(series[-1], value)

    def export(self, start: int, now: int) -> Json:
        """Return the metric; times in nanoseconds since 1970."""
        points = list(self._points(start, now))
        return {**self._about, "histogram": {"dataPoints": points, "aggregationTemporality": CUMULATIVE}}

    def _points(self, start: int, now: int) -> Iterator[Json]:
        for key, series in self._series.items():
            counts = [int(count) for count in series[:-3]]
            yield {
                "startTimeUnixNano": str(start),
                "timeUnixNano": str(now),
                "count": str(sum(counts)),
                "sum": series[-3],
                "bucketCounts": [str(count) for count in counts],
                "explicitBounds": [float(bound) for bound in self._bounds],
                "attributes": attributes(dict(key)),
                "min": series[-2],
                "max": series[-1],
            }

    def __len__(self) -> int:
        return len(self._series)


class Sum:
    """A whole number that only grows, for each set of attributes."""

    def __init__(self, name: str, unit: str, description: str) -> None:
        self.name = name
        self._about = {"name": name, "description": description, "unit": unit}
        self._series: dict[Key, list[int]] = {}

    def add(self, value: int, labels: Mapping[str, Value]) -> None:
        """Add to the number."""
        _series(self._series, labels, [0])[0] += value

    def export(self, start: int, now: int) -> Json:
        """Return the metric; times in nanoseconds since 1970."""
        times = {"startTimeUnixNano": str(start), "timeUnixNano": str(now)}
        points = [
            {**times, "asInt": str(series[0]), "attributes": attributes(dict(key))}
            for key, series in self._series.items()
        ]
        return {
            **self._about,
            "sum": {"dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": True},
        }

    def __len__(self) -> int:
        return len(self._series)


def _series(known: dict[Key, T], labels: Mapping[str, Value], empty: T) -> T:
    key = tuple(labels.items())
    if key not in known and len(known) >= MOST_SERIES - 1:
        key = _OVERFLOW
    return known.setdefault(key, empty)
