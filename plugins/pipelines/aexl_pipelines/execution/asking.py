"""What a step asks of its runner, as far as it is known before anything runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from aexl.api import Runner
from aexl.api.governed import Access
from aexl.api.runners import Ability, RunnerLimits, RunnerRequest, RunnerSession
from aexl.errors import Invalid
from aexl_pipelines.execution.settings import Settings, policy_of, sampling_of
from aexl_pipelines.language.model import Step
from aexl_pipelines.language.parts import Provider

_HTTP: Final = "http"


def plan_request(
    step: Step, settings: Settings, runner: Runner, options: Mapping[str, object], *, answerable: bool, cwd: Path
) -> RunnerRequest:
    """Return the request without what only the run knows: texts stand in for texts, a session for a session."""
    budget = settings.budget
    turns = budget.turns if budget is not None else None
    usd = budget.usd if budget is not None and Ability.USD in runner.capabilities else None
    wall = _least(settings.timeout, budget.time if budget is not None else None)
    session = RunnerSession()
    if step.resume is not None:
        session = RunnerSession(kind="fork" if step.resume.fork else "resume", id="-")
    schema = step.output_schema if isinstance(step.output_schema, Mapping) else None
    return RunnerRequest(
        prompt="-",
        home=cwd,
        cwd=cwd,
        model=settings.model,
        session=session,
        system="-" if settings.system_prompt is not None else None,
        append_system=("-",) * len(step.append_system_prompt),
        tools=policy_of(settings.tools, runner.capabilities, answerable=answerable),
        schema=schema,
        sampling=sampling_of(settings.sampling),
        limits=RunnerLimits(turns=turns, usd=usd, wall=wall, idle=_idle(settings, runner.name)),
        options=_options(settings.provider, runner.name, options),
    )


def _idle(settings: Settings, runner: str) -> float | None:
    if settings.idle_timeout is None and runner == _HTTP:
        return settings.provider.read_timeout
    return settings.idle_timeout


def _options(provider: Provider, runner: str, options: Mapping[str, object]) -> Mapping[str, object]:
    if runner == _HTTP and provider.max_history_messages is not None:
        return {"max_history_messages": provider.max_history_messages, **options}
    return options


def _least(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


def own_access(url: str, token: str, run: str) -> Access:
    """Return the way to an endpoint that a step names itself.

    Raises:
        Invalid: If it is not one whose path ends with ``/v1``.
    """
    root = url.rstrip("/")
    if not root.endswith("/v1"):
        raise Invalid(f"base_url must end with /v1, as in http://127.0.0.1:11434/v1, not {url!r}")
    return Access(url=root.removesuffix("/v1"), token=token, run=run)


def with_texts(request: RunnerRequest, **changes: object) -> RunnerRequest:
    """Return a request with what the run knows."""
    return msgspec.structs.replace(request, **changes)
