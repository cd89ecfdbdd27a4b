"""``aexl pipeline runs --prune``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer

from aexl.api import Host, Session, Snapshots
from aexl.errors import Invalid, NotFound
from aexl_pipelines.cli.root import say
from aexl_pipelines.journal.folders import summarize
from aexl_pipelines.language.kinds import read_duration

# Any: Typer's options stand in for values of another type.
PRUNE: Final[Any] = typer.Option(
    None,
    "--prune",
    metavar="AGE",
    help="Remove runs in which nothing has happened for so long, as in 30d or 12h, with their snapshots.",
)


def prune(session: Session, age: str, project: Path | None, *, as_json: bool) -> None:
    """Remove old runs of a project, or of all; those that somebody works on stay.

    Raises:
        Invalid: If the age is not a time.
    """
    from aexl_pipelines.trees.pruning import old_runs

    seconds = read_duration(age)
    if seconds is None:
        raise Invalid(f"--prune must be a time, as in 30d, 12h or 90m, not {age!r}")
    chosen = [folder for folder in old_runs(session.home, time.time() - seconds) if _is_of(folder, project)]
    if chosen:
        _remove(session, chosen)
    if as_json:
        return session.json({"removed": [folder.name for folder in chosen]})
    return say(f"Removed {len(chosen)} run{'' if len(chosen) == 1 else 's'}.")


def _is_of(folder: Path, project: Path | None) -> bool:
    """Say whether a run is of a project; what cannot be read is of none."""
    if project is None:
        return True
    try:
        found = summarize(folder)
    except (Invalid, NotFound):
        return False
    return found is not None and Path(found.project).is_relative_to(project)


def _remove(session: Session, folders: Sequence[Path]) -> None:
    from aexl_pipelines.trees.pruning import prune_run

    async def work(host: Host) -> None:
        for folder in folders:
            await prune_run(host.service(Snapshots), folder)

    session.run(work)
