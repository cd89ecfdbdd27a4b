"""What comes of a step's work, and what makes a list of steps end early."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import trio

from aexl.api.runners import RunnerError, RunnerOutcome
from aexl_pipelines.journal.records import Done, RunStatus, StepStatus

EndStatus = RunStatus | Literal["break"]

_DENIED: Final = frozenset({"budget", "policy", "usd", "turns"})
_TIMED_OUT: Final = frozenset({"wall", "idle"})

NEVER_AGAIN: Final = frozenset({"budget", "policy", "usd", "turns", "permission", "settings"})
"""Errors that another attempt would meet again."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """Why the steps of a list go no further: ``break`` ends the list well, all else ends the run.

    Attributes:
        final: No ``on_error`` of anything around it changes that.
    """

    status: EndStatus
    message: str = ""
    step: str | None = None
    final: bool = False


class Work(Done, frozen=True, kw_only=True):
    """What came of one attempt of a step, and why its list ends with it, if it does."""

    status: StepStatus = "completed"
    end: End | None = None


def is_cancellation(error: BaseException) -> bool:
    """Say whether an error is nothing but that somebody cancelled, also in the groups that nurseries make."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_cancellation(each) for each in error.exceptions)
    return isinstance(error, trio.Cancelled | KeyboardInterrupt)


def failure(message: str, kind: str = "other") -> Work:
    """Return the work of a step that failed."""
    error = msgspec.convert({"type": "error", "kind": kind, "message": message}, RunnerError)
    return Work(status="timeout" if kind in _TIMED_OUT else "failed", error=error)


def run_status(work: Work) -> RunStatus:
    """Return what a run ends as because of a step that did not complete."""
    if work.status == "rejected":
        return "rejected"
    if work.status == "cancelled":
        return "cancelled"
    kind = work.error.kind if work.error is not None else "other"
    if kind in _DENIED:
        return "denied"
    return "timeout" if work.status == "timeout" or kind in _TIMED_OUT else "failed"


def ended_by(work: Work) -> Work:
    """Return work with the status that its end means."""
    if work.end is None or work.status != "completed":
        return work
    return msgspec.structs.replace(work, status=_status_of(work.end))


def _status_of(end: End) -> StepStatus:
    match end.status:
        case "break" | "completed":
            return "completed"
        case "rejected" | "timeout" | "cancelled":
            return end.status
        case _:
            return "failed"


def work_of(outcome: RunnerOutcome, prompt: str, runner: str) -> Work:
    """Return the work of an agent's run."""
    error = outcome.error
    if outcome.status != "completed" and error is None:
        error = RunnerError(kind="other", message=f"the runner {runner} ended as {outcome.status}")
    status: StepStatus = "completed" if outcome.status == "completed" else "failed"
    if outcome.status == "timeout":
        status = "timeout"
    return Work(
        status=status,
        error=error if status != "completed" else None,
        runner=runner,
        model=outcome.model,
        prompt=prompt,
        response=outcome.text,
        structured=outcome.structured,
        exit_code=outcome.exit_code,
        usage=outcome.usage,
        cost=outcome.cost,
        turns=outcome.turns,
        session=outcome.session,
        totals=outcome.totals,
    )
