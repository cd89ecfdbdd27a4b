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

_OUT: Final[Any] = typer.Option(Path(".aexl.yaml"), "--out", metavar="PATH", help="The file to write.")


@app.command(epilog="Examples: aexl pipeline init  ·  aexl pipeline init fix-until-green  ·  aexl pipeline init --list")
def init(
    ctx: typer.Context,
    template: str = typer.Argument("starter", help="What to begin with; see --list."),
    out: Path = _OUT,
    force: bool = typer.Option(False, "--force", help="Replace a file that is there."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print it, write nothing."),
    names: bool = typer.Option(False, "--list", help="List the templates."),
    as_json: bool = JSON,
) -> None:
    """Begin a pipeline from a template, in .aexl.yaml of this folder."""
    session: Session = ctx.obj
    templates = read_templates()
    if names:
        if as_json:
            return session.json([{"name": name, "summary": _summary(text)} for name, text in templates.items()])
        return session.table(["template", "what"], [[name, _summary(text)] for name, text in templates.items()])
    if template not in templates:
        raise NotFound(f"there is no template {template!r}; {suggest(template, templates)}")
    text = templates[template]
    if dry_run:
        return session.json({"path": str(out), "text": text, "written": False}) if as_json else say(text.rstrip("\n"))
    if (out.exists() or out.is_symlink()) and not force:
        raise Conflict(f"{out} is there already; --force replaces it, --out writes elsewhere")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    if as_json:
        return session.json({"path": str(out), "template": template, "written": True})
    say(f"Wrote {out} from the template {template}.")
    return say("Next: aexl pipeline validate, aexl pipeline graph")


def read_templates() -> dict[str, str]:
    """Return the templates' texts by name."""
    folder = files("aexl_pipelines") / "templates"
    found = {
        entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    }
    return {name.removesuffix(".yaml"): found[name] for name in sorted(found)}


def _summary(text: str) -> str:
    """Return the first line, which says what a template is for."""
    return text.split("\n", 1)[0].removeprefix("#").strip()
