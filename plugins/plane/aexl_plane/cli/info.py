"""``aexl info``."""

from __future__ import annotations

import typer

from aexl.api import Session
from aexl_plane.cli.options import JSON, PROFILE, PROJECT, URL, WORKSPACE, find_target, say
from aexl_plane.client.target import Wanted

app = typer.Typer()


@app.command(epilog="Example: aexl info --json")
def info(
    ctx: typer.Context,
    workspace: str | None = WORKSPACE,
    project: str | None = PROJECT,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Show who you are, where, what commands act on, and where the project's snapshots are pushed to."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, url, workspace, project))
    found = {**target.json(), "scopes": target.me["scopes"], "token_from": target.server.source}
    place = target.place
    if place is not None and place.project is not None:
        latest = target.server.calling.json("GET", f"{place.path}/files")
        found |= {
            "remote": f"{target.server.url}/store/{place.slug}",
            "snapshot": latest["snapshot"],
            "files": len(latest["files"]),
        }
    if as_json:
        return session.json(found)
    for name, value in found.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        say(f"{name.replace('_', ' ') + ':':<12} {'-' if shown is None else shown}")
    return None
