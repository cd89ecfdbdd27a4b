"""``aexl snapshot pull``."""

from __future__ import annotations

import typer

from aexl.api import ObjectId, Session
from aexl.errors import Invalid, NotFound
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.reach import REMOTE, choose_remote
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, author_of, open_tree, say, say_aside
from aexl_snapshots.cli.views import (
    change_line,
    changes_json,
    conflicts_json,
    count_files,
    say_conflicts,
    short,
    summary,
)
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.worktree.joining import Joined, give_up, join
from aexl_snapshots.worktree.tree import WorkTree


@app.command(epilog="Examples: aexl snapshot pull  ·  aexl snapshot pull origin --mark  ·  aexl snapshot pull --abort")
def pull(
    ctx: typer.Context,
    remote: str | None = REMOTE,
    mark: bool = typer.Option(
        False, "--mark", help="Where both sides changed the same, write both into the files for you to choose."
    ),
    abort: bool = typer.Option(
        False, "--abort", help="Give up the merge that waits instead: what it changed is as it was before."
    ),
    as_json: bool = JSON,
) -> None:
    """Fetch a remote's snapshots, each checked byte by byte, and bring their changes into the files.

    Local changes stay; where they are in the way, they are listed and nothing is changed.
    """
    from aexl_snapshots.cli import sending

    session: Session = ctx.obj
    tree = open_tree()
    if abort:
        if mark or remote is not None:
            raise Invalid("--abort gives up the merge that waits, whatever it came from; give it alone")
        return _abort(session, tree, as_json=as_json)
    name, url = choose_remote(tree.repository, remote)
    with Bar() as bar:
        fetched = sending.receive(session, tree.repository, name, url, bar.meter)
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
    return None


def _abort(session: Session, tree: WorkTree, *, as_json: bool) -> None:
    """Give a merge up; those that ``import`` began, too."""
    with Bar() as bar:
        done = give_up(tree, bar.meter)
    if as_json:
        return session.json({"how": "aborted", "head": tree.head, "written": done.written, "removed": done.removed})
    return say(f"Gave the merge up: {count_files(len(done.written))} restored, {len(done.removed)} removed.")


def _joined_json(name: str, theirs: ObjectId, joined: Joined) -> dict[str, object]:
    return {
        "remote": name,
        "theirs": theirs,
        "how": joined.how,
        "head": joined.head,
        "changes": changes_json(joined.changes),
        "conflicts": conflicts_json(joined.reasons),
    }


def _say_joined(name: str, theirs: ObjectId, joined: Joined) -> None:
    if joined.how == "up-to-date":
        return say(f"Up to date with {name} at {short(theirs)}.")
    for change in joined.changes[:50]:
        say(change_line(change))
    if len(joined.changes) > 50:
        say(f"  and {len(joined.changes) - 50} more")
    if joined.conflicts:
        return say_conflicts(joined.reasons)
    word = "Merged" if joined.how == "merged" else "Moved on to"
    return say(f"{word} {short(theirs)} from {name}: {summary(joined.changes)}.")
