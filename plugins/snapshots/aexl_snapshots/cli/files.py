"""``aexl snapshot status``, ``add``, ``unstage`` and ``commit``: from the files to the next snapshot."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import typer

from aexl.api import Session
from aexl.errors import Invalid
from aexl_snapshots.cli.colours import paint
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, PATHS, author_of, locate, open_tree, say, say_aside
from aexl_snapshots.cli.views import (
    change_line,
    changes_json,
    conflict_lines,
    conflicts_json,
    short,
    snapshot_json,
    summary,
)
from aexl_snapshots.exchange.origin import read_origin
from aexl_snapshots.history import count_between
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.worktree.committing import commit as make_snapshot
from aexl_snapshots.worktree.staging import Adding, Suspect, stage_files, unstage_files
from aexl_snapshots.worktree.status import TreeStatus, fold_untracked
from aexl_snapshots.worktree.tree import WorkTree

_FORCE = typer.Option(False, "--force", "-f", help="Also what is ignored and named, or looks like a credential.")
_SKIP = typer.Option(False, "--skip", help="Leave out what cannot be kept (links, devices), instead of refusing.")


@app.command(epilog="Examples: aexl snapshot status  ·  aexl snapshot status --json")
def status(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Show what is staged, what has changed since, what is not known yet, and how far the remotes are."""
    session: Session = ctx.obj
    tree = open_tree()
    with Bar() as bar:
        found = tree.status(bar.meter)
    remotes = _compare_remotes(tree)
    if as_json:
        return session.json(
            {
                "root": str(tree.root),
                "head": tree.head,
                "merging": list(tree.index.merging),
                "conflicts": conflicts_json(tree.index.conflicts),
                "clean": found.is_clean and not tree.index.merging,
                "staged": changes_json(found.staged),
                "unstaged": changes_json(found.unstaged),
                "untracked": list(found.untracked),
                "unkept": [{"path": unkept.shown, "reason": unkept.reason} for unkept in found.unkept],
                "remotes": {name: {"ahead": ahead, "behind": behind} for name, (ahead, behind) in remotes.items()},
            }
        )
    head = tree.head
    say(f"On {DEFAULT_HEAD}, at {short(head)}." if head else "No snapshot yet.")
    for name, (ahead, behind) in remotes.items():
        say(_remote_line(name, ahead, behind))
    if tree.index.merging:
        todo = "edit what both sides changed, 'aexl snapshot add' it, then" if tree.index.conflicts else "finish with"
        say(f"Merging {short(tree.index.merging[0])}: {todo} 'aexl snapshot commit -m MESSAGE'.")
        say("'aexl snapshot pull --abort' gives the merge up.")
    return _say_status(tree, found)


def _compare_remotes(tree: WorkTree) -> Mapping[str, tuple[int, int]]:
    """Return by how many snapshots we are ahead of, and behind, each remote as it was last seen."""
    repository, compared = tree.repository, {}
    for name in repository.remotes():
        there = repository.tracked(name).get(DEFAULT_HEAD)
        compared[name] = count_between(repository.read_snapshot, there, tree.head)
    return compared


def _remote_line(name: str, ahead: int, behind: int) -> str:
    if ahead and behind:
        return f"{name}: {ahead} ahead, {behind} behind; 'aexl snapshot pull {name}' merges."
    if ahead:
        return f"{name}: {ahead} ahead; 'aexl snapshot push {name}' sends them."
    return f"{name}: {behind} behind; 'aexl snapshot pull {name}' fetches them." if behind else f"{name}: up to date."


def _say_status(tree: WorkTree, found: TreeStatus) -> None:
    index = tree.index
    _section("Both sides changed (edit, then aexl snapshot add PATH):", list(conflict_lines(index.conflicts)))
    _section("Staged (aexl snapshot unstage PATH takes back):", [change_line(change) for change in found.staged])
    unstaged = [change_line(change) for change in found.unstaged if change.path not in index.conflicts]
    _section("Changed, not staged (aexl snapshot add PATH):", unstaged)
    folded = fold_untracked([path for path in found.untracked if path not in index.conflicts], index.entries)
    _section("Untracked (aexl snapshot add PATH):", [f"  {paint(path, 'red')}" for path in folded])
    _section("Cannot be kept:", [f"  {paint(str(unkept), 'red')}" for unkept in found.unkept])
    if found.is_clean and not index.merging:
        say("Nothing to commit, the files are those of the last snapshot." if tree.head else "Nothing here yet.")


