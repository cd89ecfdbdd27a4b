"""Steps that ask an agent: from the step's texts to a runner's request, and from its outcome to the step's."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec
import trio

from aexl.api import Runner
from aexl.api.governed import Access
from aexl.api.runners import RunnerError, RunnerRequest, RunnerSession
from aexl.errors import Invalid
from aexl_pipelines.execution.accounting import step_exceeded
from aexl_pipelines.execution.asking import own_access, plan_request, with_texts
from aexl_pipelines.execution.caching import Cache
from aexl_pipelines.execution.contexts import call_mcp, program_environment
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.execution.listening import Listener
from aexl_pipelines.execution.outcomes import End, Work, work_of
from aexl_pipelines.execution.programs import run_shell
from aexl_pipelines.execution.rendering import fill, render, variables
from aexl_pipelines.execution.settings import STUB, qualified_model
from aexl_pipelines.execution.values import SessionRef
from aexl_pipelines.language.expressions.evaluating import as_text
from aexl_pipelines.language.model import PromptBody, SkillBody
from aexl_pipelines.language.parts import Extra
from aexl_pipelines.language.shell import render_shell
from aexl_pipelines.language.skills import render_skill
from aexl_pipelines.language.specification import section, specification
from aexl_pipelines.runners import running

_DRY = "[DRY RUN] "


async def ask_agent(instance: Instance) -> Work:
    """Ask an agent once; what it says is told while it says it."""
    run, settings = instance.run, instance.settings
    runner = run.ports.agents.runner(settings.runner)
    prompt = _prompt(instance)
    await instance.begin(prompt, runner=settings.runner, model=settings.model)
    used_up = instance.flow.account.exceeded(ahead=True)
    if used_up is not None:
        final = run.account.exceeded(ahead=True) is not None
        end = End(status="denied", message=used_up.message, step=instance.address, final=final)
        return Work(status="failed", error=used_up, runner=settings.runner, prompt=prompt, end=end)
    request = await _request(instance, runner, prompt)
    cache = await Cache.of(instance, request)
    cached = await cache.find() if cache is not None else None
    if cached is not None:
        return cached
    work = await _ask(instance, runner, request)
    instance.flow.account.add(work.usage, work.cost, work.turns or 0)
    over = step_exceeded(settings.budget, *instance.spent(work.usage, work.cost), 0)
    if over is not None:
        work = msgspec.structs.replace(work, status="failed", error=over)
    if cache is not None and work.status == "completed":
        await cache.keep(work)
    return work


def _prompt(instance: Instance) -> str:
    body = instance.step.body
    if isinstance(body, SkillBody):
        arguments = {name: as_text(fill(instance, value)) for name, value in body.arguments.items()}
        text = render_skill(body.skill, arguments, instance.flow.last or instance.run.prompt)
    else:
        assert isinstance(body, PromptBody)
        text = render(instance, body.prompt.template)
    if instance.fault:
        text = f"{text}\n\nAn answer before this one was refused: {instance.fault}"
    return text


async def _request(instance: Instance, runner: Runner, prompt: str) -> RunnerRequest:
    run, step, settings = instance.run, instance.step, instance.settings
    options = run.ports.agents.options(settings.runner)
    if run.options.dry_run and step.output_schema is None:
        options = {"answer": f"{_DRY}{prompt[:200]}"}
    answerable = run.ports.gates.answerable and not run.options.dry_run
    planned = plan_request(step, settings, runner, options, answerable=answerable, cwd=instance.flow.folder)
    system = settings.system_prompt
    session, home = await _session(instance)
    return with_texts(
        planned,
        prompt=prompt,
        home=home,
        session=session,
        repository=await trio.to_thread.run_sync(running.inside_repository, instance.flow.folder),
        system=render(instance, system.template) if system is not None else None,
        append_system=tuple([await _extra(instance, extra) for extra in step.append_system_prompt]),
        environ=run.ports.environ,
        env=variables(instance),
    )


async def _session(instance: Instance) -> tuple[RunnerSession, Path]:
    """Return which session a step belongs to, and its home."""
    homes = instance.run.folder / "homes"
    resume = instance.step.resume
    found: SessionRef | None = None
    if resume is not None:
        found = instance.flow.frame.session(resume.step) if resume.step else _latest(instance)
        if resume.step and found is None and not instance.run.options.dry_run:
            raise Invalid(f"the step {resume.step!r} has left no session that {instance.address!r} could resume")
    fresh = (
        homes / f"{re.sub(r'[^a-zA-Z0-9_.-]+', '-', instance.address)[:80]}-{instance.run.ports.clock.identify()[-12:]}"
    )
    if found is None or resume is None:
        return RunnerSession(), fresh
    if found.runner != instance.settings.runner:
        raise Invalid(
            f"the step {instance.address!r} runs {instance.settings.runner} and cannot resume a session of {found.runner}"
        )
    if not resume.fork:
        return RunnerSession(kind="resume", id=found.id, before=found.totals), homes / found.home
    if (homes / found.home).is_dir():  # nothing else may use a session's home at the same time
        await trio.to_thread.run_sync(lambda: shutil.copytree(homes / found.home, fresh, symlinks=True))
    return RunnerSession(kind="fork", id=found.id, before=found.totals), fresh


def _latest(instance: Instance) -> SessionRef | None:
    return instance.flow.sessions.get(instance.settings.runner)


async def _extra(instance: Instance, extra: Extra) -> str:
    """Return one addition to the system prompt."""
    match extra.kind:
        case "text" | "file":
            return render(instance, extra.template)
        case "spec":
            word = extra.template.source
            return section(word) or specification(word)
        case "skill":
            assert extra.skill is not None
            return render_skill(extra.skill, {}, instance.flow.last or instance.run.prompt)
        case "mcp":
            assert extra.call is not None
            if instance.run.options.dry_run:
                return extra.call.tool
            return (await call_mcp(instance, extra.call, fill(instance, extra.call.arguments)))[0]
        case "shell":
            return await _printed(instance, extra)


async def _printed(instance: Instance, extra: Extra) -> str:
    run = instance.run
    if run.options.dry_run and not run.options.dry_run_shell:
        return extra.template.source
    line = render_shell(extra.template, instance.values)
    env = {**program_environment(run), **variables(instance), **line.variables}
    output = await run_shell(run.host, line.command, cwd=instance.flow.folder, env=env, tell=lambda _: None)
    return output.stdout


async def _ask(instance: Instance, runner: Runner, request: RunnerRequest) -> Work:
    """Run the agent within its budgets."""
    run = instance.run
    listener = Listener(instance)
    own = _own_access(instance)
    async with run.access(instance.address, instance.settings.budget, own) as access:
        alone = access is None and instance.settings.runner != STUB
        model = qualified_model(instance.settings) if alone else request.model
        request = with_texts(request, access=access, login=alone, model=model)
        outcome = None
        with listener.scope:
            outcome = await running.run(
                run.host,
                runner,
                request,
                tell=listener.hear,
                decide=listener.decide,
                record=run.folder / "recordings" if run.options.record else None,
                others=run.ports.agents.runners(),
            )
    listener.finish()
    if outcome is None:
        assert listener.over is not None
        work = Work(
            status="failed",
            error=listener.over,
            runner=instance.settings.runner,
            prompt=request.prompt,
            usage=listener.usage,
            cost=listener.cost,
            turns=listener.turns,
        )
    else:
        work = work_of(outcome, request.prompt, instance.settings.runner)
    dialogue = listener.dialogue.turns(work.response) if listener.dialogue is not None else ()
    work = msgspec.structs.replace(work, tools=listener.tools(), dialogue=dialogue, home=request.home.name)
    masked = run.masker.record(work)
    return _within_time(instance, masked)


def _own_access(instance: Instance) -> Access | None:
    provider = instance.settings.provider
    if provider.base_url is None or instance.settings.runner == STUB:
        return None
    token = render(instance, provider.auth_token) if provider.auth_token is not None else ""
    return own_access(provider.base_url, token, instance.run.id)


def _within_time(instance: Instance, work: Work) -> Work:
    """Say that it was the budget where its time was shorter than the timeout."""
    budget, timeout = instance.settings.budget, instance.settings.timeout
    time = budget.time if budget is not None else None
    if work.error is None or work.error.kind != "wall" or time is None or (timeout is not None and timeout <= time):
        return work
    error = RunnerError(kind="budget", message=f"the step's budget of {time:g} seconds is used up")
    return msgspec.structs.replace(work, status="failed", error=error)
