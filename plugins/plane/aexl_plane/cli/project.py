"""``aexl project``."""

from __future__ import annotations

import typer

from aexl.api import Session
from aexl.errors import Invalid
from aexl_plane.cli.options import JSON, PROFILE, URL, WORKSPACE, find_target, say
from aexl_plane.client.calling import segment
from aexl_plane.client.credentials import Chosen, Credentials
from aexl_plane.client.target import Wanted

app = typer.Typer(no_args_is_help=True, help="Show, make and choose projects.")


@app.command("list", epilog="Example: aexl project list --json")
def list_projects(
    ctx: typer.Context,
    workspace: str | None = WORKSPACE,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Show the projects of a workspace, and which one commands act on."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, url, workspace))
    place = target.chosen
    used = place.project["id"] if place.project else None
    found = place.workspace["projects"]
    if as_json:
        listed = [{**each, "used": each["id"] == used} for each in found]
        return session.json({"target": target.json(), "projects": listed})
    say(target.sentence())
    rows = [(each["slug"], "yes" if each["id"] == used else "", each["name"], each["id"]) for each in found]
    return session.table(["PROJECT", "USED", "NAME", "ID"], rows)


@app.command("create", epilog="Example: aexl project create shop")
def create_project(
    ctx: typer.Context,
    slug: str = typer.Argument(help="Small letters, digits and hyphens.", metavar="SLUG"),
    name: str = typer.Option("", "--name", help="A name for people.", metavar="TEXT"),
    workspace: str | None = WORKSPACE,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Make a project; 'aexl project use' chooses it."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, url, workspace))
    place = target.chosen.workspace
    path = f"/api/v1/workspaces/{segment(place['id'])}/projects"
    made = target.server.calling.json("POST", path, {"slug": slug, "name": name})
    if as_json:
        return session.json({**made, "workspace": place["slug"], "url": target.server.url})
    return say(f"Made the project {place['slug']}/{slug} at {target.server.url}.")


@app.command("use", epilog="Example: aexl project use shop")
def use_project(
    ctx: typer.Context,
    slug: str = typer.Argument(help="Its slug or id.", metavar="NAME"),
    workspace: str | None = WORKSPACE,
    profile: str | None = PROFILE,
    as_json: bool = JSON,
) -> None:
    """Choose the project that commands act on, and its workspace."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, None, workspace, slug))
    name, place = target.server.profile, target.chosen
    if name is None:
        raise Invalid("what is used is kept in a profile, and the token is from AEXL_TOKEN; set AEXL_PROJECT instead")
    chosen = [Chosen(id=each["id"], slug=each["slug"]) for each in (place.workspace, place.project) if each]
    Credentials(session.home).choose(name, chosen[0], chosen[1])
    return session.json(target.json()) if as_json else say(f"Commands act on {target.sentence()}.")
