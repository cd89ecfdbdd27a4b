"""``aexl snapshot remote``."""

from __future__ import annotations

from pathlib import Path

import typer

from aexl.api import Session
from aexl.errors import Conflict
from aexl_snapshots.cli.root import remote_app
from aexl_snapshots.cli.surroundings import JSON, open_repository, say
from aexl_snapshots.cli.views import short
from aexl_snapshots.records import DEFAULT_HEAD


@remote_app.command(
    "add",
    epilog="Examples: aexl snapshot remote add origin /mnt/backup/app  ·  aexl snapshot remote add s3 s3://bucket/app",
)
def add_remote(
    ctx: typer.Context,
    name: str = typer.Argument(help="What to call it.", metavar="NAME"),
    url: str = typer.Argument(help="A folder, file://, s3://, gs://, az:// or https:// of an aexl.", metavar="URL"),
    as_json: bool = JSON,
) -> None:
    """Remember a remote; one that cannot swap a head safely is refused."""
    from aexl_snapshots.cli import transfers
    from aexl_snapshots.stores.opening import normal_url

    session: Session = ctx.obj
    repository = open_repository()
    address = normal_url(url, Path.cwd())
    if name in repository.remotes():
        raise Conflict(f"there is a remote {name} already, {repository.remotes()[name]}; remove it first")

    transfers.probe_store(session, address)
    repository.add_remote(name, address)
    return session.json({"name": name, "url": address}) if as_json else say(f"Added {name}: {address}")


@remote_app.command("list", epilog="Example: aexl snapshot remote list --json")
def list_remotes(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Show the remotes, and where each was when it was last asked."""
    session: Session = ctx.obj
    repository = open_repository()
    rows = [
        (name, url, repository.tracked(name).get(DEFAULT_HEAD)) for name, url in sorted(repository.remotes().items())
    ]
    if as_json:
        return session.json([{"name": name, "url": url, "head": head} for name, url, head in rows])
    if not rows:
        return say("There are no remotes; 'aexl snapshot remote add origin URL' adds one.")
    return session.table(
        ["NAME", "URL", "LAST SEEN"], [(name, url, short(head) if head else "-") for name, url, head in rows]
    )


@remote_app.command("remove", epilog="Example: aexl snapshot remote remove origin")
def remove_remote(
    ctx: typer.Context, name: str = typer.Argument(help="The remote.", metavar="NAME"), as_json: bool = JSON
) -> None:
    """Forget a remote; what is there stays."""
    session: Session = ctx.obj
    open_repository().remove_remote(name)
    return session.json({"removed": name}) if as_json else say(f"Removed {name}; what is there stays.")
