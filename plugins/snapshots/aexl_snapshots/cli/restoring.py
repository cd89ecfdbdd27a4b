"""``aexl snapshot restore``."""

from __future__ import annotations

import typer

from aexl.api import Session
from aexl.errors import Invalid
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.revisions import choose
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, locate, open_tree, record_event, say
from aexl_snapshots.cli.views import count_files, short
from aexl_snapshots.worktree.applying import restore as restore_files


@app.command(
    epilog="Examples: aexl snapshot restore src/app.py --force  ·  aexl snapshot restore main~1  ·  "
    "aexl snapshot restore v1 docs  ·  aexl snapshot restore --from 3f2a docs/index.md"
)
def restore(
    ctx: typer.Context,
    what: list[str] | None = typer.Argument(
        None,
        help="A snapshot, or paths, or a snapshot and paths in it; paths alone come from what is staged.",
        metavar="[SNAPSHOT] [PATH]...",
    ),
    source: str | None = typer.Option(
        None, "--from", help="The snapshot; then all arguments are paths.", metavar="SNAPSHOT"
    ),
    force: bool = typer.Option(False, "--force", "-f", help="Overwrite and remove work that is in no snapshot."),
    as_json: bool = JSON,
) -> None:
    """Make files those of a snapshot, and stage them so. Work that is in no snapshot is never overwritten unasked."""
    session: Session = ctx.obj
    tree = open_tree()
    if not what and source is None:
        raise Invalid("say what to restore: a snapshot, or paths ('.' for all that is staged)")
    found, paths = choose(tree, what or [], source)
    places = locate(tree, paths) if paths else [""]
    with Bar() as bar:
        done = restore_files(tree, found, places, force=force, meter=bar.meter)
    record_event(
        session,
        "restore",
        str(tree.root),
        snapshot=found or tree.head or "",
        files=len(done.written) + len(done.removed),
    )
    if as_json:
        return session.json(
            {"from": found, "written": done.written, "removed": done.removed, "ended_merge": done.ended_merge}
        )
    if done.ended_merge:
        say("The merge that waited was given up.")
    at = f" from {short(found)}" if found else ""
    return say(f"Restored{at}: {count_files(len(done.written))} written, {len(done.removed)} removed.")
