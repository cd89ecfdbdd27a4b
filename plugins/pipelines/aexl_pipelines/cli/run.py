"""``aexl pipeline run``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import typer

from aexl.api import Host, Session
from aexl.errors import Invalid
from aexl_pipelines.cli.driving import drive
from aexl_pipelines.cli.opening import load
from aexl_pipelines.cli.options import Wanted, with_run_options
from aexl_pipelines.cli.reading import is_person, read_input, read_text
from aexl_pipelines.cli.root import PIPELINE, app, say_aside
from aexl_pipelines.execution.passthrough import load_passthrough
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.requests import RunRequest, RunResult
from aexl_pipelines.language.discovery import choose
from aexl_pipelines.language.inputs import bind_inputs
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.parts import Input

_MOST_PROMPT: Final = 8 * 1024 * 1024

_PROMPT: Final[Any] = typer.Argument(None, metavar="[PROMPT]", help="What the agent is asked first; - reads it.")
_RECORD: Final[Any] = typer.Option(False, "--record", help="Keep recordings of the agents, for the runner 'cassette'.")
_NAME: Final[Any] = typer.Option(None, "--name", metavar="NAME", help="One of the file's own 'pipelines:'.")


@app.command(
    epilog='Examples: aexl pipeline run "Fix the build"  ·  aexl pipeline run -p review --input level=3 --json  ·  '
    'aexl pipeline run "Try it" --dry-run'
)
@with_run_options()
def run(
    ctx: typer.Context,
    prompt: str = _PROMPT,
    pipeline: str = PIPELINE,
    name: str = _NAME,
    once: bool = typer.Option(False, "--once", help="Run once and end: what this command always does."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Call no model and run no program; show what would happen."),
    dry_run_shell: bool = typer.Option(False, "--dry-run-shell", help="The same, but lines of shell do run."),
    record: bool = _RECORD,
    *,
    wanted: Wanted,
) -> None:
    """Run a pipeline: the folder's own, or the one that is named; without any, the prompt goes to the agent alone.

    Ends with 0 if it completed, 1 if a step failed, 2 for wrong usage, 3 for an invalid pipeline, 4 if the pipeline
    itself said so, 5 at a gate, 6 out of time, 7 by a budget or a policy, 130 if it was cancelled.
    """
    session: Session = ctx.obj
    options = wanted.options(once=once, dry_run=dry_run or dry_run_shell, dry_run_shell=dry_run_shell, record=record)
    loaded = _load(session, pipeline)
    for note in loaded.notes:
        say_aside(f"note: {note}")
    asking = _ask if is_person() and not wanted.headless else None
    inputs = bind_inputs(loaded.unwrap().inputs, wanted.inputs, asking)
    request = RunRequest(
        project=Path.cwd(), prompt=_read_prompt(prompt, loaded), inputs=inputs, options=options, name=name
    )

    async def work(host: Host, ports: Ports) -> RunResult:
        from aexl_pipelines.execution.running import run_pipeline

        return await run_pipeline(host, loaded, request, ports)

    drive(session, work, options, wanted)


def _load(session: Session, given: str | None) -> Loaded:
    path = choose(given, Path.cwd(), session.home)
    loaded = load_passthrough(Path.cwd()) if path is None else load(session, path)
    loaded.unwrap()
    return loaded


def _ask(name: str, wanted: Input) -> str | None:
    """Ask the person on the terminal for an input."""
    label = f"{name} ({wanted.description})" if wanted.description else name
    if wanted.choices:
        label += f" [{', '.join(str(choice) for choice in wanted.choices)}]"
    prompt = partial(typer.prompt, label, default="", show_default=False, hide_input=wanted.secret, err=True)
    return read_text(prompt, f"the input {name!r}") or None


def _read_prompt(given: str | None, loaded: Loaded) -> str:
    """Return the prompt; on a terminal it is asked for where the pipeline begins with one.

    Raises:
        Invalid: If it is too long or not UTF-8, or there is none and there is nothing else to run.
    """
    if given == "-":
        text = read_input("the prompt", _MOST_PROMPT + 1)
        if len(text) > _MOST_PROMPT:
            raise Invalid(f"the prompt has more than {_MOST_PROMPT} characters")
        return text
    steps = loaded.unwrap().steps
    if given is not None or not steps or steps[0].id != "invocation":
        return given or ""
    if is_person():
        return read_text(lambda: typer.prompt("prompt", err=True), "the prompt")
    raise Invalid('the pipeline begins with a prompt: aexl pipeline run "WHAT TO DO", or - to read it')
