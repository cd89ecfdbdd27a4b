"""ail's NDJSON protocol, both ways: what is written to standard output, and what is understood on standard input. Pure.

Beside what ail writes every line has ``run_id`` and ``at`` (Unix seconds) where it belongs to a run, and gates
have ids, so that an answer can say which one it answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from aexl_pipelines.journal.records import (
    AttemptEnded,
    BranchTaken,
    ChildBegun,
    Gate,
    GateDecided,
    GateOpened,
    Progress,
    Record,
    RunBegun,
    RunEnded,
    StepBegun,
    StepEnded,
)
from aexl_pipelines.serving.fields import (
    Fields,
    error_of,
    gate_fields,
    permission_fields,
    progress_fields,
    step_fields,
    usd,
    verdict_fields,
)

PROTOCOL: Final = 1
"""The version of what this writes; ail's own says none."""

_ERRORS: Final = {"failed": "runner/invocation-failed", "cancelled": "runner/cancelled"}
"""ail's types; a run that its file, a gate, a budget or the time has ended is ``pipeline/aborted``."""


class Told:
    """Turns what is seen of one turn's runs into lines.

    Args:
        run: The turn's own run; what its child runs do is told with their own ``run_id``.
        steps: The ids of the pipeline's own steps, in order.
    """

    def __init__(self, run: str, steps: Sequence[str]) -> None:
        self._run = run
        self._index = {step: number for number, step in enumerate(steps)}
        self._broken_by: str | None = None

    def lines(self, run: str, seen: Record | Progress) -> list[Fields]:
        """Return what is to be written, in order."""
        if isinstance(seen, Progress):
            event = progress_fields(seen.event)
            # A permission is asked for by its gate, whose id is known by then.
            if event is None or event["type"] == "permission_requested":
                return []
            return [{"type": "runner_event", "step_id": seen.step, "event": event, "run_id": run}]
        return [{**fields, "run_id": run, "at": seen.at} for fields in self._of_record(run, seen)]

    def _of_record(self, run: str, record: Record) -> list[Fields]:
        match record:
            case RunBegun():
                return [{"type": "run_started", "pipeline_source": record.file, "total_steps": len(self._index)}]
            case StepBegun():
                return [self._started(record)]
            case StepEnded():
                return [self._ended(run, record)]
            case AttemptEnded():
                error = record.error.message if record.error else record.status
                kind = record.error.kind if record.error else record.status
                fields: Fields = {"step_id": record.step, "error": error, "error_type": kind, "attempt": record.attempt}
                return [{"type": "step_retrying", **fields, "wait_seconds": record.wait}]
            case GateOpened():
                return _asked(record.gate)
            case GateDecided():
                return [{"type": "hitl_gate_resolved", **verdict_fields(record)}]
            case BranchTaken():
                if record.action == "break":
                    self._note_break(run, record.step)
                taken: Fields = {"step_id": record.step, "action": record.action, "branch": record.number}
                return [{"type": "branch_taken", **taken, "message": record.message}]
            case ChildBegun():
                child: Fields = {"step_id": record.step, "child_run_id": record.run}
                return [{"type": "child_started", **child, "pipeline_source": record.file}]
            case RunEnded():
                return [self._finished(run, record)]
            case _:
                return []

    def _started(self, record: StepBegun) -> Fields:
        root = record.step.split("::", 1)[0].split("#", 1)[0]
        return {
            "type": "step_started",
            "step_id": record.step,
            "step_index": self._index.get(root, 0),
            "total_steps": len(self._index),
            "resolved_prompt": record.text if record.runner is not None else None,
        }

    def _ended(self, run: str, record: StepEnded) -> Fields:
        if record.kind == "break" and record.status == "completed":
            self._note_break(run, record.step)
        if record.status == "completed":
            return {"type": "step_completed", **step_fields(record)}
        if record.status == "skipped":
            return {"type": "step_skipped", "step_id": record.step}
        failed: Fields = {"step_id": record.step, "error": error_of(record), "status": record.status}
        return {"type": "step_error_continued" if record.tolerated else "step_failed", **failed}

    def _note_break(self, run: str, step: str) -> None:
        """Remember what ended the run early; within a loop it ends the loop."""
        if run == self._run and "#" not in step:
            self._broken_by = step

    def _finished(self, run: str, record: RunEnded) -> Fields:
        cost: Fields = {"cost_usd": usd(record.booked if record.booked is not None else record.cost)}
        if run != self._run:
            return {"type": "child_completed", "status": record.status, **cost}
        if record.status == "completed" and self._broken_by is not None:
            return {"type": "pipeline_completed", "outcome": "break", "step_id": self._broken_by, **cost}
        if record.status == "completed":
            return {"type": "pipeline_completed", "outcome": "completed", **cost}
        kind = f"ail:{_ERRORS.get(record.status, 'pipeline/aborted')}"
        error = record.message or f"the run is {record.status}"
        return {"type": "pipeline_error", "error": error, "error_type": kind, "status": record.status, **cost}


