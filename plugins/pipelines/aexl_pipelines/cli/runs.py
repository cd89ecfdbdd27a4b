"""``aexl pipeline runs`` and ``aexl pipeline log``: they read files, and need no server."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path
from typing import Any, Final

import typer

from aexl.api import Session
from aexl_pipelines.cli.printing import line_of
from aexl_pipelines.cli.pruning import PRUNE, prune
from aexl_pipelines.cli.root import JSON, app, say
from aexl_pipelines.cli.spans import find_run
from aexl_pipelines.journal.folders import RunSummary, list_runs, read_records
from aexl_pipelines.journal.lines import Written
from aexl_pipelines.language.discovery import find_project
from aexl_pipelines.live.words import dollars, duration, first_line

_COLUMNS: Final = ("run", "began", "state", ">steps", ">time", ">cost", "pipeline", "")
_LOG_RUN: Final[Any] = typer.Argument(
    "last", metavar="[RUN]", help="Its id, a part of it that no other has, or 'last'."
)


@app.command(
    epilog="Examples: aexl pipeline runs  ·  aexl pipeline runs --all --limit 100 --json  ·  aexl pipeline runs --prune 30d"
)
def runs(
    ctx: typer.Context,
    everywhere: bool = typer.Option(
        False, "--all", help="Those of all projects, and those that other runs have called."
    ),
    limit: int = typer.Option(20, "--limit", min=1, max=10_000, help="The most."),
    older: str | None = PRUNE,
    as_json: bool = JSON,
) -> None:
    """List the runs of this project, the newest first; with --prune, remove old ones instead."""
    session: Session = ctx.obj
    project = None if everywhere else find_project(Path.cwd())
    if older is not None:
        return prune(session, older, project, as_json=as_json)
    listed = (each for each in list_runs(session.home, project) if everywhere or each.parent is None)
    found = list(itertools.islice(listed, limit))
    if as_json:
        return session.json(found)
    if not found:
        return say("There are no runs here.")
    return session.table(_COLUMNS, [_row(each) for each in found])


def _row(run: RunSummary) -> list[str]:
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.began))
    took = duration(run.ended - run.began) if run.ended is not None else ""
    said = first_line(run.message, 60)
    return [run.run, began, run.state, str(run.steps), took, dollars(run.cost), run.pipeline, said]


@app.command(epilog="Examples: aexl pipeline log  ·  aexl pipeline log 3f2a --follow  ·  aexl pipeline log last --json")
def log(
    ctx: typer.Context,
    run: str = _LOG_RUN,
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on as long as the run does."),
    brief: bool = typer.Option(False, "--brief", help="What happened, without what was asked and said."),
    lines: bool = typer.Option(False, "--json", help="A line of JSON for each record."),
) -> None:
    """Print what happened in a run: its journal."""
    session: Session = ctx.obj
    folder = find_run(session, run)
    if not follow:
        for written in read_records(folder):
            _print(folder.name, written, lines=lines, brief=brief)
        return
    _follow(folder, lines=lines, brief=brief)


def _follow(folder: Path, *, lines: bool, brief: bool) -> None:
    import trio

    from aexl_pipelines.journal.following import follow

    async def main() -> None:
        from contextlib import aclosing

        async with aclosing(follow(folder)) as records:
            async for written in records:
                _print(folder.name, written, lines=lines, brief=brief)
                sys.stdout.flush()

    try:
        trio.run(main)
    except KeyboardInterrupt:  # whoever follows has seen enough
        return


def _print(run: str, written: Written, *, lines: bool, brief: bool) -> None:
    if lines:
        return say(line_of(run, written.record))
    from aexl_pipelines.live.lines import log_lines

    for line in log_lines(written.record, text=not brief):
        say(line)
    return None
