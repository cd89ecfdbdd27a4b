"""The group that all commands of ``aexl snapshot`` belong to."""

from __future__ import annotations

import typer

app = typer.Typer(
    no_args_is_help=True, help="Snapshots of a project: immutable, content-addressed, and safe to kill at any moment."
)
remote_app = typer.Typer(no_args_is_help=True, help="Where snapshots are pushed to and pulled from.")
app.add_typer(remote_app, name="remote")
