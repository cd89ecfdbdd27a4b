"""What can be seen to be impossible before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from aexl.api import HostedRunner
from aexl.api.runners import Ability
from aexl.errors import AexlError, Invalid
from aexl_pipelines.execution.asking import check_provider, own_access, plan_request
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.settings import STUB, settings_of
from aexl_pipelines.journal.records import RunOptions
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.model import Pipeline, PromptBody, SkillBody, Step, UseBody
from aexl_pipelines.language.parts import Budget
from aexl_pipelines.language.planning import all_steps
from aexl_pipelines.language.templates import Template
from aexl_pipelines.runners.abilities import check_request


def check_run(
    loaded: Loaded, pipeline: Pipeline, options: RunOptions, ports: Ports, *, budget: Budget, governed: bool
) -> None:
    """See that every step's runner is there and can do what is asked of it.

    Raises:
        Invalid: If something cannot be done; names every step, its runner, the option, and what would do.
    """
    problems: dict[str, None] = {}
    for each in {id(found): found for found in (pipeline, *loaded.children.values())}.values():
        for step in all_steps(each):
            for problem in _problems(step, each, options, ports, budget=budget, governed=governed):
                problems[f"{each.file or 'the pipeline'}: step {step.path or step.id}: {problem}"] = None
    if problems:
        raise Invalid("\n".join(problems))


def _problems(
    step: Step, pipeline: Pipeline, options: RunOptions, ports: Ports, *, budget: Budget, governed: bool
) -> Iterator[str]:
    if step.disabled:
        return
    try:
        if isinstance(step.body, UseBody):
            kind = ports.agents.step_type(step.body.name)
            if not _has_templates(step.body.arguments):
                kind.parse(step.body.arguments)
        if not isinstance(step.body, PromptBody | SkillBody):
            return
        settings = settings_of(step, pipeline, options, ports.environ.get("AIL_DEFAULT_RUNNER"))
        runner = ports.agents.runner(settings.runner)
        known = ports.agents.options(settings.runner)
        answerable = ports.gates.answerable
        check_provider(step, settings.runner)
        request = plan_request(step, settings, runner, known, answerable=answerable, cwd=Path.cwd())
        check_request(runner, request, ports.agents.runners())
        if request.session.kind == "new" and not isinstance(runner, HostedRunner):
            runner.launch(request)
        if settings.provider.base_url is not None and settings.runner != STUB:
            own_access(settings.provider.base_url, "", "")
        usd = budget.usd if settings.budget is None or settings.budget.usd is None else settings.budget.usd
        if usd is not None and not governed and Ability.COST not in runner.capabilities:
            yield f"runner {runner.name} counts no money, so a budget in USD needs a server: start one, or say --govern"
    except AexlError as error:
        yield from str(error).splitlines()


def _has_templates(value: object) -> bool:
    match value:
        case Template():
            return bool(list(value.substitutions))
        case Mapping():
            return any(_has_templates(each) for each in value.values())
        case list() | tuple():
            return any(_has_templates(each) for each in value)
        case _:
            return False
