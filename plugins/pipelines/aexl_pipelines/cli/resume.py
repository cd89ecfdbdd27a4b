"""``aexl pipeline resume`` and ``aexl pipeline fork``."""

from __future__ import annotations

from typing import Any, Final

import typer

from aexl.api import Host, Session
from aexl_pipelines.cli.driving import drive
from aexl_pipelines.cli.opening import find, load
from aexl_pipelines.cli.options import Wanted, with_run_options
from aexl_pipelines.cli.root import app, say_aside
from aexl_pipelines.cli.spans import find_run
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.requests import RunResult
from aexl_pipelines.journal.folders import summarize

_RUN: Final[Any] = typer.Argument(..., metavar="RUN", help="Its id, a part of it that no other has, or 'last'.")
_FROM: Final[Any] = typer.Option(
    None, "--from", metavar="STEP", help="Do this step and all that began after it again, as in loop#2::fix."
)
_FORK_FROM: Final[Any] = typer.Option(..., "--from", metavar="STEP", help="The first step that is done anew.")


@app.command(epilog="Examples: aexl pipeline resume last  ·  aexl pipeline resume 3f2a --from review --on-gate approve")
@with_run_options()
def resume(
    ctx: typer.Context,
    run: str = _RUN,
    from_step: str | None = _FROM,
    *,
    wanted: Wanted,
) -> None:
    """Go on with a run that was broken off, failed or was rejected: what has ended is neither run nor paid for again.

    It runs the pipeline as it was when the run began. What is not said here counts as it was said then.
    """
    session: Session = ctx.obj
    options, inputs = wanted.options(), wanted.inputs
    folder = find_run(session, run)
    if from_step is None and not wanted.quiet:
        found = summarize(folder)
        if found is not None and found.state == "completed":
            say_aside("the run has completed; --from STEP does a step again, and all that began after it")

    async def work(host: Host, ports: Ports) -> RunResult:
        from aexl_pipelines.execution.running import resume_run

        return await resume_run(host, folder.name, ports, from_step=from_step, options=options, inputs=inputs)

    drive(session, work, options, wanted)


@app.command(
    epilog='Examples: aexl pipeline fork last --from review  ·  aexl pipeline fork 3f2a --from plan --prompt "Shorter" --restore'
)
@with_run_options()
def fork(
    ctx: typer.Context,
    run: str = _RUN,
    from_step: str = _FORK_FROM,
    prompt: str = typer.Option(None, "--prompt", metavar="TEXT", help="Another prompt than that run's."),
    pipeline: str | None = typer.Option(
        None, "--pipeline", "-p", metavar="PATH|NAME", help="Another pipeline for the steps that follow."
    ),
    restore: bool = typer.Option(False, "--restore", help="Make the files what they were before that step."),
    *,
    wanted: Wanted,
) -> None:
    """Begin a new run from a step of another one: what came before it is taken over, and paid for there."""
    session: Session = ctx.obj
    options, inputs = wanted.options(), wanted.inputs
    folder = find_run(session, run)
    loaded = load(session, find(session, pipeline)) if pipeline is not None else None

    async def work(host: Host, ports: Ports) -> RunResult:
        from aexl_pipelines.execution.running import fork_run

        return await fork_run(
            host,
            folder.name,
            ports,
            from_step=from_step,
            prompt=prompt,
            options=options,
            inputs=inputs,
            loaded=loaded,
            restore=restore,
        )

    drive(session, work, options, wanted)
