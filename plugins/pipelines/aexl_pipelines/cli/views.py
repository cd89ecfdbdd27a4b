"""``aexl pipeline show``, ``graph``, ``list`` and ``spec``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import typer

from aexl.api import Session
from aexl.errors import Invalid, NotFound
from aexl_pipelines.cli.checks import names_of
from aexl_pipelines.cli.opening import find, load
from aexl_pipelines.cli.root import JSON, PIPELINE, app, say
from aexl_pipelines.language.discovery import find_all, find_default
from aexl_pipelines.language.exporting import as_data
from aexl_pipelines.language.model import Pipeline
from aexl_pipelines.language.planning import all_steps, plan_pipeline
from aexl_pipelines.language.problems import suggest

_FORMATS: Final = ("terminal", "mermaid", "dot")
_OUT: Final[Any] = typer.Option(None, "--out", metavar="PATH", help="With --resolved: write it to this file.")


@app.command(
    epilog="Examples: aexl pipeline show  ·  aexl pipeline show --resolved --out whole.yaml  ·  aexl pipeline show -p review --json"
)
def show(
    ctx: typer.Context,
    pipeline: str = PIPELINE,
    resolved: bool = typer.Option(
        False, "--resolved", help="Print the file with all that it inherits, and where each line comes from."
    ),
    out: Path | None = _OUT,
    as_json: bool = JSON,
) -> None:
    """Show what a pipeline says: its steps, or with --resolved a file that means the same and inherits nothing."""
    session: Session = ctx.obj
    if out is not None and not resolved:
        raise Invalid("--out goes together with --resolved")
    path = find(session, pipeline)
    loaded = load(session, path)
    found = loaded.unwrap()
    if resolved:
        from aexl_pipelines.language.writing import write_resolved

        text = write_resolved(loaded, (out.absolute() if out is not None else path).parent)
        if out is None:
            return say(text.rstrip("\n"))
        out.write_text(text, encoding="utf-8")
        return say(f"Wrote {out}, made of {', '.join(loaded.layers)}.")
    if as_json:
        return session.json(as_data(found))
    return _show(session, found, loaded.layers)


def _show(session: Session, found: Pipeline, layers: tuple[str, ...]) -> None:
    say(f"{found.file}{f': {found.description}' if found.description else ''}")
    for layer in layers[1:]:
        say(f"inherits {layer}")
    for name, value in (("model", found.defaults.model), ("runner", found.defaults.runner)):
        if value:
            say(f"{name}: {value}")
    for name, wanted in found.inputs.items():
        fallback = "required" if wanted.required else f"default {wanted.default!r}"
        say(f"input {name}: {wanted.type}, {fallback}{f'; {wanted.description}' if wanted.description else ''}")
    rows = [
        ["  " * step.path.count("::") + step.id, step.what, step.detail, step.when]
        for step in plan_pipeline(found).steps
    ]
    say()
    session.table(["step", "does", "", "if"], rows)
    for name, steps in found.pipelines.items():
        say(f"pipeline {name}: {', '.join(step.id for step in steps)}")


@app.command(
    epilog="Examples: aexl pipeline graph  ·  aexl pipeline graph --format mermaid > graph.mmd  ·  aexl pipeline graph -p review --json"
)
def graph(
    ctx: typer.Context,
    pipeline: str = PIPELINE,
    format: str = typer.Option("terminal", "--format", help="terminal, mermaid or dot."),
    as_json: bool = JSON,
) -> None:
    """Draw the steps of a pipeline and what waits for what."""
    from aexl_pipelines.language import drawing

    session: Session = ctx.obj
    if format not in _FORMATS:
        raise Invalid(f"there is no format {format!r}; {suggest(format, _FORMATS)}")
    plan = plan_pipeline(load(session, find(session, pipeline)).unwrap())
    if as_json:
        return session.json(plan)
    if format == "mermaid":
        return say(drawing.draw_mermaid(plan).rstrip("\n"))
    if format == "dot":
        return say(drawing.draw_dot(plan).rstrip("\n"))
    return say(drawing.draw_terminal(plan, max(40, shutil.get_terminal_size((120, 24)).columns)).rstrip("\n"))


@app.command("list", epilog="Examples: aexl pipeline list  ·  aexl pipeline list --json")
def list_(ctx: typer.Context, as_json: bool = JSON) -> None:
    """List the pipelines that have a name here; the one with a star runs when none is named."""
    session: Session = ctx.obj
    here = Path.cwd()
    default = find_default(here, session.home)
    entries: list[dict[str, object]] = []
    for found in find_all(here, session.home):
        loaded = load(session, found.path)
        entry: dict[str, object] = {"name": found.name, "path": str(found.path), "where": found.where}
        entry["default"] = default is not None and found.path == default
        entry["valid"] = loaded.pipeline is not None
        if loaded.pipeline is not None:
            entry["steps"] = sum(1 for _ in all_steps(loaded.pipeline))
            entry["description"] = loaded.pipeline.description
        entries.append(entry)
    if as_json:
        return session.json(entries)
    if not entries:
        return say("There is no pipeline here; begin one with 'aexl pipeline init'.")
    paths = names_of([Path(str(entry["path"])) for entry in entries])
    rows = [
        [
            f"{entry['name']}{' *' if entry['default'] else ''}",
            str(entry.get("steps", "invalid")),
            path,
            str(entry.get("description", "see aexl pipeline validate")),
        ]
        for entry, path in zip(entries, paths, strict=True)
    ]
    return session.table(["name", ">steps", "file", "description"], rows)


@app.command(epilog="Examples: aexl pipeline spec  ·  aexl pipeline spec compact  ·  aexl pipeline spec --section step")
def spec(
    ctx: typer.Context,
    part: str = typer.Argument("prose", help="prose, compact, core, runner or schema."),
    section: str = typer.Option(None, "--section", metavar="TITLE", help="One section of it."),
    titles: bool = typer.Option(False, "--list", help="List the sections."),
    as_json: bool = JSON,
) -> None:
    """Print the language: for people, shorter for models (compact, core), or as the JSON Schema for editors."""
    from aexl_pipelines.language import specification, words

    session: Session = ctx.obj
    if titles:
        names = specification.sections()
        return session.json(names) if as_json else say("\n".join(names))
    if not words.is_part(part):
        raise Invalid(f"there is no part {part!r}; {suggest(part, words.PARTS)}")
    text: str | None = specification.specification(part)
    if section is not None:
        text = specification.section(section)
        if text is None:
            raise NotFound(
                f"there is no section {section!r}; {suggest(section, specification.sections())}".rstrip("; ")
            )
    assert text is not None
    return session.json({"text": text}) if as_json else say(text.rstrip("\n"))
