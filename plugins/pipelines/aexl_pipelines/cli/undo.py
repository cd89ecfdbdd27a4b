"""``aexl pipeline undo``."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer

from aexl.api import Journal, Session, Snapshots
from aexl.errors import AexlError, Invalid
from aexl_pipelines.cli.changes import change_line, count_files
from aexl_pipelines.cli.root import JSON, app, say, say_aside
from aexl_pipelines.cli.spans import MAYBE_RUN, read_span
from aexl_pipelines.trees.spans import Span
from aexl_pipelines.trees.undoing import Later, Undone, foresee, undo

_SHORT: Final = 12
"""Digits of an id that people see."""

# Any: Typer's options stand in for values of another type.
_TO: Final[Any] = typer.Option(None, "--to", metavar="SNAPSHOT", help="Take an undo back: the snapshot that it told.")


@app.command(
    name="undo",
    epilog="Examples: aexl pipeline undo last --dry-run  ·  aexl pipeline undo last  ·  aexl pipeline undo last/fix  ·  "
    "aexl pipeline undo --to 3f2a91c04be7",
)
def undo_command(
    ctx: typer.Context,
    run: str | None = MAYBE_RUN,
    to: str | None = _TO,
    keep_edits: bool = typer.Option(
        False, "--keep-edits", help="Take back only what it changed itself, and keep what was changed since."
    ),
    force: bool = typer.Option(False, "--force", help="Also take back what was changed since."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would change, write nothing."),
    as_json: bool = JSON,
) -> None:
    """Put the files back as they were before a run, or before a step of it. Ignored files and .git are outside.

    Ends with 5, and changes nothing, if work done since would be lost. The files are captured first, so that an undo
    can be taken back.
    """
    session: Session = ctx.obj
    if (run is None) == (to is None):
        raise Invalid("say which run, or with --to which undo is to be taken back")
    if keep_edits and force:
        raise Invalid("--keep-edits and --force exclude each other")
    later: Later = "keep" if keep_edits else "lose" if force else "refuse"
    folder, span = read_span(session, run) if run is not None else _find_undo(session, to or "")
    if dry_run:
        done = session.ask(Snapshots, lambda snapshots: foresee(snapshots, span, later))
    else:
        done = _undo(session, folder, span, later)
    if as_json:
        return session.json(_as_json(done, dry_run=dry_run))
    return _say(done, span, dry_run=dry_run)


def _find_undo(session: Session, snapshot: str) -> tuple[Path, Span]:
    from aexl_pipelines.journal.folders import runs_folder
    from aexl_pipelines.trees.undone import find_undo

    return find_undo(runs_folder(session.home), snapshot)


def _undo(session: Session, folder: Path, span: Span, later: Later) -> Undone:
    from aexl_pipelines.journal.writing import open_journal
    from aexl_pipelines.trees.undone import remember

    _end_remains(session, folder)
    journal = open_journal(folder)  # nobody shall go on with the run meanwhile
    try:
        work = partial(undo, span=span, later=later, remember=lambda done: remember(folder, done, time.time()))
        done = session.ask(Snapshots, work)
    finally:
        journal.close()
    if done.saved is not None:
        _record(session, done, later)
    return done


def _end_remains(session: Session, folder: Path) -> None:
    """End what a run that was killed has left behind: it would write into the files again."""
    from aexl_pipelines.execution.remains import end_tree, find_left_tree
    from aexl_pipelines.governing.opening import WITHOUT

    tree = find_left_tree(session.home, folder)
    found = session.run(lambda host: end_tree(host, tree), without=WITHOUT) if tree else None
    if found is not None:
        say_aside(found)


def _record(session: Session, done: Undone, later: Later) -> None:
    """Tell the ledger, where there is one; the undo is done, whatever comes of that."""
    from aexl_pipelines.governing.events import record_undo
    from aexl_pipelines.governing.opening import has_ledger

    if session.running() is None and not has_ledger(session):
        return
    data = {"saved": done.saved or "", "restored": done.restored, "files": len(done.changes), "later": later}
    try:
        session.run(lambda host: record_undo(host.service(Journal), done.run, done.step, data))
    except AexlError as error:
        say_aside(f"done, but not recorded in the ledger: {error}")


def _as_json(done: Undone, *, dry_run: bool) -> dict[str, object]:
    return {
        "run": done.run,
        "step": done.step,
        "project": done.project,
        "written": done.saved is not None,
        "dry_run": dry_run,
        "saved": done.saved,
        "restored": done.restored,
        "changes": list(done.changes),
        "later": [change.path for change in done.later],
    }


def _say(done: Undone, span: Span, *, dry_run: bool) -> None:
    if not done.changes:
        return say(f"Nothing to undo: the files of {done.project} are as they were before {span.name}.")
    for change in done.changes:
        say(change_line(change))
    files = count_files(done.changes)
    if dry_run:
        return say(f"Would put {files} of {done.project} back as before {span.name}; nothing was written.")
    say(f"Put {files} of {done.project} back as before {span.name}; ignored files and .git are as they were.")
    say(f"The files as they were are snapshot {done.saved}.")
    return say(f"Take this back: aexl pipeline undo --to {(done.saved or '')[:_SHORT]}")
