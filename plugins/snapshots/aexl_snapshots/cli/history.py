"""``aexl snapshot log``, ``show``, ``diff``, ``ls``, ``cat`` and ``tag``: what there is, and what differs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice

import typer

from aexl.api import FileChange, ObjectId, Session
from aexl.errors import Invalid, NotFound
from aexl_snapshots.cli.colours import paint
from aexl_snapshots.cli.differences import compare, say_texts, sides_of, sides_within
from aexl_snapshots.cli.graph import Graph
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.revisions import choose, names_of, resolve_or_head
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, REVISION_HELP, locate, open_repository, open_tree, record_event, say
from aexl_snapshots.cli.views import (
    change_line,
    changes_json,
    oneline,
    short,
    snapshot_json,
    snapshot_lines,
    summary,
)
from aexl_snapshots.worktree.patch import Sides
from aexl_snapshots.worktree.tree import WorkTree, select
from aexl_snapshots.worktree.treediff import compare_trees


@app.command(
    epilog="Examples: aexl snapshot log  ·  aexl snapshot log --graph --oneline -n 20  ·  aexl snapshot log v1 --json"
)
def log(
    ctx: typer.Context,
    revision: str | None = typer.Argument(None, help=REVISION_HELP, metavar="[SNAPSHOT]"),
    count: int | None = typer.Option(None, "-n", min=1, help="At most this many."),
    graph: bool = typer.Option(False, "--graph", help="Draw what was made from what."),
    one_line: bool = typer.Option(False, "--oneline", help="One line each."),
    as_json: bool = JSON,
) -> None:
    """Show a snapshot and those it was made from, the latest first."""
    session: Session = ctx.obj
    repository = open_repository()
    names = names_of(repository)
    found = islice(repository.log(resolve_or_head(repository, revision)), count)
    if as_json:
        return session.json([{**snapshot_json(made, each), "names": names.get(made, [])} for made, each in found])
    drawing = Graph()
    for made, snapshot in found:
        shown = names.get(made, [])
        lines = [oneline(made, snapshot, shown)] if one_line else list(snapshot_lines(made, snapshot, shown))
        if graph:
            node, lead = drawing.draw(made, snapshot.parents)
            margin = drawing.margin
            lines = [f"{node} {lines[0]}", *lead, *(f"{margin} {line}".rstrip() for line in lines[1:])]
        say("\n".join(lines))
    return None


@app.command(epilog="Examples: aexl snapshot show  ·  aexl snapshot show v1 --stat")
def show(
    ctx: typer.Context,
    revision: str | None = typer.Argument(None, help=REVISION_HELP, metavar="[SNAPSHOT]"),
    stat: bool = typer.Option(False, "--stat", help="Only which files changed."),
    as_json: bool = JSON,
) -> None:
    """Show a snapshot and what it changed of the one before it."""
    session: Session = ctx.obj
    tree = open_tree()
    repository = tree.repository
    made = resolve_or_head(repository, revision)
    snapshot = repository.read_snapshot(made)
    before = snapshot.parents[0] if snapshot.parents else None
    sides = sides_of(tree, before, made)
    changes = compare_trees(sides.old, sides.new)
    if as_json:
        files = {"files": len(sides.new), "bytes": sum(entry.size for entry in sides.new.values())}
        return session.json({**snapshot_json(made, snapshot), **files, "changes": changes_json(changes)})
    for line in snapshot_lines(made, snapshot, names_of(repository).get(made, [])):
        say(line)
    return _say_changes(sides, changes, stat=stat)


def _say_changes(sides: Sides, changes: Sequence[FileChange], *, stat: bool) -> None:
    if stat:
        for change in changes:
            say(change_line(change))
        say(summary(changes) + ".")
    else:
        say_texts(sides, changes)


@app.command(
    epilog="Examples: aexl snapshot diff  ·  aexl snapshot diff --staged  ·  aexl snapshot diff main~1 main src  ·  "
    "aexl snapshot diff v1 --stat"
)
def diff(
    ctx: typer.Context,
    what: list[str] | None = typer.Argument(
        None,
        help="Up to two snapshots, then paths. With one, the files are compared with it; with none, with what is staged.",
        metavar="[SNAPSHOT] [SNAPSHOT] [PATH]...",
    ),
    staged: bool = typer.Option(False, "--staged", help="What is staged, against the last snapshot or the one named."),
    stat: bool = typer.Option(False, "--stat", help="Only which files changed."),
    as_json: bool = JSON,
) -> None:
    """Show what differs: text line by line, other files by size."""
    session: Session = ctx.obj
    tree = open_tree()
    revisions, paths = _split(tree, what or [])
    if staged and len(revisions) > 1:
        raise Invalid("--staged compares with one snapshot, not two")
    with Bar() as bar:
        sides = compare(tree, revisions, staged=staged, meter=bar.meter)
    places = locate(tree, paths) if paths else [""]
    sides = sides_within(sides, places)
    changes = compare_trees(sides.old, sides.new)
    if as_json:
        return session.json(changes_json(changes))
    return _say_changes(sides, changes, stat=stat)


def _split(tree: WorkTree, what: Sequence[str]) -> tuple[list[ObjectId], Sequence[str]]:
    revisions: list[ObjectId] = []
    rest = list(what)
    while rest and len(revisions) < 2:
        found, after = choose(tree, rest, None)
        if found is None:
            break
        revisions.append(found)
        rest = list(after)
    return revisions, rest


@app.command(epilog="Examples: aexl snapshot ls  ·  aexl snapshot ls v1 src  ·  aexl snapshot ls main~2 --json")
def ls(
    ctx: typer.Context,
    what: list[str] | None = typer.Argument(
        None, help="A snapshot (the last one by default), then files or folders.", metavar="[SNAPSHOT] [PATH]..."
    ),
    long: bool = typer.Option(False, "--long", "-l", help="With modes, sizes and ids."),
    as_json: bool = JSON,
) -> None:
    """List the files of a snapshot."""
    session: Session = ctx.obj
    tree = open_tree()
    found, paths = choose(tree, what, None) if what else (None, ())
    entries = tree.tree_of(found or resolve_or_head(tree.repository, None))
    entries = select(entries, locate(tree, paths) if paths else [""])
    if as_json:
        return session.json([entry._asdict() for entry in entries.values()])
    if long:
        rows = [(entry.mode, str(entry.size), short(entry.id), path) for path, entry in entries.items()]
        return session.table(["MODE", ">BYTES", "ID", "PATH"], rows)
    for path in entries:
        say(path)
    return None


@app.command(epilog="Examples: aexl snapshot cat src/app.py  ·  aexl snapshot cat v1 src/app.py > old.py")
def cat(
    ctx: typer.Context,
    what: list[str] = typer.Argument(
        help="A snapshot (the last one by default), and the file.", metavar="[SNAPSHOT] PATH"
    ),
) -> None:
    """Write a file of a snapshot to standard output, byte for byte."""
    del ctx
    tree = open_tree()
    if len(what) > 2:
        raise Invalid(f"one file at a time, not {len(what) - 1}")
    found = tree.repository.resolve(what[0]) if len(what) == 2 else resolve_or_head(tree.repository, None)
    [place] = locate(tree, what[-1:])
    entry = tree.tree_of(found).get(place)
    if entry is None:
        raise NotFound(
            f"{place or '.'} is no file of snapshot {short(found)}; 'aexl snapshot ls {short(found)}' lists them"
        )
    for piece in tree.repository.stream(entry.id):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


@app.command(
    epilog="Examples: aexl snapshot tag  ·  aexl snapshot tag v1  ·  aexl snapshot tag v1 main~1  ·  aexl snapshot tag --delete v1"
)
def tag(
    ctx: typer.Context,
    name: str | None = typer.Argument(None, help="The tag; without one, all are shown.", metavar="[NAME]"),
    revision: str | None = typer.Argument(None, help=REVISION_HELP, metavar="[SNAPSHOT]"),
    delete: bool = typer.Option(False, "--delete", "-d", help="Take the tag away."),
    as_json: bool = JSON,
) -> None:
    """Give a snapshot a name that stays, take one away, or show them."""
    session: Session = ctx.obj
    repository = open_repository()
    if name is None:
        if delete:
            raise Invalid("say which tag to take away, as in 'aexl snapshot tag --delete v1'")
        tags = repository.tags()
        if as_json:
            return session.json(tags)
        return session.table(["TAG", "SNAPSHOT"], sorted(tags.items()))
    if delete:
        repository.untag(name)
        record_event(session, "untag", str(repository.root), tag=name)
        return session.json({"deleted": name}) if as_json else say(f"Deleted the tag {name}.")
    found = resolve_or_head(repository, revision)
    repository.tag(name, found)
    record_event(session, "tag", str(repository.root), tag=name, snapshot=found)
    if as_json:
        return session.json({"tag": name, "snapshot": found})
    return say(f"Tagged {paint(short(found), 'yellow')} as {name}.")
