"""``aexl auth``: logins of this machine, and whom the server knows."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Log in to a server; make users and tokens.")
user_app = typer.Typer(no_args_is_help=True, help="Users of your tenant.")
token_app = typer.Typer(no_args_is_help=True, help="Tokens of users and services.")
tenant_app = typer.Typer(no_args_is_help=True, help="Tenants of the server on this machine.")
app.add_typer(user_app, name="user")
app.add_typer(token_app, name="token")
app.add_typer(tenant_app, name="tenant")

# Each module adds its commands to the groups above when it is imported.
from aexl_plane.cli import logins, people, revoking, tenants  # noqa: E402, F401
