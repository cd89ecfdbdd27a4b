"""``aexl auth user`` and ``aexl auth token``: whom the server knows in your tenant."""

from __future__ import annotations

import re
from typing import Any, Final

import typer

from aexl.api import Session
from aexl.errors import Invalid
from aexl_plane.cli.auth import token_app, user_app
from aexl_plane.cli.options import JSON, PROFILE, URL, say
from aexl_plane.client.calling import segment
from aexl_plane.client.target import Wanted, find_server

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

# Any: Typer's options stand in for values of another type.
_SCOPES: Any = typer.Option(
    "read,write,execute", "--scopes", help="What it may do: read, write, execute, admin.", metavar="LIST"
)
_TTL: Any = typer.Option(None, "--ttl", help="How long the token is good, as 30d, 12h, 10m.", metavar="TIME")


@user_app.command("create", epilog="Example: aexl auth user create bob@example.org --scopes read,write")
def create_user(
    ctx: typer.Context,
    email: str = typer.Argument(help="Their address; nothing is sent to it.", metavar="EMAIL"),
    scopes: str = _SCOPES,
    ttl: str | None = _TTL,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Make a user of your tenant, and show their first token."""
    session: Session = ctx.obj
    server = find_server(session, Wanted(profile, url))
    body = {"email": email, "scopes": _words(scopes), "ttl_seconds": read_seconds(ttl)}
    made = server.calling.json("POST", "/api/v1/users", body)
    if as_json:
        return session.json({**made, "url": server.url})
    say(f"Made {email} at {server.url}: may {', '.join(made['scopes'])}.")
    return say(f"The token, shown once: {made['token']}")


@user_app.command("list", epilog="Example: aexl auth user list --json")
def list_users(ctx: typer.Context, profile: str | None = PROFILE, url: str | None = URL, as_json: bool = JSON) -> None:
    """Show the users of your tenant."""
    session: Session = ctx.obj
    server = find_server(session, Wanted(profile, url))
    found = server.calling.json("GET", "/api/v1/users")["users"]
    if as_json:
        return session.json({"url": server.url, "users": found})
    say(f"At {server.url}:")
    rows = [(each["email"], " ".join(each["scopes"]), each["id"], each["created"]) for each in found]
    return session.table(["USER", "SCOPES", "ID", "CREATED"], rows)


@user_app.command("remove", epilog="Example: aexl auth user remove bob@example.org")
def remove_user(
    ctx: typer.Context,
    user: str = typer.Argument(help="Their address or id.", metavar="USER"),
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Remove a user of your tenant; all their tokens end at once."""
    session: Session = ctx.obj
    server = find_server(session, Wanted(profile, url))
    gone = server.calling.json("DELETE", f"/api/v1/users/{segment(user)}")["removed"]
    if as_json:
        return session.json({"url": server.url, "removed": gone})
    return say(f"Removed {gone['email']} at {server.url}; their tokens have ended.")


@token_app.command(
    "create", epilog="Example: aexl auth token create ci --service --scopes read,write -w main -p demo --ttl 90d"
)
def create_token(
    ctx: typer.Context,
    name: str = typer.Argument(help="What it is for.", metavar="NAME"),
    scopes: str = _SCOPES,
    service: bool = typer.Option(False, "--service", help="Of no user: it stays when you are removed."),
    workspace: str | None = typer.Option(None, "--workspace", "-w", help="It reaches only this one.", metavar="NAME"),
    project: str | None = typer.Option(None, "--project", "-p", help="It reaches only this one.", metavar="NAME"),
    ttl: str | None = _TTL,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Make a token that can do no more than yours, and show it."""
    session: Session = ctx.obj
    server = find_server(session, Wanted(profile, url))
    body = {
        "name": name,
        "scopes": _words(scopes),
        "service": service,
        "workspace": workspace,
        "project": project,
        "ttl_seconds": read_seconds(ttl),
    }
    made = server.calling.json("POST", "/api/v1/tokens", body)
    if as_json:
        return session.json({**made, "url": server.url})
    reach = project or workspace or "the whole tenant"
    say(f"Made the token {made['id']} ({name}) at {server.url}: may {', '.join(made['scopes'])} in {reach}.")
    return say(f"The token, shown once: {made['token']}")


@token_app.command("list", epilog="Example: aexl auth token list --json")
def list_tokens(ctx: typer.Context, profile: str | None = PROFILE, url: str | None = URL, as_json: bool = JSON) -> None:
    """Show live tokens: your own, or all of the tenant if you may admin. 'aexl auth revoke ID' ends one."""
    session: Session = ctx.obj
    server = find_server(session, Wanted(profile, url))
    found = server.calling.json("GET", "/api/v1/tokens")["tokens"]
    if as_json:
        return session.json({"url": server.url, "tokens": found})
    say(f"At {server.url}:")
    rows = [
        (
            each["id"],
            each["name"],
            each["user"] or "service",
            " ".join(each["scopes"]),
            each["project"] or each["workspace"] or "all",
            each["expires"] or "never",
        )
        for each in found
    ]
    return session.table(["TOKEN", "NAME", "USER", "SCOPES", "REACHES", "EXPIRES"], rows)


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]


def read_seconds(text: str | None) -> float | None:
    """Return seconds of a text such as ``90d``.

    Raises:
        Invalid: If it is none.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text, re.ASCII)
    if found is None or int(found[1]) == 0:
        raise Invalid(f"--ttl must be a number with s, m, h or d, as 90d, not {text!r}")
    return float(int(found[1]) * _UNITS[found[2]])
