"""``aexl auth login`` and its kin: which servers this machine has logins for."""

from __future__ import annotations

import getpass
import sys
from typing import Any, Final

import typer

from aexl.api import Session
from aexl.errors import AexlError, Invalid, Unavailable
from aexl_plane.cli.auth import app
from aexl_plane.cli.options import JSON, PROFILE, URL, say
from aexl_plane.client.calling import Caller
from aexl_plane.client.credentials import DEFAULT, Chosen, Credentials, Profile
from aexl_plane.client.target import (
    Place,
    Server,
    Wanted,
    check_named,
    find_place,
    find_server,
    find_url,
    given_token,
)

NOT_LOGGED_IN: Final = 1
"""Exit code of ``status`` where there is no good login."""


@app.command(
    epilog="Examples: aexl auth login --url https://aexl.example.org  ·  aexl auth login --profile work < token"
)
def login(
    ctx: typer.Context,
    url: str | None = URL,
    profile: str = typer.Option(DEFAULT, "--profile", help="What to call the login.", metavar="NAME"),
    token: str | None = typer.Option(
        None,
        "--token",
        help="The token; other programs can see it here. Better: AEXL_TOKEN, standard input, or type it.",
    ),
    keyring: bool = typer.Option(
        True, "--keyring/--no-keyring", help="Keep the token in the system's keyring where there is one."
    ),
    as_json: bool = JSON,
) -> None:
    """Check a token with a server, keep it under a profile, and make that the current one."""
    session: Session = ctx.obj
    Wanted(profile, url).check()
    check_named("the token", token)
    credentials = Credentials(session.home)
    before = credentials.read().profiles.get(profile)
    base = find_url(session, url, before)
    given = (token or given_token() or _ask_token()).strip()
    if not given:
        raise Invalid(
            "no token was given; the server's owner makes them: 'aexl auth user create', 'aexl auth token create'"
        )
    calling = Caller(base, given)
    me = calling.json("GET", "/api/v1/me")
    place = find_place(Server(base, profile, "file", None, calling), Wanted(), me)
    made = Profile(url=base, user=me["email"], tenant=me["tenant_name"], **_chosen(place))
    kept = credentials.save(profile, made, given, keyring=keyring)
    if as_json:
        return session.json(
            {"profile": profile, "url": base, "user": made.user, "tenant": made.tenant, "stored_in": kept}
        )
    where = place.slug if place else "no workspace is chosen: 'aexl workspace use NAME'"
    return say(
        f"Logged in to {base} as {made.user} (tenant {made.tenant}, profile {profile}, token in the {kept}); {where}."
    )


def _ask_token() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Token: ")
    return sys.stdin.readline(4096)


def _chosen(place: Place | None) -> dict[str, Any]:
    if place is None:
        return {}
    found = {"workspace": place.workspace, "project": place.project}
    return {name: Chosen(id=each["id"], slug=each["slug"]) for name, each in found.items() if each is not None}


@app.command(epilog="Example: aexl auth status --json")
def status(ctx: typer.Context, profile: str | None = PROFILE, url: str | None = URL, as_json: bool = JSON) -> None:
    """Show who you are, where, and by which token. Exits 1 where no token is good."""
    session: Session = ctx.obj
    found: dict[str, Any] = {"authenticated": False}
    try:
        server = find_server(session, Wanted(profile, url))
        found |= {"url": server.url, "profile": server.profile, "source": server.source}
        me = server.calling.json("GET", "/api/v1/me")
        found |= {"authenticated": True, "user": me["email"], "tenant": me["tenant_name"], "scopes": me["scopes"]}
    except Unavailable:
        raise
    except AexlError as error:
        found["reason"] = str(error)
    if as_json:
        session.json(found)
    elif found["authenticated"]:
        say(f"{found['user']} of tenant {found['tenant']} at {found['url']}: may {', '.join(found['scopes'])}.")
        say(f"The token is from {found['source']}" + (f", profile {found['profile']}." if found["profile"] else "."))
    else:
        say(f"Not logged in: {found['reason']}")
    if not found["authenticated"]:
        raise typer.Exit(NOT_LOGGED_IN)


@app.command("list", epilog="Example: aexl auth list --json")
def list_logins(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Show this machine's logins; asks no server."""
    session: Session = ctx.obj
    kept = Credentials(session.home).read()
    rows = [(name, profile, name == kept.current) for name, profile in sorted(kept.profiles.items())]
    if as_json:
        return session.json([_login_json(*row) for row in rows])
    if not rows:
        return say("There are no logins: aexl auth login --url URL")
    columns = ["PROFILE", "CURRENT", "USER", "TENANT", "URL", "TOKEN IN"]
    return session.table(
        columns,
        [
            (name, "yes" if current else "", p.user, p.tenant, p.url, "file" if p.token else "keyring")
            for name, p, current in rows
        ],
    )


def _login_json(name: str, profile: Profile, current: bool) -> dict[str, Any]:
    return {
        "profile": name,
        "current": current,
        "url": profile.url,
        "user": profile.user,
        "tenant": profile.tenant,
        "workspace": profile.workspace.slug if profile.workspace else None,
        "project": profile.project.slug if profile.project else None,
        "token_in": "file" if profile.token else "keyring",
    }


@app.command(epilog="Example: aexl auth logout --profile work")
def logout(ctx: typer.Context, profile: str | None = PROFILE, as_json: bool = JSON) -> None:
    """Forget a login on this machine. The token stays good: 'aexl auth revoke' ends it."""
    session: Session = ctx.obj
    Wanted(profile).check()
    credentials = Credentials(session.home)
    name = profile or credentials.read().current
    gone = credentials.profile(name)
    credentials.remove(name)
    if as_json:
        return session.json({"removed": name, "url": gone.url})
    return say(f"Forgot the login {name} at {gone.url}; its token stays good until it is revoked.")


@app.command(epilog="Example: aexl auth switch work")
def switch(
    ctx: typer.Context,
    profile: str = typer.Argument(help="A login; 'aexl auth list' shows them.", metavar="PROFILE"),
    as_json: bool = JSON,
) -> None:
    """Make another login the current one."""
    session: Session = ctx.obj
    credentials = Credentials(session.home)
    credentials.switch(profile)
    now = credentials.profile(profile)
    if as_json:
        return session.json(_login_json(profile, now, True))
    return say(f"The login is now {profile}: {now.user} at {now.url}.")
