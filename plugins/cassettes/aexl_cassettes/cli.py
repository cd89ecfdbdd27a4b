"""``aexl cassette``."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from aexl.api import Session
from aexl.errors import Invalid
from aexl_cassettes.config import CassettesConfig
from aexl_cassettes.folder import Entry, Folder
from aexl_cassettes.showing import show_tape, when

app = typer.Typer(no_args_is_help=True, help="List, show and delete recorded exchanges.")

_JSON: Final = typer.Option(False, "--json", help="Print JSON.")
_FOLDER: Final = typer.Option(None, "--cassette", help="The folder; by default the one that [cassettes] names.")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _folder(session: Session, given: Path | None) -> Folder:
    """Return the folder that is meant.

    Raises:
        Invalid: If one was given and is not there.
    """
    if given is None:
        return Folder(session.config.section(CassettesConfig).place(session.home))
    if not given.is_dir():
        raise Invalid(f"there is no folder {str(given)!r}")
    return Folder(given.absolute())


@app.command("list", epilog="Examples: aexl cassette list  ·  aexl cassette list --cassette tests/cassettes --json")
def list_recordings(ctx: typer.Context, cassette: Path | None = _FOLDER, as_json: bool = _JSON) -> None:
    """List recordings, the oldest first; exit with 1 if a file there cannot be read."""
    session: Session = ctx.obj
    folder = _folder(session, cassette)
    entries, problems = folder.list()
    rows = []
    for entry in entries:
        try:
            rows.append(_row(entry, folder.read(entry.id).answer))
        except Invalid as error:
            problems.append(str(error))
    if as_json:
        session.json({"recordings": rows, "problems": problems})
    else:
        columns = ("id", "request", "model", "surface", "answer", ">bytes", "recorded at")
        session.table(
            columns, [[*list(map(str, row.values()))[:-1], when(float(str(row["recorded_at"])))] for row in rows]
        )
        sys.stderr.writelines(f"{problem}\n" for problem in problems)
    if problems:
        raise typer.Exit(1)


def _row(entry: Entry, answer: str) -> dict[str, object]:
    request = entry.asked.request
    return {
        "id": entry.id,
        "request": request.line,
        "model": request.model,
        "surface": request.surface,
        "answer": answer,
        "bytes": entry.size,
        "recorded_at": entry.asked.at,
    }


@app.command("show", epilog="Example: aexl cassette show 3f2a")
def show_recording(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(help="A recording's id, or the beginning of it.", metavar="ID")],
    cassette: Path | None = _FOLDER,
    as_json: bool = _JSON,
) -> None:
    """Show one recording: what was asked, and what was answered, event by event."""
    session: Session = ctx.obj
    folder = _folder(session, cassette)
    found = folder.find(id)
    tape = folder.read(found)
    if as_json:
        session.json({"id": found, **msgspec.to_builtins(tape)})
    else:
        sys.stdout.write(f"{show_tape(found, tape)}\n")


@app.command(
    "prune", epilog="Examples: aexl cassette prune --older-than 30d  ·  aexl cassette prune --unused --dry-run"
)
def prune_recordings(
    ctx: typer.Context,
    older_than: str | None = typer.Option(
        None, help="Delete what was recorded longer ago than this, as in 12h or 30d."
    ),
    unused: bool = typer.Option(False, "--unused", help="Delete what was never replayed."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be deleted."),
    cassette: Path | None = _FOLDER,
    as_json: bool = _JSON,
) -> None:
    """Delete recordings; with both conditions, those that meet both."""
    session: Session = ctx.obj
    folder = _folder(session, cassette)
    is_doomed = _condition(folder, older_than, unused)
    doomed = [entry.id for entry in folder.list().entries if is_doomed(entry)]
    if not dry_run:
        folder.remove(doomed)
    if as_json:
        session.json({"deleted": [] if dry_run else doomed, "found": doomed})
        return
    sys.stdout.writelines(f"{name}\n" for name in doomed)
    verb = "would be deleted" if dry_run else "deleted"
    sys.stdout.write(f"{len(doomed)} recording{'' if len(doomed) == 1 else 's'} {verb}\n")


def _condition(folder: Folder, older_than: str | None, unused: bool) -> Callable[[Entry], bool]:
    """Return what decides whether a recording is deleted.

    Raises:
        Invalid: If nothing was asked, or nothing is known.
    """
    if older_than is None and not unused:
        raise Invalid("say what to delete: --older-than 30d, --unused, or both")
    before = float("inf") if older_than is None else time.time() - _seconds(older_than)
    marks = folder.marks() if unused else {}
    if unused and not marks:
        raise Invalid(f"nothing in {folder.path} was ever replayed, so --unused would delete all of it")
    return lambda entry: entry.asked.at < before and entry.id not in marks


def _seconds(text: str) -> int:
    """Return a length of time such as 90m."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if found is None:
        raise Invalid(f"--older-than must be a number and one of s, m, h, d, w, as in 30d, not {text!r}")
    return int(found[1]) * _SECONDS[found[2]]
