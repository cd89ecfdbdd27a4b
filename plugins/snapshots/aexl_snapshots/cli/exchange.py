"""``aexl snapshot export`` and ``import``: git repositories, and files to carry."""

from __future__ import annotations

from pathlib import Path

import typer

from aexl.api import ObjectId, Session
from aexl.errors import Conflict, NotFound
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.revisions import resolve_or_head
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, REVISION_HELP, author_of, open_repository, open_tree, say, say_aside
from aexl_snapshots.cli.views import changes_json, conflicts_json, say_conflicts, short
from aexl_snapshots.exchange.git_export import export_git
from aexl_snapshots.exchange.git_import import import_git
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.sizes import show_size
from aexl_snapshots.worktree.joining import Joined, adopt, join
from aexl_snapshots.worktree.tree import WorkTree


@app.command(
    epilog="Examples: aexl snapshot export app.snapshots  ·  aexl snapshot export --git app.git  ·  aexl snapshot export v1.snapshots v1"
)
def export(
    ctx: typer.Context,
    target: str = typer.Argument(help="The new file; with --git, the new folder.", metavar="TARGET"),
    revision: str | None = typer.Argument(None, help=REVISION_HELP, metavar="[SNAPSHOT]"),
    git: bool = typer.Option(False, "--git", help="Write a bare git repository."),
    as_json: bool = JSON,
) -> None:
    """Write a snapshot and its history into one file, or into a git repository."""
    from aexl_snapshots.cli import transfers

    session: Session = ctx.obj
    repository = open_repository()
    snapshot = resolve_or_head(repository, revision)
    path = Path(target).absolute()
    with Bar() as bar:
        if git:
            bar.meter.begin("exporting")
            commits = export_git(repository, path, {DEFAULT_HEAD: snapshot}, bar.meter)
            result: dict[str, object] = {"git": str(path), "snapshot": snapshot, "commits": commits}
            line = f"Wrote {commits} commits to {target}; 'git clone {target}' works on it."
        else:
            known = {made for made, _ in repository.log(snapshot)}
            tags = [name for name, made in repository.tags().items() if made in known]
            size = transfers.write_file(repository, path, snapshot, tags, bar.meter)
            result = {"file": str(path), "snapshot": snapshot, "bytes": size}
            line = f"Wrote {short(snapshot)} and its history to {target} ({show_size(size)})."
    return session.json(result) if as_json else say(line)


@app.command("import", epilog="Examples: aexl snapshot import app.snapshots  ·  aexl snapshot import --git ../app")
def import_(
    ctx: typer.Context,
    source: str = typer.Argument(help="The file; with --git, the repository's folder.", metavar="SOURCE"),
    git: bool = typer.Option(False, "--git", help="Read a git repository: its HEAD, and its tags."),
    mark: bool = typer.Option(
        False, "--mark", help="Where both sides changed the same, write both into the files for you to choose."
    ),
    as_json: bool = JSON,
) -> None:
    """Take in snapshots from a file, or the history of a git repository.

    Where there is no snapshot yet, files that are missing are written, and those that are there stay.
    Else what comes is merged, as 'pull' does.
    """
    from aexl_snapshots.cli import transfers

    session: Session = ctx.obj
    tree = open_tree()
    path = Path(source).absolute()
    with Bar() as bar:
        bar.meter.begin("importing")
        if git:
            theirs, count = _from_git(session, tree, path, bar)
        else:
            theirs, count = _from_file(session, tree, path, bar)
        if tree.head is None:
            joined = adopt(tree, theirs, meter=bar.meter)
        else:
            joined = join(tree, theirs, author_of(session), mark=mark, meter=bar.meter)
        if not git:
            transfers.forget_file(tree.repository)
    _say_import(session, source, theirs, count, joined, as_json=as_json)
    if joined.conflicts:
        raise typer.Exit(1)


def _from_git(session: Session, tree: WorkTree, path: Path, bar: Bar) -> tuple[ObjectId, int]:
    imported = import_git(tree.repository, path, author_of(session), bar.meter)
    for name, made in imported.tags.items():
        try:
            tree.repository.tag(name, made)
        except Conflict:
            say_aside(f"the tag {name} means another snapshot here; it stays as it is")
    for left in imported.left_out:
        say_aside(f"left out {left}: a snapshot holds files only")
    return imported.head, imported.snapshots


def _from_file(session: Session, tree: WorkTree, path: Path, bar: Bar) -> tuple[ObjectId, int]:
    from aexl_snapshots.cli import transfers

    fetched = transfers.read_file(session, tree.repository, path, bar.meter)
    for tag in fetched.clashes:
        say_aside(f"the tag {tag} means another snapshot here; it stays as it is")
    theirs = fetched.heads.get(DEFAULT_HEAD)
    if theirs is None:
        raise NotFound(f"{path} has no head {DEFAULT_HEAD}")
    return theirs, sum(1 for _ in tree.repository.log(theirs))


def _say_import(session: Session, source: str, theirs: ObjectId, count: int, joined: Joined, *, as_json: bool) -> None:
    if as_json:
        return session.json(
            {
                "snapshot": theirs,
                "snapshots": count,
                "how": joined.how,
                "head": joined.head,
                "changes": changes_json(joined.changes),
                "conflicts": conflicts_json(joined.reasons),
            }
        )
    say(f"Imported {count} snapshots from {source}; the last one is {short(theirs)} ({joined.how}).")
    return say_conflicts(joined.reasons) if joined.conflicts else None
