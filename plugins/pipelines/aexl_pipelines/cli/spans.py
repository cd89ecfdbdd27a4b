"""From ``RUN[/STEP]`` on the command line to what it means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import typer

from aexl.api import Session
from aexl_pipelines.journal.folders import find_folder
from aexl_pipelines.language.discovery import find_project
from aexl_pipelines.trees.spans import Span

HELP: Final = (
    "A run, or a step of it by its address, as 'aexl pipeline log' shows them. The beginning or the end of a run's id "
    "will do, and 'last' is the first that 'aexl pipeline runs' lists."
)


def complete_run(incomplete: str) -> list[str]:
    """Return the ids of runs that begin like this, the latest first; for the shell's completion."""
    home = Path(os.environ.get("AEXL_HOME") or Path.home() / ".aexl")
    found = sorted((path.name for path in (home / "runs").glob(f"{incomplete}*") if path.is_dir()), reverse=True)
    return found[:50] if incomplete.isalnum() or not incomplete or "-" in incomplete else []


# Any: Typer's arguments stand in for values of another type.
RUN: Final[Any] = typer.Argument(help=HELP, metavar="RUN[/STEP]", autocompletion=complete_run)
MAYBE_RUN: Final[Any] = typer.Argument(None, help=HELP, metavar="[RUN[/STEP]]", autocompletion=complete_run)


def find_run(session: Session, text: str) -> Path:
    """Return the folder of the run that a text on the command line means.

    Raises:
        NotFound: If there is none.
        Conflict: If it may be several.
    """
    return find_folder(session.home, text, find_project(Path.cwd()))


def read_span(session: Session, text: str) -> tuple[Path, Span]:
    """Return a run's folder and the span that ``RUN[/STEP]`` means.

    Raises:
        NotFound: If there is no such run, or it has no such step.
        Conflict: If it may be several runs.
    """
    from aexl_pipelines.journal.folders import read_records
    from aexl_pipelines.trees.spans import span_of

    run, _, step = text.partition("/")
    folder = find_run(session, run)
    return folder, span_of([written.record for written in read_records(folder)], step or None)
