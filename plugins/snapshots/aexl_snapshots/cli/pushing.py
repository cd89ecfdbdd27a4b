"""``aexl snapshot push``."""

from __future__ import annotations

import typer

from aexl.api import Session
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.reach import REMOTE, choose_remote
from aexl_snapshots.cli.revisions import resolve_or_head
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, open_repository, say
from aexl_snapshots.cli.views import short
from aexl_snapshots.sizes import show_size


@app.command(
    epilog="Examples: aexl snapshot push  ·  aexl snapshot push origin --tags  ·  aexl snapshot push --force-with-lease"
)
def push(
    ctx: typer.Context,
    remote: str | None = REMOTE,
    tags: bool = typer.Option(False, "--tags", help="Send all tags, too."),
    force: bool = typer.Option(
        False, "--force-with-lease", help="Replace what is there, if it is what was there when you last looked."
    ),
    as_json: bool = JSON,
) -> None:
    """Send the last snapshot, and all that it was made from, in one step; killed at any moment, it can go on."""
    from aexl_snapshots.cli import transfers

    session: Session = ctx.obj
    repository = open_repository()
    name, url = choose_remote(repository, remote)
    snapshot = resolve_or_head(repository, None)
    with Bar() as bar:
        pushed = transfers.send(session, repository, name, url, snapshot, tags=tags, force=force, meter=bar.meter)
    sent = sum(each.sent for each in pushed)
    new_tags = sum(each.moved for each in pushed[1:])
    if as_json:
        return session.json(
            {
                "remote": name,
                "url": url,
                "before": pushed[0].before,
                "after": snapshot,
                "bytes": sent,
                "tags": new_tags,
            }
        )
    if new_tags:
        say(f"Pushed {new_tags} {'tag' if new_tags == 1 else 'tags'} to {name}.")
    if not pushed[0].moved:
        return say(f"{name} is up to date at {short(snapshot)}.")
    return say(f"Pushed {short(snapshot)} to {name} ({show_size(sent)}).")
