"""``aexl pipeline gates``, ``approve``, ``reject`` and ``edit``: they work on files, with or without a server."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import typer

from aexl.api import Session
from aexl.errors import Invalid, Unavailable
from aexl_pipelines.cli.root import JSON, app, say
from aexl_pipelines.gates.editing import find_editor, read_edited, text_file
from aexl_pipelines.gates.files import AlreadyDecided, GateFiles
from aexl_pipelines.gates.opening import person
from aexl_pipelines.gates.records import Standing, describe, past
from aexl_pipelines.gates.wording import card
from aexl_pipelines.journal.records import Choice, Verdict
from aexl_pipelines.live.words import clean, duration


def _complete(incomplete: str) -> list[tuple[str, str]]:
    """Return the open gates for the shell's completion."""
    home = os.environ.get("AEXL_HOME")
    files = GateFiles((Path(home).expanduser() if home else Path.home() / ".aexl") / "runs")
    return [
        (each.gate.id, f"{each.gate.kind} {clean(each.gate.step)}")
        for each in files.listed()
        if each.decided is None and each.gate.id.startswith(incomplete)
    ]


_GATE: Final[Any] = typer.Argument(..., metavar="GATE", autocompletion=_complete, help="Its id, or how it begins.")
_COLUMNS: Final = ("gate", "kind", "run", "step", ">open for", "asks", "decided")
_REASON: Final[Any] = typer.Option("", "--reason", metavar="TEXT", help="Why; the run's journal keeps it.")
_FILE: Final[Any] = typer.Option(None, "--file", metavar="PATH", help="The text is what this file has; - for input.")


@app.command(epilog="Examples: aexl pipeline gates  ·  aexl pipeline gates k7f3  ·  aexl pipeline gates --all --json")
def gates(
    ctx: typer.Context,
    gate: str | None = typer.Argument(None, metavar="[GATE]", autocompletion=_complete, help="Show this one whole."),
    everything: bool = typer.Option(False, "--all", help="Also those that are decided."),
    as_json: bool = JSON,
) -> None:
    """List the gates that wait for an answer, of all runs of this home; with GATE show one whole."""
    session: Session = ctx.obj
    files = GateFiles(session.home / "runs")
    if gate is not None:
        standing = files.find(gate)
        return session.json(standing) if as_json else _show(standing)
    found = [each for each in files.listed() if everything or each.decided is None]
    if as_json:
        return session.json(found)
    if not found:
        return say("No gate waits for an answer." if not everything else "There are no gates.")
    shown = len(_COLUMNS) if everything else len(_COLUMNS) - 1
    return session.table(_COLUMNS[:shown], [_row(each)[:shown] for each in found])


def _row(standing: Standing) -> list[str]:
    gate = standing.gate
    row = [gate.id, gate.kind, gate.run[:8] + "…" + gate.run[-4:], clean(gate.step), _since(standing)]
    row.append(next(iter(clean(gate.text).splitlines()), "")[:60])
    return [*row, "" if standing.decided is None else clean(describe(standing.decided))]


def _since(standing: Standing) -> str:
    end = standing.decided.at if standing.decided is not None else time.time()
    return duration(end - standing.gate.opened)


def _show(standing: Standing) -> None:
    say("\n".join(card(standing.gate, None)))
    say(f"Run {standing.gate.run}, open for {_since(standing)}.")
    if standing.decided is not None:
        return say(f"It was {clean(describe(standing.decided))}.")
    words = "approve, reject or edit" if standing.gate.editable else "approve or reject"
    return say(f"Answer with: aexl pipeline {words} {standing.gate.id}")


@app.command(epilog="Examples: aexl pipeline approve k7f3  ·  aexl pipeline approve k7f3 --reason 'looked at the diff'")
def approve(ctx: typer.Context, gate: str = _GATE, reason: str = _REASON, as_json: bool = JSON) -> None:
    """Let a run go on. The first answer counts; if there is one already, it is named and this ends with 5."""
    _decide(ctx.obj, gate, "approve", reason, as_json)


@app.command(epilog="Example: aexl pipeline reject k7f3 --reason 'the migration is missing'")
def reject(
    ctx: typer.Context,
    gate: str = _GATE,
    reason: str = typer.Option("", "--reason", metavar="TEXT", help="Why; the run ends with it."),
    as_json: bool = JSON,
) -> None:
    """Do not let a run go on: it ends with 5, unless its pipeline says otherwise."""
    _decide(ctx.obj, gate, "reject", reason, as_json)


@app.command(
    epilog="Examples: aexl pipeline edit k7f3  ·  aexl pipeline edit k7f3 --text 'Ship it.'  ·  aexl pipeline edit k7f3 --file answer.md"
)
def edit(
    ctx: typer.Context,
    gate: str = _GATE,
    text: str | None = typer.Option(
        None, "--text", metavar="TEXT", help="What it shall be; without it and --file, $EDITOR."
    ),
    file: Path | None = _FILE,
    reason: str = _REASON,
    as_json: bool = JSON,
) -> None:
    """Let a run go on with another text: in your editor, or given."""
    session: Session = ctx.obj
    if text is not None and file is not None:
        raise Invalid("give --text or --file, not both")
    standing = GateFiles(session.home / "runs").find(gate)
    if standing.decided is not None:
        raise AlreadyDecided(standing.decided)
    if not standing.gate.editable:
        raise Invalid(f"gate {standing.gate.id} ({standing.gate.kind}) has nothing to edit; approve it or reject it")
    wanted = text if text is not None else _from_file(file) if file is not None else _edited(standing.gate.content)
    _decide(session, gate, "edit", reason, as_json, wanted)


def _decide(
    session: Session, beginning: str, choice: Choice, reason: str, as_json: bool, text: str | None = None
) -> None:
    files = GateFiles(session.home / "runs")
    standing = files.find(beginning)
    if standing.decided is not None:
        raise AlreadyDecided(standing.decided)
    verdict = Verdict(choice=choice, text=text, reason=reason, by=f"cli:{person()}")
    decided = files.decide(standing.gate, verdict, time.time())
    if as_json:
        return session.json(msgspec.structs.replace(standing, decided=decided))
    return say(f"Gate {standing.gate.id} of step {clean(standing.gate.step)} is {past(choice)}.")


def _from_file(file: Path) -> str:
    if str(file) == "-":
        from aexl_pipelines.cli.reading import read_input

        return read_input("the text")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"the file {file} cannot be read: {error}") from error


def _edited(content: str) -> str:
    editor = find_editor(os.environ)
    with text_file(content) as path:
        done = subprocess.run([*editor, str(path)], check=False)
        return read_edited(path, editor, done.returncode)
