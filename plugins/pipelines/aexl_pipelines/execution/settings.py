"""What counts for a step: its own words, the file's defaults, and the options of the run. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from aexl.api import runners as asked
from aexl.api.runners import Ability, ToolPolicy
from aexl_pipelines.journal.records import RunOptions
from aexl_pipelines.language.model import (
    McpBody,
    OnError,
    OnTimeout,
    Pipeline,
    PromptBody,
    ShellBody,
    SkillBody,
    Step,
    UseBody,
)
from aexl_pipelines.language.parts import Budget, Prompt, Provider, Retry, Sampling, Tools
from aexl_pipelines.language.templates import Template

DEFAULT_RUNNER: Final = "claude"
STUB: Final = "stub"

_BY_PROVIDER: Final = frozenset({"aider", "opencode"})

Mode = Literal["default", "read", "edit", "all", "ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What counts for one step; money in nano-dollars, times in seconds."""

    runner: str
    model: str | None
    provider: Provider
    tools: Tools | None
    sampling: Sampling
    system_prompt: Prompt | None
    timeout: float | None
    idle_timeout: float | None
    on_timeout: OnTimeout | None
    on_error: OnError | None
    retry: Retry | None
    budget: Budget | None
    env: Mapping[str, Template]


def settings_of(step: Step, pipeline: Pipeline, options: RunOptions, fallback: str | None = None) -> Settings:
    """Return what counts for a step.

    Defaults for times, failures and budgets are for steps that do work themselves: a loop or a pipeline that is
    called is as long as what is in it.

    Args:
        fallback: The runner where nobody names one.
    """
    defaults = pipeline.defaults
    leaf = isinstance(step.body, PromptBody | SkillBody | ShellBody | McpBody | UseBody)
    provider = merge_provider(pipeline, defaults.provider, step.provider)
    own = step.provider.model if step.provider is not None else None
    aliased = _alias(pipeline, step.provider).model if step.provider is not None else None
    model = options.model or step.model or own or aliased or provider.model or defaults.model
    return Settings(
        runner=_runner(step, pipeline, options, fallback),
        model=model,
        provider=provider,
        tools=step.tools or defaults.tools,
        sampling=_sampling(defaults.sampling, provider.sampling, step.sampling),
        system_prompt=step.system_prompt or defaults.system_prompt,
        timeout=step.timeout if step.timeout is not None or not leaf else defaults.timeout,
        idle_timeout=step.idle_timeout if step.idle_timeout is not None or not leaf else defaults.idle_timeout,
        on_timeout=step.on_timeout or defaults.on_timeout,
        on_error=step.on_error or (defaults.on_error if leaf else None),
        retry=step.retry or (defaults.retry if leaf else None),
        budget=_budget(step.budget, defaults.budget if leaf else None),
        env={**defaults.env, **step.env},
    )


def _runner(step: Step, pipeline: Pipeline, options: RunOptions, fallback: str | None) -> str:
    if options.dry_run:
        return STUB
    return (options.runner or step.runner or pipeline.defaults.runner or fallback or DEFAULT_RUNNER).strip().lower()


def merge_provider(pipeline: Pipeline, *providers: Provider | None) -> Provider:
    """Return providers laid over one another, the last one on top, each with what its name stands for."""
    found = Provider()
    for each in providers:
        if each is not None:
            alias = _alias(pipeline, each)
            found = _over(_over(found, alias), each)
            found = msgspec.structs.replace(found, name=alias.name or found.name)
    return found


def _alias(pipeline: Pipeline, provider: Provider | None) -> Provider:
    return pipeline.providers.get((provider.name if provider is not None else None) or "", Provider())


def _over(below: Provider, above: Provider) -> Provider:
    changes = {name: getattr(above, name) for name in above.__struct_fields__ if getattr(above, name) is not None}
    changes["sampling"] = _sampling(below.sampling, above.sampling)
    return msgspec.structs.replace(below, **changes)


def _sampling(*layers: Sampling | None) -> Sampling:
    found: dict[str, object] = {}
    for layer in layers:
        if layer is not None:
            names = layer.__struct_fields__
            found.update({name: getattr(layer, name) for name in names if getattr(layer, name) is not None})
    return msgspec.convert(found, Sampling)


def _budget(own: Budget | None, default: Budget | None) -> Budget | None:
    if own is None or default is None:
        return own or default
    changes = {name: getattr(own, name) for name in own.__struct_fields__ if getattr(own, name) is not None}
    return msgspec.structs.replace(default, **changes)


def qualified_model(settings: Settings) -> str | None:
    """Return the model with its provider's name, for runners that choose providers by it."""
    model, provider = settings.model, settings.provider
    if model is None or provider.name is None or model != provider.model or settings.runner not in _BY_PROVIDER:
        return model
    return model if "/" in model else f"{provider.name}/{model}"


def sampling_of(sampling: Sampling) -> asked.Sampling:
    """Return sampling as runners take it."""
    return asked.Sampling(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        max_tokens=sampling.max_tokens,
        stop=sampling.stop_sequences or (),
        thinking=sampling.thinking,
    )


def policy_of(tools: Tools | None, capabilities: Collection[str], *, answerable: bool) -> ToolPolicy:
    """Return what an agent may do.

    Where somebody can answer, the agent asks; else it may edit files, which snapshots can undo, and nothing more
    than its tools policy says.
    """
    if tools is not None and tools.disabled:
        return ToolPolicy(disabled=True)
    mode: Mode = "default"
    if answerable and Ability.MODE_ASK in capabilities:
        mode = "ask"
    elif tools is None and Ability.MODE_EDIT in capabilities:
        mode = "edit"
    if tools is None:
        return ToolPolicy(mode=mode)
    return ToolPolicy(allow=tools.allow, deny=tools.deny, mode=mode)


def writes(step: Step, settings: Settings, *, dry_run: bool) -> bool:
    """Say whether a step's own work may change files."""
    if isinstance(step.body, PromptBody | SkillBody):
        disabled = settings.tools is not None and settings.tools.disabled
        return not disabled and settings.runner != "http" and not dry_run
    return isinstance(step.body, ShellBody | McpBody | UseBody) and not dry_run
