"""``aexl auth revoke``."""

from __future__ import annotations

import sys
from typing import Any

import typer

from aexl.api import Session
from aexl.errors import Conflict, Invalid
from aexl_plane.cli.auth import app
from aexl_plane.cli.options import JSON, PROFILE, URL, say, say_aside
from aexl_plane.client.calling import query, segment
from aexl_plane.client.credentials import Credentials
from aexl_plane.client.target import TOKEN, Server, Wanted, check_named, find_server


@app.command(epilog="Examples: aexl auth revoke  ·  aexl auth revoke 0123456789abcdef  ·  aexl auth revoke --all")
def revoke(
    ctx: typer.Context,
    token: str | None = typer.Argument(None, help="A token's id; by default the one in use.", metavar="[ID]"),
    everything: bool = typer.Option(False, "--all", help="All tokens of your user."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Also the last of yours that may admin, without a question."),
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """End tokens at once, everywhere; a login that used one is forgotten."""
    if token and everything:
        raise Invalid("name a token, or --all, not both")
    check_named("ID", token)
    session: Session = ctx.obj
    server = find_server(session, Wanted(profile, url))
    own = str(server.calling.json("GET", "/api/v1/me")["token_id"])
    if everything:
        count = int(_end(server, "/api/v1/tokens", sure=yes)["revoked"])
    else:
        count = len(_end(server, f"/api/v1/tokens/{segment(token or own)}", sure=yes)["revoked"])
    forgotten = server.profile if (everything or token in (None, own)) and server.source != TOKEN else None
    if forgotten:
        Credentials(session.home).remove(forgotten)
    if as_json:
        return session.json({"url": server.url, "revoked": count, "logged_out": forgotten})
    also = f", and forgot the login {forgotten}" if forgotten else ""
    return say(f"Revoked {count} token{'' if count == 1 else 's'} at {server.url}{also}.")


def _end(server: Server, path: str, *, sure: bool) -> Any:
    """End tokens; where that is refused without a confirmation, ask for it, if there is somebody to be asked."""
    try:
        return server.calling.json("DELETE", path + (query({"confirm": "true"}) if sure else ""))
    except Conflict as error:
        if sure or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        say_aside(str(error))
    typer.confirm("End it?", default=False, err=True, abort=True)
    return _end(server, path, sure=True)
