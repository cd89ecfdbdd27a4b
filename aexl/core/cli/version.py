"""``aexl version``."""

from __future__ import annotations

import platform
import sys

import typer

from aexl import __version__
from aexl.api import Session
from aexl.core.cli.conventions import JSON

app = typer.Typer()


@app.command(epilog="Example: aexl version --json")
def version(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Show the version of aexl and of what it runs on."""
    import apsw

    session: Session = ctx.obj
    facts = {"aexl": __version__, "python": platform.python_version(), "sqlite": apsw.sqlite_lib_version()}
    if as_json:
        session.json(facts)
    else:
        sys.stdout.write("".join(f"{name} {value}\n" for name, value in facts.items()))
