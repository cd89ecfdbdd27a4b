"""What records say, in the words of ail's published protocol, for its streams and ours. Pure.

Money is a JSON number of USD, with all its digits, as ail's clients read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from aexl.api import format_usd
from aexl.api.runners import Asked, RunnerEvent, Spent, Text, Thinking, ToolResult, ToolUse
from aexl_pipelines.gates.records import verdict_of_timeout
from aexl_pipelines.journal.records import Gate, GateDecided, RunEnded, StepEnded

Fields = dict[str, object]


def usd(nanos: int | None) -> msgspec.Raw | None:
    """Return an amount as a JSON number; ``None`` where it is not known."""
    return None if nanos is None else msgspec.Raw(format_usd(nanos).encode())


def moment(at: float) -> str:
    """Return a Unix time as an RFC 3339 time in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cost_of(record: StepEnded | RunEnded) -> int | None:
    """Return what was booked, or else what the runner says."""
    return record.booked if record.booked is not None else record.cost


def step_fields(record: StepEnded) -> Fields:
    """Return what a finished step says."""
    usage = record.usage
    answer = record.response if record.response is not None else record.stdout
    fields: Fields = {
        "step_id": record.step,
        "cost_usd": usd(cost_of(record)),
        "input_tokens": usage.input_tokens if usage else 0,
        "output_tokens": usage.output_tokens if usage else 0,
        "response": answer,
    }
    if record.model is not None:
        fields["model"] = record.model
    if record.exit_code is not None:
        fields["exit_code"] = record.exit_code
    return fields


def error_of(record: StepEnded) -> str:
    """Return why a step did not complete."""
    return record.error.message if record.error is not None else record.status


def gate_fields(gate: Gate) -> Fields:
    """Return what a person, or the program that stands for one, has to know of a gate."""
    fields: Fields = {
        "gate_id": gate.id,
        "gate_type": gate.kind,
        "run_id": gate.run,
        "step_id": gate.step,
        "message": gate.text,
        "content": gate.content,
        "detail": gate.detail,
        "editable": gate.editable,
        "opened_at": moment(gate.opened),
    }
    if gate.timeout is not None:
        fields["timeout_seconds"] = gate.timeout
        fields["default"] = verdict_of_timeout(gate).choice
    return fields


def verdict_fields(record: GateDecided) -> Fields:
    """Return what became of a gate."""
    verdict = record.verdict
    return {
        "gate_id": record.gate,
        "step_id": record.step,
        "choice": verdict.choice,
        "reason": verdict.reason,
        "by": verdict.by,
    }


def progress_fields(event: RunnerEvent) -> Fields | None:
    """Return a runner's event in ail's words; ``None`` for one that it has no word for."""
    match event:
        case Text(text=text):
            return {"type": "stream_delta", "text": text}
        case Thinking(text=text):
            return {"type": "thinking", "text": text}
        case ToolUse():
            return {"type": "tool_use", "tool_name": event.name, "tool_use_id": event.id, "input": event.input}
        case ToolResult():
            found = {"type": "tool_result", "tool_use_id": event.id, "content": event.output}
            return {**found, "is_error": event.failed}
        case Spent():
            return {
                "type": "cost_update",
                "cost_usd": usd(event.cost),
                "input_tokens": event.usage.input_tokens,
                "output_tokens": event.usage.output_tokens,
            }
        case Asked():
            return permission_fields(event.tool, event.input, event.detail)
        case _:
            return None


def permission_fields(tool: str, given: object, detail: str) -> Fields:
    """Return a question for a permission."""
    shown: Mapping[str, object] = given if isinstance(given, dict) else {}
    text = detail or msgspec.json.encode(shown).decode()
    return {"type": "permission_requested", "display_name": tool, "display_detail": text, "tool_input": given}
