"""How targets have done lately, and the order in which that puts them. Pure but for the clock and the dice it is given."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from aexl.api import Ending, Outcome, Sample
from aexl_catalog.entries import Entry
from aexl_catalog.routing.breaker import Breaker, BreakerState

Balance = Literal["order", "weight", "latency"]

Key: TypeAlias = tuple[str, str]
"""A provider's name, and its name of a model."""

SMOOTHING: Final = 0.2
"""The share of the latest answer in a target's mean time to the first byte."""

_KEPT: Final = 1024
"""Targets that are remembered; callers choose the names of shipped models."""

_STATES: Final[tuple[BreakerState, ...]] = ("closed", "half-open", "open")
_OWN: Final = frozenset({401, 402, 403, 404, 408, 429})
"""What a target answers for reasons of its own, beside every status from 500 on."""


class _Target:
    __slots__ = ("breaker", "failures", "first_byte")

    def __init__(self, breaker: Breaker) -> None:
        self.breaker = breaker
        self.failures = 0
        self.first_byte: float | None = None


class Health:
    """What is known of targets.

    Args:
        failures: In a row, that open a target's breaker; 0 means never.
        seconds: For which it is open.
        clock: Only goes forward, in seconds.
        chance: Returns numbers from 0 up to 1.
    """

    def __init__(
        self,
        failures: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._failures = failures
        self._seconds = seconds
        self._clock = clock
        self._chance = chance
        self._targets: dict[Key, _Target] = {}

    def follow(self, failures: int, seconds: float) -> None:
        """Take over the settings of a new configuration; what is known is forgotten where they changed."""
        if (failures, seconds) != (self._failures, self._seconds):
            self._failures, self._seconds = failures, seconds
            self._targets.clear()

    def arrange(self, entries: Sequence[Entry], balance: Balance) -> Sequence[Entry]:
        """Return the targets of a call, best first; those with an open breaker come last, and are not left out."""
        if len(entries) < 2:
            return entries
        now = self._clock()
        ordered: Sequence[Entry] = entries
        if balance == "weight":
            ordered = sorted(entries, key=self._draw)
        elif balance == "latency":
            ordered = sorted(entries, key=self._first_byte)
        admitted = [entry for entry in ordered if self._admits(entry, now)]
        if admitted and (found := self._targets.get(_key(admitted[0]))) is not None:
            found.breaker.probe(now)
        if len(admitted) == len(ordered):
            return ordered
        return [*admitted, *(entry for entry in ordered if entry not in admitted)]

    def report(self, outcome: Outcome) -> None:
        """Learn how a target did."""
        ending, status = outcome.ending, outcome.status
        key = outcome.target.provider, outcome.target.model
        if ending is Ending.LEFT:
            return  # the client's doing
        if ending is Ending.REJECTED and status is not None and status not in _OWN and status < 500:
            ending = Ending.COMPLETED  # the caller's doing, well answered
        if ending is Ending.COMPLETED:
            target = self._targets.get(key) or self._remember(key)
            target.breaker.succeeded()
            if outcome.first_byte is not None:
                mean = target.first_byte
                own = outcome.first_byte
                target.first_byte = own if mean is None else mean + SMOOTHING * (own - mean)
            return
        target = self._targets.get(key) or self._remember(key)
        target.failures += 1
        target.breaker.failed(self._clock(), outcome.retry_after)

    def describe(self, entry: Entry) -> str:
        """Return what there is to say of a target: empty where nothing is known, else one phrase."""
        target = self._targets.get(_key(entry))
        if target is None:
            return ""
        now = self._clock()
        state = target.breaker.state(now)
        if state == "open":
            return f"left alone for {target.breaker.left(now):.0f} s after {target.failures} failures"
        if state == "half-open":
            return f"tried again after {target.failures} failures"
        return "answers" if target.first_byte is None else f"answers within {target.first_byte:.2f} s"

    def samples(self) -> Iterator[Sample]:
        """Return what ``/metrics`` shows."""
        now = self._clock()
        for (provider, model), target in sorted(self._targets.items()):
            labels = {"provider": provider, "model": model}
            state = target.breaker.state(now)
            text = "State of a target's circuit breaker: 0 closed, 1 half-open, 2 open."
            yield Sample(name="aexl_target_breaker", kind="gauge", help=text, value=_STATES.index(state), labels=labels)
            text = "How often a target's circuit breaker has opened."
            opened = target.breaker.opened
            yield Sample(
                name="aexl_target_breaker_opened_total", kind="counter", help=text, value=opened, labels=labels
            )
            text = "Attempts at a target that failed for reasons of its own."
            yield Sample(
                name="aexl_target_failures_total", kind="counter", help=text, value=target.failures, labels=labels
            )
            if target.first_byte is not None:
                text = "Mean time of a target to the first byte, the latest answers counting most."
                yield Sample(
                    name="aexl_target_first_byte_seconds",
                    kind="gauge",
                    help=text,
                    value=target.first_byte,
                    labels=labels,
                )

    def _draw(self, entry: Entry) -> float:
        # Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006): the order of these keys
        # is a random order in which each target comes first as often as its weight says.
        chance = self._chance()
        return -(chance ** (1 / entry.weight)) if entry.weight else 1 - chance

    def _first_byte(self, entry: Entry) -> float:
        """Return a target's mean; one that is not known yet is tried first."""
        target = self._targets.get(_key(entry))
        return -1.0 if target is None or target.first_byte is None else target.first_byte

    def _admits(self, entry: Entry, now: float) -> bool:
        target = self._targets.get(_key(entry))
        return target is None or target.breaker.admits(now)

    def _remember(self, key: Key) -> _Target:
        if len(self._targets) >= _KEPT:
            self._targets.clear()
        found = self._targets[key] = _Target(Breaker(self._failures, self._seconds))
        return found


def _key(entry: Entry) -> Key:
    return entry.provider, entry.provider_model
