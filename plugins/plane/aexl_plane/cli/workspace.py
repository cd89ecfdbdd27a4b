"""``aexl workspace``."""

from __future__ import annotations

import typer

from aexl.api import Session
from aexl.errors import Invalid
from aexl_plane.cli.options import JSON, PROFILE, URL, find_target, say
from aexl_plane.client.credentials import Chosen, Credentials
from aexl_plane.client.target import Wanted

app = typer.Typer(no_args_is_help=True, help="Show, make and choose workspaces.")


@app.command("list", epilog="Example: aexl workspace list --json")
def list_workspaces(
    ctx: typer.Context, profile: str | None = PROFILE, url: str | None = URL, as_json: bool = JSON
) -> None:
    """Show the workspaces that you reach, and which one commands act on."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, url))
    used = target.place.workspace["id"] if target.place else None
    found = target.me["workspaces"]
    if as_json:
        listed = [{**each, "used": each["id"] == used} for each in found]
        return session.json({"target": target.json(), "workspaces": listed})
    say(target.sentence())
    rows = [
        (each["slug"], "yes" if each["id"] == used else "", str(len(each["projects"])), each["name"], each["id"])
        for each in found
    ]
    return session.table(["WORKSPACE", "USED", ">PROJECTS", "NAME", "ID"], rows)


@app.command("create", epilog="Example: aexl workspace create research")
def create_workspace(
    ctx: typer.Context,
    slug: str = typer.Argument(help="Small letters, digits and hyphens.", metavar="SLUG"),
    name: str = typer.Option("", "--name", help="A name for people.", metavar="TEXT"),
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Make a workspace; 'aexl workspace use' chooses it."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, url))
    made = target.server.calling.json("POST", "/api/v1/workspaces", {"slug": slug, "name": name})
    if as_json:
        return session.json({**made, "url": target.server.url})
    return say(f"Made the workspace {slug} at {target.server.url}.")


@app.command("use", epilog="Example: aexl workspace use research")
def use_workspace(
    ctx: typer.Context,
    slug: str = typer.Argument(help="Its slug or id.", metavar="NAME"),
    profile: str | None = PROFILE,
    as_json: bool = JSON,
) -> None:
    """Choose the workspace that commands act on; its only project too, where it has one."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, None, slug))
    name = target.server.profile
    if name is None:
        raise Invalid("what is used is kept in a profile, and the token is from AEXL_TOKEN; set AEXL_WORKSPACE instead")
    workspace, projects = target.chosen.workspace, target.chosen.workspace["projects"]
    project = Chosen(id=projects[0]["id"], slug=projects[0]["slug"]) if len(projects) == 1 else None
    Credentials(session.home).choose(name, Chosen(id=workspace["id"], slug=workspace["slug"]), project)
    now = find_target(session, Wanted(name))
    return session.json(now.json()) if as_json else say(f"Commands act on {now.sentence()}.")
