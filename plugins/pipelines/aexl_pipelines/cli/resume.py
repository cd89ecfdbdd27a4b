"""``aexl pipeline resume`` and ``aexl pipeline fork``."""

from __future__ import annotations

from typing import Any, Final

import typer

from aexl.api import Host, Session
from aexl_pipelines.cli.driving import Showing, drive
from aexl_pipelines.cli.opening import find, load
from aexl_pipelines.cli.options import (
    AGENT,
    BUDGET,
    GOVERN,
    HEADLESS,
    INPUT,
    LINES,
    MODEL,
    ON_GATE,
    PLAIN,
    QUIET,
    RUNNER,
    TIMEOUT,
    make_options,
    read_inputs,
)
from aexl_pipelines.cli.root import app
from aexl_pipelines.execution.ports import Ports
from aexl_pipelines.execution.requests import RunResult

_RUN: Final[Any] = typer.Argument(..., metavar="RUN", help="Its id, a part of it that no other has, or 'last'.")
_FROM: Final[Any] = typer.Option(
    None, "--from", metavar="STEP", help="Do this step and all that began after it again, as in loop#2::fix."
)
_FORK_FROM: Final[Any] = typer.Option(..., "--from", metavar="STEP", help="The first step that is done anew.")


@app.command(epilog="Examples: aexl pipeline resume last  ·  aexl pipeline resume 3f2a --from review --on-gate approve")
def resume(
    ctx: typer.Context,
    run: str = _RUN,
    from_step: str = _FROM,
    given: list[str] = INPUT,
    headless: bool = HEADLESS,
    on_gate: str = ON_GATE,
    budget: str = BUDGET,
    timeout: str = TIMEOUT,
    model: str = MODEL,
    runner: str = RUNNER,
    govern: bool = GOVERN,
    agent: str = AGENT,
    lines: bool = LINES,
    quiet: bool = QUIET,
    plain: bool = PLAIN,
) -> None:
    """Go on with a run that was broken off, failed or was rejected: what has ended is neither run nor paid for again.

    It runs the pipeline as it was when the run began. What is not said here counts as it was said then.
    """
    options = make_options(
        on_gate=on_gate,
        budget=budget,
        timeout=timeout,
        headless=headless,
        model=model,
        runner=runner,
        govern=bool(govern),
    )
    inputs = read_inputs(given)

    async def work(host: Host, ports: Ports) -> RunResult:
        from aexl_pipelines.execution.running import resume_run

        return await resume_run(host, run, ports, from_step=from_step, options=options, inputs=inputs)

    session: Session = ctx.obj
    showing = Showing(lines=lines, quiet=quiet, plain=plain)
    drive(session, work, options=options, showing=showing, agent=agent, govern=govern)


@app.command(
    epilog='Examples: aexl pipeline fork last --from review  ·  aexl pipeline fork 3f2a --from plan --prompt "Shorter" --restore'
)
def fork(
    ctx: typer.Context,
    run: str = _RUN,
    from_step: str = _FORK_FROM,
    prompt: str = typer.Option(None, "--prompt", metavar="TEXT", help="Another prompt than that run's."),
    pipeline: str | None = typer.Option(
        None, "--pipeline", "-p", metavar="PATH|NAME", help="Another pipeline for the steps that follow."
    ),
    restore: bool = typer.Option(False, "--restore", help="Make the files what they were before that step."),
    given: list[str] = INPUT,
    headless: bool = HEADLESS,
    on_gate: str = ON_GATE,
    budget: str = BUDGET,
    timeout: str = TIMEOUT,
    model: str = MODEL,
    runner: str = RUNNER,
    govern: bool = GOVERN,
    agent: str = AGENT,
    lines: bool = LINES,
    quiet: bool = QUIET,
    plain: bool = PLAIN,
) -> None:
    """Begin a new run from a step of another one: what came before it is taken over, and paid for there."""
    session: Session = ctx.obj
    options = make_options(
        on_gate=on_gate,
        budget=budget,
        timeout=timeout,
        headless=headless,
        model=model,
        runner=runner,
        govern=bool(govern),
    )
    inputs = read_inputs(given)
    loaded = load(session, find(session, pipeline)) if pipeline is not None else None

    async def work(host: Host, ports: Ports) -> RunResult:
        from aexl_pipelines.execution.running import fork_run

        return await fork_run(
            host,
            run,
            ports,
            from_step=from_step,
            prompt=prompt,
            options=options,
            inputs=inputs,
            loaded=loaded,
            restore=restore,
        )

    showing = Showing(lines=lines, quiet=quiet, plain=plain)
    drive(session, work, options=options, showing=showing, agent=agent, govern=govern)
