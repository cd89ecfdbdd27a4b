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
from aexl_pipelines.execution.settings import STUB, Settings, policy_of, sampling_of
from aexl_pipelines.language.model import Step
from aexl_pipelines.language.parts import Provider

_HTTP: Final = "http"

_ANY: Final = frozenset({_HTTP, STUB, "cassette"})
"""Runners that any provider's values may stand beside: one uses them, the others ask nobody."""

_HTTP_KEYS: Final = {
    "connect_timeout": "connect_timeout_seconds",
    "read_timeout": "read_timeout_seconds",
    "max_history_messages": "max_history_messages",
}
"""What of a provider only the runner ``http`` can honour, as files spell it."""


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
    if runner != _HTTP:
        return options
    asked = {
        "max_history_messages": provider.max_history_messages,
        "connect_timeout_seconds": provider.connect_timeout,
    }
    return {**{name: value for name, value in asked.items() if value is not None}, **options}


def check_provider(step: Step, runner: str) -> None:
    """See that a runner can do what a step's own ``provider`` says; that of ``defaults`` is for steps that can use it.

    Raises:
        Invalid: If it cannot; names each key.
    """
    if step.provider is None or runner in _ANY:
        return
    keys = [key for name, key in _HTTP_KEYS.items() if getattr(step.provider, name) is not None]
    if keys:
        raise Invalid(
            f"runner {runner} cannot honour provider: {', '.join(keys)}: use timeout or idle_timeout, or the runner http"
        )


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
