"""The metrics of the conventions, and what calls cost. Pure."""

from __future__ import annotations

from aexl.api import CallDenied, CallSettled
from aexl_telemetry.answers import Answered
from aexl_telemetry.conventions import error_type, operation, provider
from aexl_telemetry.measures import SECONDS, TOKENS, Histogram, Sum
from aexl_telemetry.otlp import Json, Value


class Meters:
    """Counts calls, whether their traces are sampled or not.

    Args:
        start: When counting began, in nanoseconds since 1970.
    """

    def __init__(self, start: int) -> None:
        self._start = start
        self._tokens = Histogram(
            "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", TOKENS
        )
        self._duration = Histogram("gen_ai.client.operation.duration", "s", "GenAI operation duration.", SECONDS)
        self._first = Histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Time to the first chunk of a stream.", SECONDS
        )
        self._cost = Sum("aexl.cost", "{nUSD}", "What was booked, in billionths of a US dollar.")
        self._denied = Sum("aexl.calls.denied", "{call}", "Calls that were refused, by the rule's code.")

    def settled(self, event: CallSettled, answered: Answered) -> None:
        """Count a call that was booked."""
        outcome = event.outcome
        labels: dict[str, Value] = {
            "gen_ai.operation.name": operation(event.call.surface),
            "gen_ai.provider.name": provider(outcome.target.provider),
            "gen_ai.request.model": outcome.target.model,
        }
        if answered.model:
            labels["gen_ai.response.model"] = answered.model
        error = error_type(outcome)
        self._duration.record(outcome.seconds, {**labels, "error.type": error} if error else labels)
        if event.call.stream and outcome.first_byte is not None:
            self._first.record(outcome.first_byte, labels)
        if outcome.usage is not None:
            self._tokens.record(outcome.usage.input_total, {**labels, "gen_ai.token.type": "input"})
            self._tokens.record(outcome.usage.output_tokens, {**labels, "gen_ai.token.type": "output"})
        self._cost.add(event.booked.amount, {**labels, "aexl.agent": event.call.principal.agent})

    def denied(self, event: CallDenied) -> None:
        """Count a call that was refused."""
        self._denied.add(1, {"aexl.code": event.refused.code, "aexl.agent": event.call.principal.agent})

    def export(self, now: int) -> list[Json]:
        """Return every metric that has something to say; ``now`` in nanoseconds since 1970."""
        every = (self._tokens, self._duration, self._first, self._cost, self._denied)
        return [measure.export(self._start, now) for measure in every if len(measure)]
