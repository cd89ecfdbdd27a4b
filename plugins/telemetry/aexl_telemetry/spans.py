"""From what the host says of a call to a span of the conventions. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from aexl.api import Call, CallDenied, CallSettled, format_usd
from aexl.api.form import Form
from aexl.errors import Invalid
from aexl_telemetry.answers import Answered
from aexl_telemetry.content import Json, fit, input_messages
from aexl_telemetry.conventions import error_type, request_attributes, usage_attributes
from aexl_telemetry.otlp import KIND_CLIENT, STATUS_ERROR, Value, attributes
from aexl_telemetry.tracing import is_sampled, read_parent

_SAMPLED: Final = 1
_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200


class Spans:
    """Makes spans.

    Args:
        ratio: The share of traces without a parent that are exported.
        content_bytes: The most bytes of content in an attribute; ``None`` attaches none.
        new_id: Returns so many random bytes, hexadecimal.
    """

    def __init__(
        self, ratio: float, content_bytes: int | None, new_id: Callable[[int], str] = secrets.token_hex
    ) -> None:
        self._ratio = ratio
        self._content_bytes = content_bytes
        self._new_id = new_id

    def settled(self, event: CallSettled, answered: Answered, start: int, end: int, queued: float) -> Json | None:
        """Return the span of a call that was booked; ``None`` for one that is not sampled.

        Args:
            start: When it was dispatched, in nanoseconds since 1970.
            end: When it had been booked.
            queued: Seconds from the request's head to the dispatch.
        """
        shell = self._shell(event.call)
        if shell is None:
            return None
        call, outcome, booked = event.call, event.outcome, event.booked
        error = error_type(outcome)
        values: dict[str, Value | None] = {
            **request_attributes(call, outcome.target),
            "gen_ai.response.id": answered.id or outcome.upstream_id,
            "gen_ai.response.model": answered.model,
            "gen_ai.response.finish_reasons": answered.reasons or None,
            "gen_ai.response.time_to_first_chunk": outcome.first_byte if call.stream else None,
            **(usage_attributes(outcome.usage) if outcome.usage else {}),
            "error.type": error,
            **_own(call, booked.execution),
            "aexl.queued": queued,
            "aexl.ending": outcome.ending.value,
            "aexl.reason": outcome.charge.reason,
            "aexl.cost.nano_usd": booked.amount,
            "aexl.cost.usd": format_usd(booked.amount),
            "aexl.estimated": booked.estimated,
            "aexl.overrun": True if booked.overrun else None,
            "aexl.price_version": outcome.target.price.version,
            "aexl.receipt": f"{booked.receipt.seq}:{booked.receipt.hash}" if booked.receipt.seq else None,
            "http.response.status_code": outcome.status,
            **self._content(call, answered),
        }
        message = f"the call ended as {outcome.ending.value!r}" if error else None
        return _finish(shell, values, start, end, error, message)

    def denied(self, event: CallDenied, start: int, end: int) -> Json | None:
        """Return the span of a call that was refused; ``None`` for one that is not sampled."""
        shell = self._shell(event.call)
        if shell is None:
            return None
        refused = event.refused
        values: dict[str, Value | None] = {
            **request_attributes(event.call, None),
            "error.type": refused.code,
            **_own(event.call, refused.execution),
            "aexl.ending": "denied",
            "aexl.receipt": refused.receipt,
            "http.response.status_code": refused.status,
        }
        return _finish(shell, values, start, end, refused.code, refused.reason)

    def _shell(self, call: Call) -> Json | None:
        """Return the span's identity, in the caller's trace if there is one."""
        parent = read_parent(call.headers)
        trace_id = parent.trace_id if parent else self._new_id(16)
        if not (parent.is_sampled if parent else is_sampled(trace_id, self._ratio)):
            return None
        shell: Json = {"traceId": trace_id, "spanId": self._new_id(8)}
        if parent is not None:
            if parent.state:
                shell["traceState"] = parent.state
            shell["parentSpanId"] = parent.span_id
        shell["flags"] = _SAMPLED | _HAS_IS_REMOTE | (_IS_REMOTE if parent else 0)
        return shell

    def _content(self, call: Call, answered: Answered) -> dict[str, Value | None]:
        """Return prompts and answers, where they are wanted."""
        room = self._content_bytes
        if room is None:
            return {}
        system, conversation = _asked(call)
        found: dict[str, Value | None] = {}
        is_whole = True
        for name, items in (
            ("gen_ai.system_instructions", system),
            ("gen_ai.input.messages", conversation),
            ("gen_ai.output.messages", answered.messages),
        ):
            if items:
                found[name], fits = fit(items, room)
                is_whole = is_whole and fits
        return found if is_whole else {**found, "aexl.content_truncated": True}


def _asked(call: Call) -> tuple[list[Json], list[Json]]:
    if not call.body.data:
        return [], []
    try:
        source = call.body.as_json() if isinstance(call.body, Form) else call.body.data
        return input_messages(msgspec.json.decode(source, type=dict[str, object]))
    except (msgspec.DecodeError, Invalid, RecursionError):
        return [], []


def _own(call: Call, execution: str | None) -> dict[str, Value | None]:
    """Return what aexl alone knows of a call; ``execution`` is the ledger's name for it."""
    who = call.principal
    return {
        "aexl.execution": execution or call.id,
        "aexl.agent": who.agent,
        "aexl.surface": call.surface,
        "aexl.model": call.model,
        **{f"aexl.label.{name}": value for name, value in who.labels.items()},
    }


def _finish(
    shell: Json, values: dict[str, Value | None], start: int, end: int, error: str | None, message: str | None
) -> Json:
    span: Json = {
        **shell,
        "name": f"{values['gen_ai.operation.name']} {values['gen_ai.request.model']}".rstrip(),
        "kind": KIND_CLIENT,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(max(start, end)),
        "attributes": attributes(values),
    }
    if error is not None:
        span["status"] = {"code": STATUS_ERROR, "message": message or error}
    return span
