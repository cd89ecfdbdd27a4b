"""``aexl snapshot push``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from aexl.api import Session
from aexl.errors import Conflict
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.reach import REMOTE, choose_remote
from aexl_snapshots.cli.revisions import resolve_or_head
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, open_repository, say
from aexl_snapshots.cli.views import short
from aexl_snapshots.sizes import show_size

if TYPE_CHECKING:
    from aexl_snapshots.cli.sending import Sent


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
    from aexl_snapshots.cli import sending

    session: Session = ctx.obj
    repository = open_repository()
    name, url = choose_remote(repository, remote)
    snapshot = resolve_or_head(repository, None)
    with Bar() as bar:
        sent = sending.send(session, repository, name, url, snapshot, tags=tags, force=force, meter=bar.meter)
    if as_json:
        session.json(_sent_json(name, url, sent))
    else:
        _say_sent(name, sent)
    if sent.refused:
        raise Conflict(
            f"{name} has other snapshots under {_tags(len(sent.refused))} of yours, {', '.join(sent.refused)}, and tags "
            "do not move; give them other names here; everything else was sent"
        )


def _sent_json(remote: str, url: str, sent: Sent) -> dict[str, object]:
    head, *tags = sent.done
    return {
        "remote": remote,
        "url": url,
        "before": head.before,
        "after": head.after,
        "bytes": sum(each.sent for each in sent.done),
        "tags": sum(each.moved for each in tags),
        "refused": sent.refused,
    }


def _say_sent(remote: str, sent: Sent) -> None:
    head, *tags = sent.done
    if new := sum(each.moved for each in tags):
        say(f"Pushed {_tags(new)} to {remote}.")
    if head.moved:
        say(f"Pushed {short(head.after)} to {remote} ({show_size(sum(each.sent for each in sent.done))}).")
    else:
        say(f"{remote} is up to date at {short(head.after)}.")


def _tags(number: int) -> str:
    return f"{number} tag" if number == 1 else f"{number} tags"
