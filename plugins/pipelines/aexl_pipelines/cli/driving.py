"""What the commands that drive a run have in common: its ports, its view, its end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeVar

import typer

from aexl.api import Host, Session
from aexl.errors import AexlError
from aexl_pipelines.cli.opening import Loader
from aexl_pipelines.cli.options import Wanted
from aexl_pipelines.cli.printing import LineView
from aexl_pipelines.cli.root import say, say_aside
from aexl_pipelines.execution.ports import Gates, Governor, Observer, Ports
from aexl_pipelines.execution.requests import RunResult
from aexl_pipelines.journal.folders import runs_folder
from aexl_pipelines.journal.records import RunOptions

CANCELLED: Final = 130

T = TypeVar("T")

Work = Callable[[Host, Ports], Awaitable[RunResult]]


def drive(session: Session, work: Work, options: RunOptions, wanted: Wanted) -> None:
    """Drive a run as a command does, print its answer, and end with its exit code."""
    from aexl_pipelines.gates.opening import command_gates
    from aexl_pipelines.governing.opening import WITHOUT, open_governor
    from aexl_pipelines.live.opening import open_view

    governor = open_governor(session, agent=wanted.agent, govern=wanted.govern, say=say_aside)
    with ExitStack() as stack:
        view = stack.enter_context(open_view(plain=wanted.plain, quiet=wanted.quiet or wanted.lines))
        lines = stack.enter_context(LineView()) if wanted.lines else None
        observers: Sequence[Observer] = [view] if lines is None else [view, lines]
        runs = runs_folder(session.home)
        gates = stack.enter_context(command_gates(runs, options, quiet=view.suspended))

        async def main(host: Host) -> RunResult | None:
            ports = make_ports(session, host, observers, gates, governor(host))
            return await until_signal(lambda: work(host, ports))

        result = session.run(main, without=WITHOUT)
        if lines is not None:
            lines.finish(result, runs)
    if result is None:
        raise typer.Exit(CANCELLED)
    if not wanted.lines:
        _show(result, view.shows_text, view.summarize)
    raise typer.Exit(result.exit_code)


def _show(result: RunResult, text_was_shown: bool, summarize: Callable[[], None]) -> None:
    if result.response and not (text_was_shown and sys.stdout.isatty()):
        say(result.response)
    summarize()


def make_ports(session: Session, host: Host, observers: Sequence[Observer], gates: Gates, governor: Governor) -> Ports:
    """Return the ports of a run in this process."""
    from aexl_pipelines.execution.known import known_agents
    from aexl_pipelines.proposals.ports import FileProposals
    from aexl_pipelines.trees.ports import trees_of

    types = {name: kind.parse for name, kind in host.step_types().items()}
    loader = Loader(session, types)
    return Ports(
        agents=known_agents(host),
        observers=observers,
        gates=gates,
        trees=trees_of(host),
        governor=governor,
        proposals=FileProposals(loader.files, loader.finder(Path.cwd()), types),
        load=loader,
        environ=dict(os.environ),
    )


async def until_signal(work: Callable[[], Awaitable[T]]) -> T | None:
    """Do work; an interrupt, being told to end, or the terminal's end cancels it, and there is no result then.

    Whoever had us ignore the terminal's end (``nohup``) meant it.
    """
    import trio

    ends = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        ends.append(signal.SIGHUP)
    result: T | None = None
    failure: AexlError | None = None
    async with trio.open_nursery() as nursery:

        async def listen(task_status: trio.TaskStatus[None]) -> None:
            with trio.open_signal_receiver(*ends) as signals:
                task_status.started()
                async for _ in signals:
                    nursery.cancel_scope.cancel()

        await nursery.start(listen)
        try:
            result = await work()
        except AexlError as error:  # out of the nursery first, which would make a group of it
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result
