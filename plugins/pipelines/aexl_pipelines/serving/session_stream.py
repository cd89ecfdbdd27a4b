"""The events of a session, with the names that ail's API has for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from aexl.api.runners import Text, Thinking, ToolResult, ToolUse
from aexl_pipelines.gates.records import Standing
from aexl_pipelines.journal.records import (
    GateDecided,
    GateOpened,
    Progress,
    Record,
    RunBegun,
    RunEnded,
    RunResumed,
    StepBegun,
    StepEnded,
)
from aexl_pipelines.serving.fields import (
    Fields,
    cost_of,
    error_of,
    gate_fields,
    moment,
    progress_fields,
    step_fields,
    usd,
    verdict_fields,
)
from aexl_pipelines.serving.jobs import Station
from aexl_pipelines.serving.sessions import SessionFile
from aexl_pipelines.serving.streams import Put, frame
from aexl_pipelines.serving.watching import Listener

_DELTAS = {Text: "step.text_delta", Thinking: "step.thinking_delta", ToolUse: "step.tool_use"}


async def tell_session(station: Station, session: SessionFile, pending: Sequence[Standing], put: Put) -> None:
    """Put what happens in a session's turns, until the session ends."""
    with station.hub.listen(lambda run: station.sessions.get(run) == session.key) as listener:
        station.streams.setdefault(session.key, set()).add(listener)
        try:
            await _tell(session, pending, listener, put)
        finally:
            station.streams.get(session.key, set()).discard(listener)


async def _tell(session: SessionFile, pending: Sequence[Standing], listener: Listener, put: Put) -> None:
    key: Fields = {"session_key": session.key}
    await put(_frame("session.ready", {**key, "turn_count": len(session.turns)}))
    for each in pending:
        await put(_frame("hitl.gate_opened", {**key, "turn_id": session.turns[-1], **gate_fields(each.gate)}))
    async for turn, run, seen in listener.heard:
        at = None if isinstance(seen, Progress) else moment(seen.at)
        for name, fields in _named(seen, is_turn=run == turn):
            await put(_frame(name, {**key, "turn_id": turn, "run_id": run, "timestamp": at, **fields}))
    await put(_frame("session.ended", key))


def _named(seen: Record | Progress, *, is_turn: bool) -> Iterator[tuple[str, Fields]]:
    match seen:
        case Progress():
            yield from _progress(seen)
        case RunBegun() | RunResumed() if is_turn:
            yield "turn.started", {"prompt": seen.prompt if isinstance(seen, RunBegun) else ""}
        case StepBegun():
            yield "step.started", {"step_id": seen.step, "kind": seen.kind, "runner": seen.runner}
        case StepEnded(status="completed"):
            yield "step.completed", step_fields(seen)
        case StepEnded(status="skipped"):
            yield "step.skipped", {"step_id": seen.step}
        case StepEnded():
            yield "step.failed", {"step_id": seen.step, "error": error_of(seen), "status": seen.status}
        case GateOpened():
            yield "hitl.gate_opened", gate_fields(seen.gate)
        case GateDecided():
            yield "hitl.gate_resolved", verdict_fields(seen)
        case RunEnded() if is_turn:
            ending = "turn.completed" if seen.status == "completed" else "turn.failed"
            fields: Fields = {"status": seen.status, "response": seen.response, "total_cost_usd": usd(cost_of(seen))}
            yield ending, {**fields, "message": seen.message, "duration_ms": round(seen.duration * 1000)}
        case _:
            return


def _progress(seen: Progress) -> Iterator[tuple[str, Fields]]:
    fields = progress_fields(seen.event)
    name = "step.tool_result" if isinstance(seen.event, ToolResult) else _DELTAS.get(type(seen.event))
    if name is not None and fields is not None:
        yield name, {"step_id": seen.step, **{key: value for key, value in fields.items() if key != "type"}}


def _frame(name: str, fields: Fields) -> bytes:
    return frame(name, msgspec.json.encode(fields, enc_hook=str))
