"""What the API says of runs, turns and gates, made of their records. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aexl.api import format_usd
from aexl_pipelines.gates.records import Standing, past
from aexl_pipelines.journal.folders import RunSummary
from aexl_pipelines.journal.records import (
    ChildBegun,
    Gate,
    Record,
    RunBegun,
    RunEnded,
    StepEnded,
)
from aexl_pipelines.serving.fields import Fields, cost_of, error_of, gate_fields, moment

_GOING: Final = ("running", "waiting")


def run_view(summary: RunSummary) -> Fields:
    """Return a run at a glance."""
    return {
        "run_id": summary.run,
        "status": summary.state,
        "pipeline": summary.pipeline,
        "folder": summary.project,
        "parent_run_id": summary.parent,
        "steps_ended": summary.steps,
        "cost_usd": money(summary.cost),
        "exit_code": summary.exit_code,
        "message": summary.message,
        "created_at": moment(summary.began),
        "completed_at": None if summary.ended is None else moment(summary.ended),
    }


def whole_run(summary: RunSummary, records: Sequence[Record], gates: Sequence[Gate]) -> Fields:
    """Return all that there is to say of a run, its steps included.

    Args:
        gates: Those that are open, of the run and of those that it has called.
    """
    ended = last_end(records)
    waits = summary.state in _GOING and bool(gates)
    return {
        **run_view(summary),
        "status": "waiting" if waits else summary.state,
        "prompt": next((each.prompt for each in records if isinstance(each, RunBegun)), ""),
        "response": ended.response if ended is not None else None,
        "outputs": ended.outputs if ended is not None else {},
        "files_changed": list(ended.changed) if ended is not None else [],
        "duration_ms": None if ended is None else round(ended.duration * 1000),
        "steps": [step_view(each) for each in latest_steps(records)],
        "pending_gates": [gate_fields(gate) for gate in gates] if waits else [],
        "child_run_ids": [each.run for each in records if isinstance(each, ChildBegun)],
    }


def turn_view(run: Fields) -> Fields:
    """Return a whole run as a turn of a session."""
    view: Fields = {
        "turn_id": run["run_id"],
        "status": "suspended" if run["status"] == "waiting" else run["status"],
        "prompt": run["prompt"],
        "response": run["response"],
        "steps": run["steps"],
        "total_cost_usd": run["cost_usd"],
        "duration_ms": run["duration_ms"],
        "created_at": run["created_at"],
        "completed_at": run["completed_at"],
        "message": run["message"],
    }
    gates = run["pending_gates"]
    if isinstance(gates, list) and gates:
        view["suspended_on"] = gates[0]
        view["message"] = f"the turn waits for an answer to gate {gates[0]['gate_id']}"
    return view


def step_view(ended: StepEnded) -> Fields:
    """Return how a step ended."""
    view: Fields = {
        "step_id": ended.step,
        "status": ended.status,
        "response": ended.response if ended.response is not None else ended.stdout,
        "cost_usd": money(cost_of(ended)),
        "duration_ms": round(ended.duration * 1000),
    }
    if ended.error is not None:
        view["error"] = error_of(ended)
    if ended.exit_code is not None:
        view["exit_code"] = ended.exit_code
    return view


def standing_view(standing: Standing) -> Fields:
    """Return a gate, and what became of it."""
    view = {**gate_fields(standing.gate), "status": "open"}
    if standing.decided is not None:
        verdict = standing.decided.verdict
        view["status"] = past(verdict.choice)
        view["reason"] = verdict.reason
        view["by"] = verdict.by
        view["decided_at"] = moment(standing.decided.at)
    return view


def latest_steps(records: Iterable[Record]) -> list[StepEnded]:
    """Return how each step ended last: one that was run again counts once."""
    found: dict[str, StepEnded] = {}
    for record in records:
        if isinstance(record, StepEnded):
            found.pop(record.step, None)
            found[record.step] = record
    return list(found.values())


def last_end(records: Sequence[Record]) -> RunEnded | None:
    """Return how a run ended, unless it goes on."""
    last = records[-1] if records else None
    return last if isinstance(last, RunEnded) else None


def money(nanos: int | None) -> str | None:
    """Return an amount in USD as the rest of the API says it."""
    return None if nanos is None else format_usd(nanos)
