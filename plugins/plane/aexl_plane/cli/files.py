"""``aexl files``."""

from __future__ import annotations

import sys
from typing import Any

import typer

from aexl.api import Session
from aexl_plane.cli.options import JSON, Target, say, say_aside
from aexl_plane.cli.targets import on_project
from aexl_plane.client.calling import segment

app = typer.Typer(no_args_is_help=True, help="Show a project's files on a server.")

_SNAPSHOT: Any = typer.Option(None, "--snapshot", help="Those of a snapshot, by its whole id.", metavar="ID")


@app.command("ls", epilog="Examples: aexl files ls  ·  aexl files ls src/ --json")
@on_project
def list_files(
    ctx: typer.Context,
    target: Target,
    prefix: str = typer.Argument("", help="Only paths that begin so.", metavar="[PREFIX]"),
    snapshot: str | None = _SNAPSHOT,
    as_json: bool = JSON,
) -> None:
    """Show the files that the server has, not those of this folder."""
    session: Session = ctx.obj
    base = f"{target.path}/snapshots/{segment(snapshot)}/files" if snapshot else f"{target.path}/files"
    answer = target.server.calling.json("GET", base)
    found = [each for each in answer["files"] if each["path"].startswith(prefix)]
    if as_json:
        return session.json({"target": target.json(), "snapshot": answer["snapshot"], "files": found})
    say(f"{target.sentence()}, snapshot {(answer['snapshot'] or 'none')[:16]}")
    rows = [
        (str(each.get("version", "")), str(each["size_bytes"]), each["sha256"][:12], each["path"]) for each in found
    ]
    return session.table([">VERSION", ">BYTES", "SHA256", "PATH"], rows)


@app.command("cat", epilog="Example: aexl files cat entry_point.py")
@on_project
def cat_file(
    target: Target,
    path: str = typer.Argument(help="As 'aexl files ls' shows it.", metavar="PATH"),
    snapshot: str | None = _SNAPSHOT,
) -> None:
    """Write a file that the server has to standard output, and where it is from to standard error."""
    base = f"{target.path}/snapshots/{segment(snapshot)}/files" if snapshot else f"{target.path}/files"
    data = target.server.calling.raw("GET", f"{base}/{segment(path)}")
    say_aside(f"{path} of {target.sentence()}")
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