def _section(title: str, lines: Sequence[str]) -> None:
    if lines:
        say(f"\n{paint(title, 'bold')}")
        for line in lines:
            say(line)


@app.command(
    epilog="Examples: aexl snapshot add .  ·  aexl snapshot add src/app.py docs  ·  aexl snapshot add --force .env"
)
def add(
    ctx: typer.Context, paths: list[str] = PATHS, force: bool = _FORCE, skip: bool = _SKIP, as_json: bool = JSON
) -> None:
    """Stage files as they are now: for the next snapshot they count like this, whatever happens to them later."""
    session: Session = ctx.obj
    tree = open_tree()
    with Bar() as bar:
        how = Adding(force=force, skip=skip, allow=lambda suspects: _ask_for(bar, suspects))
        added = stage_files(tree, locate(tree, paths), how, bar.meter)
    if as_json:
        left = [{"path": unkept.shown, "reason": unkept.reason} for unkept in added.left_out]
        return session.json({"staged": changes_json(added.changes), "left_out": left})
    for unkept in added.left_out:
        say_aside(f"left out {unkept}")
    return say(f"Staged: {summary(added.changes)}.")


def _ask_for(bar: Bar, suspects: Sequence[Suspect]) -> bool:
    """Ask a person whether what looks like credentials shall be added; where nobody can be asked, say no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    bar.pause()
    for suspect in suspects:
        say_aside(f"{suspect.path} looks like a credential: {suspect.reason}")
    return typer.confirm("Add it all the same?", default=False, err=True)


@app.command(epilog="Examples: aexl snapshot unstage src/app.py  ·  aexl snapshot unstage .")
def unstage(ctx: typer.Context, paths: list[str] = PATHS, as_json: bool = JSON) -> None:
    """Take back what was staged; the files stay as they are."""
    session: Session = ctx.obj
    tree = open_tree()
    changes = unstage_files(tree, locate(tree, paths))
    if as_json:
        return session.json({"unstaged": changes_json(changes)})
    return say(f"Unstaged: {summary(changes)}.")


@app.command(
    epilog="Examples: aexl snapshot commit -m 'one'  ·  aexl snapshot commit -a -m 'two'  ·  "
    "aexl snapshot commit -m 'release' --meta runtime=python3.11"
)
def commit(
    ctx: typer.Context,
    message: str = typer.Option(..., "--message", "-m", help="Why, for those who read the log."),
    everything: bool = typer.Option(False, "--all", "-a", help="Stage what has changed of the known files first."),
    author: str | None = typer.Option(None, help="Who makes it, instead of you.", metavar="NAME"),
    meta: list[str] | None = typer.Option(
        None, help="What else is to be known of it; again for more.", metavar="KEY=VALUE"
    ),
    empty: bool = typer.Option(False, "--allow-empty", help="Also if nothing is staged."),
    as_json: bool = JSON,
) -> None:
    """Make a snapshot of what is staged."""
    session: Session = ctx.obj
    tree = open_tree()
    metadata = {**{f"aiel.{name}": value for name, value in read_origin(tree.root).items()}, **_read_meta(meta)}
    if not message.strip():
        raise Invalid("a snapshot needs a message that says why; give one with -m")
    with Bar() as bar:
        if everything:
            stage_files(tree, [""], Adding(known_only=True, allow=lambda found: _ask_for(bar, found)), bar.meter)
        made = make_snapshot(tree, message, author_of(session, author), metadata=metadata, empty=empty)
    if as_json:
        return session.json({**snapshot_json(made.id, made.snapshot), "changes": changes_json(made.changes)})
    return say(f"{paint(short(made.id), 'yellow')} {message.splitlines()[0]}\n{summary(made.changes)}.")


def _read_meta(given: Sequence[str] | None) -> dict[str, str]:
    metadata = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise Invalid(f"--meta must be KEY=VALUE, not {text!r}")
        metadata[key] = value
    return metadata