def _asked(gate: Gate) -> list[Fields]:
    known = gate_fields(gate)
    if gate.kind == "permission":
        tool = str(gate.detail.get("tool", ""))
        event = permission_fields(tool, gate.detail.get("input"), gate.text)
        return [{"type": "runner_event", "step_id": gate.step, "gate_id": gate.id, "event": event}]
    if gate.kind == "edit":
        return [{"type": "hitl_modify_reached", **known, "last_response": gate.content}]
    return [{"type": "hitl_gate_reached", **known}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A gate is answered; without ``gate`` the oldest one of its kind that is open.

    Attributes:
        of: ``permission`` for a permission, ``human`` for all others.
        choice: ``None`` where only a text was given: it edits what can be edited, and approves the rest.
    """

    of: Literal["permission", "human"]
    gate: str | None = None
    choice: Literal["approve", "reject", "edit"] | None = None
    text: str | None = None
    reason: str = ""
    for_session: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """The person's next message."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """``kill`` ends the running turn, ``end_session`` all; ``pause`` and ``resume`` hold back the next steps."""

    word: Literal["pause", "resume", "kill", "end_session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A line that means nothing; ``error`` says why."""

    error: str


Heard = Answer | Say | Control | Wrong

_CHOICES: Final = ("approve", "reject", "edit")


def read_line(line: bytes) -> Heard | None:
    """Return what a line of standard input means; ``None`` for a blank one.

    A line that is no JSON object is a message: also a bare ``42`` or ``"text"``, which is JSON and was typed. One
    that begins like an object and is none is an error.
    """
    try:
        text = line.decode().strip()
    except UnicodeDecodeError as error:
        return Wrong(error=f"the line is not UTF-8 (byte {error.start})")
    if not text:
        return None
    if not text.startswith("{"):
        return Say(text=text)
    try:
        given = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return Wrong(error=f"the line begins like a JSON object and is none: {error}")
    try:
        return _read_object(given)
    except _Unusable as error:
        return Wrong(error=str(error))


class _Unusable(Exception):
    """A field is missing or of a wrong type."""


def _read_object(given: Mapping[str, object]) -> Heard:
    match given.get("type"):
        case "user_message":
            return Say(text=_text(given, "text") or "")
        case "hitl_response":
            return _read_response(given)
        case "permission_response":
            allowed = given.get("allowed")
            if not isinstance(allowed, bool):
                raise _Unusable("'allowed' of a permission_response must be true or false")
            return Answer(
                of="permission",
                gate=_text(given, "gate_id"),
                choice="approve" if allowed else "reject",
                reason=_text(given, "reason") or "",
                for_session=given.get("allow_for_session") is True,
            )
        case "pause" | "resume" | "kill" | "end_session" as word:
            return Control(word=word)
        case str(word):
            raise _Unusable(f"there is no type {word[:60]!r}")
        case _:
            raise _Unusable("the object has no 'type'")


def _read_response(given: Mapping[str, object]) -> Answer:
    choice = given.get("choice")
    if choice is not None and choice not in _CHOICES:
        raise _Unusable(f"'choice' must be one of {', '.join(_CHOICES)}")
    text = _text(given, "text")
    found = next((word for word in _CHOICES if word == choice), None)
    return Answer(
        of="human", gate=_text(given, "gate_id"), choice=found, text=text, reason=_text(given, "reason") or ""
    )


def _text(given: Mapping[str, object], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise _Unusable(f"{name!r} must be a text")
    return value
