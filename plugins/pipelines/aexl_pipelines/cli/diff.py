"""``aexl pipeline diff``."""

from __future__ import annotations

import sys
from typing import Final

import typer

from aexl.api import ObjectId, Session, Snapshots
from aexl.errors import Invalid
from aexl_pipelines.cli.changes import change_json, count_files, paint_patch, stat_line
from aexl_pipelines.cli.root import JSON, app, say, say_aside
from aexl_pipelines.cli.spans import RUN, read_span
from aexl_pipelines.trees.patches import Counted, count_lines
from aexl_pipelines.trees.spans import Span

LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a patch that is shown; the files that do not fit are named."""


@app.command(
    epilog="Examples: aexl pipeline diff last  ·  aexl pipeline diff last/fix --stat  ·  "
    "aexl pipeline diff 0199a3/loop#2::fix  ·  aexl pipeline diff last --json"
)
def diff(
    ctx: typer.Context,
    run: str = RUN,
    stat: bool = typer.Option(False, "--stat", help="Only the files, with how many lines were added and removed."),
    name_only: bool = typer.Option(False, "--name-only", help="Only the paths, one on each line."),
    exit_code: bool = typer.Option(False, "--exit-code", help="End with 1 if files were changed."),
    as_json: bool = JSON,
) -> None:
    """Show what a run, or a step of it, changed in the files. Ignored files and .git are outside.

    What has not ended is compared with the files as they are now.
    """
    session: Session = ctx.obj
    if stat + name_only + as_json > 1:
        raise Invalid("--stat, --name-only and --json exclude each other")
    _, span = read_span(session, run)
    counted, patch = _compare(session, span)
    if as_json:
        session.json(
            {
                "run": span.run,
                "step": span.step,
                "project": str(span.project),
                "before": span.before,
                "after": span.after,
                "changes": [change_json(each) for each in counted],
                "patch": patch,
            }
        )
    elif name_only:
        for each in counted:
            say(each.change.path)
    elif stat:
        _say_stat(span, counted)
    else:
        sys.stdout.write(paint_patch(patch))
    if not as_json and span.after is None:
        say_aside(f"{span.name} has not ended; compared with the files as they are now")
    if not as_json and not counted:
        say_aside(f"{span.name} changed no files; ignored files and .git are outside")
    raise typer.Exit(1 if exit_code and counted else 0)


def _compare(session: Session, span: Span) -> tuple[list[Counted], str]:
    before = span.first_snapshot()

    async def work(snapshots: Snapshots) -> tuple[list[Counted], str]:
        after: ObjectId = span.after or await snapshots.capture(str(span.project), f"to compare with {span.name}")
        patch = await snapshots.patch(before, after, LONGEST)
        return count_lines(patch, await snapshots.diff(before, after)), patch

    return session.ask(Snapshots, work)


def _say_stat(span: Span, counted: list[Counted]) -> None:
    width = max((len(each.change.path) for each in counted), default=0)
    for each in counted:
        say(stat_line(each, min(width, 60)))
    say(f"{count_files(counted)} changed by {span.name}.")
