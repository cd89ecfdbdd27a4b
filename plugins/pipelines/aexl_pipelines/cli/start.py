"""``aexl pipeline init``."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import typer

from aexl.api import Session
from aexl.errors import Conflict, NotFound
from aexl_pipelines.cli.root import JSON, app, say
from aexl_pipelines.language.problems import suggest

_CASES: Final = ".cases.yaml"
_OUT: Final[Any] = typer.Option(Path(".aexl.yaml"), "--out", metavar="PATH", help="The file to write.")


@app.command(epilog="Examples: aexl pipeline init  ·  aexl pipeline init fix-until-green  ·  aexl pipeline init --list")
def init(
    ctx: typer.Context,
    template: str = typer.Argument("starter", help="What to begin with; see --list."),
    out: Path = _OUT,
    cases: bool = typer.Option(
        True, "--cases/--no-cases", help="Also write the template's cases, for aexl pipeline test."
    ),
    force: bool = typer.Option(False, "--force", help="Replace files that are there."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print it, write nothing."),
    names: bool = typer.Option(False, "--list", help="List the templates."),
    as_json: bool = JSON,
) -> None:
    """Begin a pipeline from a template, in .aexl.yaml of this folder, and its cases beside it."""
    session: Session = ctx.obj
    templates = read_templates()
    if names:
        if as_json:
            return session.json([{"name": name, "summary": _summary(text)} for name, text in templates.items()])
        return session.table(["template", "what"], [[name, _summary(text)] for name, text in templates.items()])
    if template not in templates:
        raise NotFound(f"there is no template {template!r}; {suggest(template, templates)}")
    texts = {out: templates[template]}
    if cases:
        texts[cases_path(out)] = read_cases(template)
    if dry_run:
        if as_json:
            return session.json([{"path": str(path), "text": text, "written": False} for path, text in texts.items()])
        return say("\n".join(texts.values()).rstrip("\n"))
    for path in texts:
        if (path.exists() or path.is_symlink()) and not force:
            raise Conflict(f"{path} is there already; --force replaces it, --out writes elsewhere")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if as_json:
        return session.json({"path": str(out), "template": template, "written": True, "files": list(map(str, texts))})
    say(f"Wrote {' and '.join(map(str, texts))} from the template {template}.")
    return say(f"Next: aexl pipeline validate, aexl pipeline graph{', aexl pipeline test' if cases else ''}")


def read_templates() -> dict[str, str]:
    """Return the templates' texts by name."""
    folder = files("aexl_pipelines") / "templates"
    found = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml") and not entry.name.endswith(_CASES)
    }
    return {name.removesuffix(".yaml"): found[name] for name in sorted(found)}


def read_cases(template: str) -> str:
    """Return the text of a template's cases."""
    return (files("aexl_pipelines") / "templates" / f"{template}{_CASES}").read_text(encoding="utf-8")


def cases_path(pipeline: Path) -> Path:
    """Return where the cases of a pipeline stand: ``review.cases.yaml`` for ``review.yaml``."""
    stem = pipeline.name.removesuffix(".yaml").removesuffix(".yml")
    return pipeline.with_name(stem + _CASES)


def _summary(text: str) -> str:
    """Return the first line, which says what a template is for."""
    return text.split("\n", 1)[0].removeprefix("#").strip()
