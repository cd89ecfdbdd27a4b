"""What the recorder and the player have done, for ``/metrics`` and for whoever looks after the server."""

from __future__ import annotations

from collections.abc import Iterable

from aexl.api import Sample


class Counts:
    """Numbers of one server.

    Attributes:
        recorded: Exchanges written.
        discarded: Exchanges that passed and were not kept, by why.
        replayed: Answers given from recordings.
        missed: Requests without a recording.
    """

    def __init__(self) -> None:
        self.recorded = 0
        self.discarded = {"left": 0, "too_long": 0, "unwritable": 0}
        self.replayed = 0
        self.missed = 0

    def samples(self) -> Iterable[Sample]:
        """Return everything for ``/metrics``."""
        yield _counter("aexl_cassette_recorded_total", "Exchanges with providers that were recorded.", self.recorded)
        for reason, count in self.discarded.items():
            text = "Exchanges that passed and were not recorded, by why."
            yield _counter("aexl_cassette_discarded_total", text, count, reason=reason)
        yield _counter("aexl_cassette_replayed_total", "Answers that were replayed.", self.replayed)
        yield _counter("aexl_cassette_missed_total", "Requests that no recording answers.", self.missed)


def _counter(name: str, text: str, value: int, **labels: str) -> Sample:
    return Sample(name=name, kind="counter", help=text, value=value, labels=labels)
