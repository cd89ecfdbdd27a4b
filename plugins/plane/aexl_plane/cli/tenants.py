"""``aexl auth bootstrap`` and ``aexl auth tenant``: what the owner of the server's machine may do."""

from __future__ import annotations

import getpass
import os
from typing import Any, Final

import typer

from aexl.api import Session
from aexl_plane.cli.auth import app, tenant_app
from aexl_plane.cli.options import JSON, say, say_aside
from aexl_plane.client.credentials import DEFAULT, Chosen, Credentials, Profile
from aexl_plane.roles import Bootstrapped, Tenants
from aexl_plane.stamps import stamp

# Any: Typer's options stand in for values of another type.
_EMAIL: Any = typer.Option(None, help="The owner's address; nothing is sent to it.", metavar="EMAIL")
_WORKSPACE: Any = typer.Option("main", help="The first workspace.", metavar="NAME")
_PROJECT: Any = typer.Option("demo", help="The first project.", metavar="NAME")

_LOG_IN: Final = "Log in with 'aexl auth login', or set AEXL_TOKEN."


@app.command(epilog="Example: aexl auth bootstrap --json")
def bootstrap(
    ctx: typer.Context,
    tenant: str = typer.Option("default", help="What to call it.", metavar="NAME"),
    email: str | None = _EMAIL,
    workspace: str = _WORKSPACE,
    project: str = _PROJECT,
    as_json: bool = JSON,
) -> None:
    """Make the first tenant of this machine's server, with an owner, a workspace and a project; show the owner's token.

    Where nobody has logged in on this machine yet, the owner is logged in.
    """
    session: Session = ctx.obj
    made = _make(session, tenant, email, workspace, project, first=True)
    profile = _log_in(session, made)
    _show(session, made, profile, as_json)


@tenant_app.command("create", epilog="Example: aexl auth tenant create acme --email alice@acme.example")
def create_tenant(
    ctx: typer.Context,
    name: str = typer.Argument(help="What to call it.", metavar="NAME"),
    email: str | None = _EMAIL,
    workspace: str = _WORKSPACE,
    project: str = _PROJECT,
    as_json: bool = JSON,
) -> None:
    """Make another tenant, which shares nothing with the others; show its owner's token."""
    session: Session = ctx.obj
    _show(session, _make(session, name, email, workspace, project, first=False), None, as_json)


@tenant_app.command("list", epilog="Example: aexl auth tenant list --json")
def list_tenants(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Show the tenants of this machine's server."""
    session: Session = ctx.obj
    found = session.ask(Tenants, lambda tenants: tenants.list())
    if as_json:
        return session.json([{"id": each.id, "name": each.name, "created": stamp(each.created)} for each in found])
    return session.table(["TENANT", "ID", "CREATED"], [(each.name, each.id, stamp(each.created)) for each in found])


@tenant_app.command("token", epilog="Example: aexl auth tenant token default")
def make_owner_token(
    ctx: typer.Context,
    name: str = typer.Argument(help="The tenant; 'aexl auth tenant list' shows them.", metavar="NAME"),
    email: str | None = typer.Option(
        None, help="Whose, of those who may admin; by default the first of them.", metavar="EMAIL"
    ),
    as_json: bool = JSON,
) -> None:
    """Make a token for a tenant's owner, where the ones that there were are lost; show it."""
    session: Session = ctx.obj
    made = session.ask(Tenants, lambda tenants: tenants.mint(name, email))
    if as_json:
        return session.json(
            {
                "token": made.token,
                "tenant": {"id": made.tenant.id, "name": made.tenant.name},
                "user": {"id": made.user.id, "email": made.user.email},
            }
        )
    say(f"Made a token for {made.user.email}, who may admin the tenant {made.tenant.name}.")
    say(f"The token, shown once: {made.token}")
    return say_aside(_LOG_IN)


def _make(
    session: Session, tenant: str, email: str | None, workspace: str, project: str, *, first: bool
) -> Bootstrapped:
    owner = f"{_user()}@{os.uname().nodename}" if email is None else email
    return session.ask(Tenants, lambda tenants: tenants.bootstrap(tenant, owner, workspace, project, first))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _log_in(session: Session, made: Bootstrapped) -> str | None:
    """Log the owner in, if that takes nobody else's place and a server runs that can be named."""
    credentials, running = Credentials(session.home), session.running()
    if running is None or credentials.read().profiles:
        return None
    profile = Profile(
        url=str(running["url"]),
        user=made.user.email,
        tenant=made.tenant.name,
        workspace=Chosen(id=made.workspace.id, slug=made.workspace.slug),
        project=Chosen(id=made.project.id, slug=made.project.slug),
    )
    credentials.save(DEFAULT, profile, made.token)
    return DEFAULT


def _show(session: Session, made: Bootstrapped, profile: str | None, as_json: bool) -> None:
    if as_json:
        return session.json(
            {
                "token": made.token,
                "tenant": {"id": made.tenant.id, "name": made.tenant.name},
                "user": {"id": made.user.id, "email": made.user.email},
                "workspace": {"id": made.workspace.id, "slug": made.workspace.slug},
                "project": {"id": made.project.id, "slug": made.project.slug},
                "profile": profile,
            }
        )
    say(f"Tenant {made.tenant.name}, workspace {made.workspace.slug}, project {made.project.slug}.")
    say(f"Owner {made.user.email}. The token, shown once: {made.token}")
    if profile:
        return say_aside(f"You are logged in as the owner (profile {profile}); 'aexl info' shows where.")
    return say_aside(_LOG_IN)
