"""The attempts of a step: its time, its retries, and the waits between them."""

from __future__ import annotations

from typing import Final

import msgspec
import trio

from aexl.api.runners import RunnerError
from aexl.errors import AexlError, Unavailable
from aexl_pipelines.execution.bodies import BODIES
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.execution.kinds import asks_person
from aexl_pipelines.execution.outcomes import NEVER_AGAIN, Work, ended_by, failure
from aexl_pipelines.execution.schemas import hold_to_schema
from aexl_pipelines.journal.records import AttemptEnded
from aexl_pipelines.language.model import PromptBody, SkillBody
from aexl_pipelines.language.parts import Retry, RetryOn

_AT_ONCE = Retry(times=1)

ENDING: Final = 15.0
"""Seconds that an agent has, beyond its time, to end as it likes to be asked, and to say what it has used."""


async def attempt_all(instance: Instance) -> Work:
    """Do a step's work until it succeeds or its attempts are used up; return what came of the last one.

    A step whose last attempt failed before a person was asked about it is not tried again.
    """
    known = instance.known
    if known.gate("error") is not None and (last := known.last(AttemptEnded)) is not None:
        return Work(status=last.status, error=last.error)
    retry = instance.settings.retry or Retry(times=0)
    while True:
        work = await _attempt(instance)
        rule = _rule(instance, work, retry)
        if rule is None or instance.attempt > rule.times:
            return await _last(instance, work)
        wait = rule.wait_before(instance.attempt) * (1 - rule.jitter * instance.run.ports.clock.random())
        await _note(instance, work, wait)
        await trio.sleep(wait)
        instance.attempt += 1
        instance.fault = work.error.message if work.error is not None and work.error.kind == "schema" else ""


def _rule(instance: Instance, work: Work, retry: Retry) -> Retry | None:
    """Return how a failed attempt is followed by another one, if it is."""
    if work.status not in {"failed", "timeout"} or (work.end is not None and work.end.final):
        return None
    if work.end is not None and work.end.status not in {"failed", "timeout"}:
        return None
    kind = work.error.kind if work.error is not None else "other"
    if kind in NEVER_AGAIN:
        return None
    why: RetryOn = "schema" if kind == "schema" else "timeout" if work.status == "timeout" else "error"
    if why == "timeout" and instance.settings.on_timeout == "retry":
        return retry if retry.times else _AT_ONCE
    return retry if why in retry.on else None


async def _note(instance: Instance, work: Work, wait: float) -> None:
    record = AttemptEnded(
        at=instance.run.now(),
        step=instance.address,
        attempt=instance.attempt,
        status=work.status,
        error=work.error,
        usage=work.usage,
        cost=work.cost,
        wait=wait,
    )
    await instance.run.emit(record)


async def _last(instance: Instance, work: Work) -> Work:
    """Write down the last attempt of a step about which a person will be asked: it is not done again then."""
    settings = instance.settings
    timed_out = work.status == "timeout" and settings.on_timeout not in {None, "retry"}
    asks = (settings.on_timeout if timed_out else settings.on_error) == "pause_for_human"
    if work.status in {"failed", "timeout"} and work.end is None and asks:
        await _note(instance, work, 0.0)
        return msgspec.structs.replace(work, usage=None, cost=None)
    return work


async def _attempt(instance: Instance) -> Work:
    """Do the work once, in its time."""
    budget = instance.settings.budget
    timeout = None if asks_person(instance.step) else instance.settings.timeout
    time = budget.time if budget is not None else None
    grace = ENDING if isinstance(instance.step.body, PromptBody | SkillBody) else 0.0
    work: Work | None = None
    with _within(timeout, grace) as late, _within(time, grace):
        try:
            work = ended_by(hold_to_schema(instance.step, await BODIES[type(instance.step.body)](instance)))
        except Unavailable as error:
            work = failure(str(error))
        except AexlError as error:
            work = Work(status="failed", error=RunnerError(kind="settings", message=str(error)))
    if work is not None:
        return work
    if late.cancelled_caught:
        return failure(f"the step took longer than {timeout:g} seconds", "wall")
    return failure(f"the step's budget of {time:g} seconds is used up", "budget")


def _within(seconds: float | None, grace: float) -> trio.CancelScope:
    return trio.CancelScope(deadline=trio.current_time() + seconds + grace if seconds is not None else float("inf"))
