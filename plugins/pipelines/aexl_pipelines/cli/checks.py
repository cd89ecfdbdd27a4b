"""``aexl pipeline validate``."""

from __future__ import annotations

from pathlib import Path

import typer

from aexl.api import Session
from aexl_pipelines.cli.opening import find, load
from aexl_pipelines.cli.root import JSON, PIPELINE, app, say, say_aside
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.planning import all_steps
from aexl_pipelines.language.problems import InvalidPipeline, Problem


@app.command(
    epilog="Examples: aexl pipeline validate  ·  aexl pipeline validate --pipeline .ail/review.ail.yaml --json"
)
def validate(ctx: typer.Context, pipeline: str = PIPELINE, as_json: bool = JSON) -> None:
    """Check a pipeline and all that it names; every problem at once, with its place. Ends with 3 if there is one."""
    session: Session = ctx.obj
    path = find(session, pipeline)
    loaded = load(session, path)
    if as_json:
        session.json(_as_json(loaded))
        raise typer.Exit(0 if loaded.pipeline is not None else InvalidPipeline.exit_code)
    for note in loaded.notes:
        say_aside(f"note: {note}")
    found = loaded.unwrap()
    count = sum(1 for _ in all_steps(found))
    say(f"Pipeline valid: {found.file} ({count} step{'s' if count != 1 else ''}).")


def _as_json(loaded: Loaded) -> dict[str, object]:
    """Return the answer in the form that ail's tools read, with places besides."""
    if loaded.pipeline is not None:
        steps = sum(1 for _ in all_steps(loaded.pipeline))
        return {"valid": True, "step_count": steps, "notes": [_problem(note) for note in loaded.notes]}
    errors = [_problem(problem) for problem in loaded.problems]
    return {"valid": False, "errors": errors, "dropped": loaded.dropped, "notes": [_problem(n) for n in loaded.notes]}


def _problem(problem: Problem) -> dict[str, object]:
    place = problem.place
    return {
        "message": problem.message,
        "error_type": problem.code,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "suggestion": problem.suggestion,
    }


def names_of(paths: list[Path]) -> list[str]:
    """Return what people call files: their paths from the current folder, where they are below it."""
    here = Path.cwd()
    return [str(path.relative_to(here)) if path.is_relative_to(here) else str(path) for path in paths]
