"""``aexl snapshot push``, ``pull``, ``clone`` and ``remote``."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import typer

from aexl.api import ObjectId, Session
from aexl.errors import Conflict, NotFound
from aexl_snapshots.cli.history import resolve_or_head
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.reach import DEFAULT_REMOTE, choose_remote
from aexl_snapshots.cli.root import app, remote_app
from aexl_snapshots.cli.surroundings import JSON, author_of, open_repository, open_tree, say, say_aside
from aexl_snapshots.cli.views import change_line, changes_json, short, show_size, summary
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.applying import Joined, join
from aexl_snapshots.worktree.tree import WorkTree

_REMOTE = typer.Argument(None, help="The remote: origin, or the only one, by default.", metavar="[REMOTE]")


@app.command(
    epilog="Examples: aexl snapshot push  ·  aexl snapshot push origin --tags  ·  aexl snapshot push --force-with-lease"
)
def push(
    ctx: typer.Context,
    remote: str | None = _REMOTE,
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
    if as_json:
        return session.json(
            {
                "remote": name,
                "url": url,
                "before": pushed[0].before,
                "after": snapshot,
                "bytes": sent,
                "tags": len(pushed) - 1,
            }
        )
    if pushed[0].before == snapshot:
        return say(f"{name} is up to date at {short(snapshot)}.")
    return say(f"Pushed {short(snapshot)} to {name} ({show_size(sent)}).")


@app.command(epilog="Examples: aexl snapshot pull  ·  aexl snapshot pull origin --mark")
def pull(
    ctx: typer.Context,
    remote: str | None = _REMOTE,
    mark: bool = typer.Option(
        False, "--mark", help="Where both sides changed the same, write both into the files for you to choose."
    ),
    as_json: bool = JSON,
) -> None:
    """Fetch a remote's snapshots, each checked byte by byte, and bring their changes into the files.

    Local changes stay; where they are in the way, they are listed and nothing is changed.
    """
    from aexl_snapshots.cli import transfers

    session: Session = ctx.obj
    tree = open_tree()
    name, url = choose_remote(tree.repository, remote)
    with Bar() as bar:
        fetched = transfers.receive(session, tree.repository, name, url, bar.meter)
        theirs = fetched.heads.get(DEFAULT_HEAD)
        if theirs is None:
            raise NotFound(f"{name} has no head {DEFAULT_HEAD}; push to it first")
        joined = join(tree, theirs, author_of(session), mark=mark, meter=bar.meter)
    for tag in fetched.clashes:
        say_aside(f"the tag {tag} means another snapshot at {name}; it stays as it is here")
    if as_json:
        session.json(_joined_json(name, theirs, joined))
    else:
        _say_joined(name, theirs, joined)
    if joined.conflicts:
        raise typer.Exit(1)


def _joined_json(name: str, theirs: ObjectId, joined: Joined) -> dict[str, object]:
    return {
        "remote": name,
        "theirs": theirs,
        "how": joined.how,
        "head": joined.head,
        "changes": changes_json(joined.changes),
        "conflicts": [{"path": each.path, "reason": each.reason} for each in joined.conflicts],
    }


def _say_joined(name: str, theirs: ObjectId, joined: Joined) -> None:
    if joined.how == "up-to-date":
        return say(f"Up to date with {name} at {short(theirs)}.")
    for change in joined.changes[:50]:
        say(change_line(change))
    if len(joined.changes) > 50:
        say(f"  and {len(joined.changes) - 50} more")
    if joined.conflicts:
        say("Both sides changed the same:")
        for conflict in joined.conflicts:
            say(f"  {conflict.path}: {conflict.reason}")
        return say("Edit these files, then finish with 'aexl snapshot add' and 'aexl snapshot commit -m MESSAGE'.")
    word = "Merged" if joined.how == "merged" else "Moved on to"
    return say(f"{word} {short(theirs)} from {name}: {summary(joined.changes)}.")


@app.command(epilog="Examples: aexl snapshot clone /mnt/backup/app app  ·  aexl snapshot clone s3://bucket/app app")
def clone(
    ctx: typer.Context,
    url: str = typer.Argument(help="A folder, file://, s3://, gs://, az:// or https:// of an aexl.", metavar="URL"),
    folder: str = typer.Argument(help="The new folder.", metavar="DIR"),
    as_json: bool = JSON,
) -> None:
    """Fetch all snapshots of a remote into a new folder, and its latest files."""
    from aexl_snapshots.stores.opening import normal_url

    session: Session = ctx.obj
    target = Path(folder).absolute()
    address = normal_url(url, Path.cwd())
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Conflict(f"{folder} exists and is not empty; name a folder that is new")
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(6)}.clone")
    with disk_errors(target):
        unfinished.mkdir(parents=True)
    try:
        with Bar() as bar:
            head, files = _clone_into(session, unfinished, address, bar.meter)
        with disk_errors(target):
            unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    if as_json:
        return session.json({"url": address, "folder": str(target), "head": head, "files": files})
    at = f"at {short(head)}, {files} files" if head else "which has no snapshot yet"
    return say(f"Cloned {address} into {folder}, {at}.")


def _clone_into(session: Session, folder: Path, url: str, meter: Meter) -> tuple[ObjectId | None, int]:
    from aexl_snapshots.cli import transfers

    repository = Repository.init(folder)
    fetched = transfers.receive(session, repository, DEFAULT_REMOTE, url, meter)
    repository.add_remote(DEFAULT_REMOTE, url)
    head = fetched.heads.get(DEFAULT_HEAD)
    tree = WorkTree(repository)
    if head is not None:
        join(tree, head, author_of(session), mark=False, meter=meter)
    return head, len(tree.index.entries)


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
