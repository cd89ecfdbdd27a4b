"""Work that is no model's: lines of shell, the language's description, tools of MCP servers, plugins' step types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from aexl.api.governed import Access, common_variables, is_stripped, without_proxy
from aexl.errors import Invalid, Refused
from aexl_pipelines.execution.instance import Instance, Speaker
from aexl_pipelines.execution.mcp.calling import call_server
from aexl_pipelines.execution.outcomes import Work, failure
from aexl_pipelines.execution.programs import run_shell
from aexl_pipelines.execution.rendering import fill, variables
from aexl_pipelines.execution.run import Run
from aexl_pipelines.language.model import McpBody, ShellBody, SpecBody, UseBody
from aexl_pipelines.language.parts import McpCall
from aexl_pipelines.language.shell import ShellLine, render_shell
from aexl_pipelines.language.specification import section, specification
from aexl_pipelines.language.templates import Template
from aexl_pipelines.runners.classifying import classify

_DRY = "[dry run] "


async def run_line(instance: Instance) -> Work:
    """Run a line of shell; its exit code is a result, not a failure."""
    body = instance.step.body
    assert isinstance(body, ShellBody)
    line = _line(instance, body.command)
    shown = line.command + "".join(f"\n{name}={value}" for name, value in line.variables.items())
    await instance.begin(shown)
    if instance.run.options.dry_run and not instance.run.options.dry_run_shell:
        return Work(prompt=shown, stdout=_DRY + line.command, stderr="", exit_code=0)
    return await run_rendered(instance, line, shown)


def _line(instance: Instance, command: Template) -> ShellLine:
    if instance.run.options.dry_run and not instance.run.options.dry_run_shell:
        return ShellLine(command.source, {})
    return render_shell(command, instance.values)


async def run_rendered(instance: Instance, line: ShellLine, shown: str) -> Work:
    """Run a line whose values are known."""
    run, speaker = instance.run, instance.speaker()
    async with run.access(instance.address, instance.settings.budget) as access:
        output = await run_shell(
            run.host,
            line.command,
            cwd=instance.flow.folder,
            env={**program_environment(run, access), **variables(instance), **line.variables},
            tell=speaker.say,
            idle=instance.settings.idle_timeout,
        )
    speaker.finish()
    if output.fell_silent:
        return failure(f"the program said nothing for {instance.settings.idle_timeout:g} seconds", "idle")
    mask = run.masker.text
    return Work(prompt=shown, stdout=mask(output.stdout), stderr=mask(output.stderr), exit_code=output.exit_code)


def program_environment(run: Run, access: Access | None = None) -> dict[str, str]:
    """Return the environment of a program of the person's own: theirs; where the run is governed, without their keys.

    Args:
        access: The program's way to models, where it gets one.
    """
    env = dict(run.ports.environ)
    if run.is_governed or access is not None:
        env = {name: value for name, value in env.items() if not is_stripped(name, ())}
    return env if access is None else {**env, **common_variables(access), **without_proxy(env, access)}


async def show_spec(instance: Instance) -> Work:
    """Put in a part of the language's description."""
    body = instance.step.body
    assert isinstance(body, SpecBody)
    await instance.begin(body.word)
    return Work(prompt=body.word, stdout=section(body.word) or specification(body.word), stderr="", exit_code=0)


async def call_tool(instance: Instance) -> Work:
    """Call a tool of an MCP server."""
    body = instance.step.body
    assert isinstance(body, McpBody)
    arguments = fill(instance, body.call.arguments)
    shown = f"{body.call.server}: {body.call.tool} {msgspec.json.encode(arguments, enc_hook=str).decode()}"
    await instance.begin(shown)
    if instance.run.options.dry_run:
        return Work(prompt=shown, stdout=_DRY + shown, stderr="", exit_code=0)
    text, failed = await call_mcp(instance, body.call, arguments)
    text = instance.run.masker.text(text)
    return Work(prompt=shown, stdout="" if failed else text, stderr=text if failed else "", exit_code=int(failed))


async def call_mcp(instance: Instance, call: McpCall, arguments: object) -> tuple[str, bool]:
    """Return what a tool answers, and whether it says that it failed."""
    run = instance.run
    env = {**program_environment(run), **variables(instance)}
    return await call_server(run.host, call.server, call.tool, arguments, cwd=instance.flow.folder, env=env)


class _StepRun:
    """See ``aexl.api.StepRun``."""

    def __init__(self, instance: Instance, inputs: Mapping[str, object], access: Access | None) -> None:
        self.inputs = inputs
        self.access = access
        self.lines: list[str] = []
        self._speaker: Speaker = instance.speaker()
        self._folder = instance.flow.folder

    @property
    def workspace(self) -> Path:
        """The folder of the run."""
        return self._folder

    def log(self, line: str) -> None:
        """Tell a line."""
        self.lines.append(line)
        del self.lines[:-1000]
        self._speaker.say(line + "\n")


async def use_type(instance: Instance) -> Work:
    """Run a step type of a plugin."""
    body = instance.step.body
    assert isinstance(body, UseBody)
    arguments = fill(instance, body.arguments)
    assert isinstance(arguments, dict)
    step = instance.run.ports.agents.step_type(body.name).parse(arguments)
    shown = f"{body.name} {msgspec.json.encode(arguments, enc_hook=str).decode()}"
    await instance.begin(shown)
    if instance.run.options.dry_run:
        return Work(prompt=shown, response=_DRY + shown)
    async with instance.run.access(instance.address, instance.settings.budget) as access:
        running = _StepRun(instance, arguments, access)
        try:
            outputs = instance.run.masker.value(dict(await step.run(running)))
        except Refused as error:
            log = "\n".join(running.lines) or None
            return Work(status="failed", error=classify(error.reason, error.status), prompt=shown, stderr=log)
    try:
        plain = msgspec.json.decode(msgspec.json.encode(outputs))
    except (TypeError, ValueError) as error:
        raise Invalid(f"the step type {body.name} answered with what is no JSON value: {error}") from error
    return Work(prompt=shown, response=_response(plain), stderr="\n".join(running.lines) or None, outputs=plain)


def _response(outputs: Mapping[str, object]) -> str:
    answer = outputs.get("response")
    return answer if isinstance(answer, str) else msgspec.json.encode(outputs).decode()
