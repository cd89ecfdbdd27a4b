"""``aexl deploy logs``: what handlers have said, and what they say."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import typer

from aexl.errors import Invalid, NotFound, Unavailable
from aexl_plane.cli.deploy import app
from aexl_plane.cli.executing import execution_path, list_executions
from aexl_plane.cli.options import JSON, Target, say, say_aside
from aexl_plane.cli.showing import Colour, paint
from aexl_plane.cli.targets import on_project
from aexl_plane.cli.watching import ENVIRONMENT
from aexl_plane.client.calling import Caller

_POLL: Final = 1.0
"""Seconds between looks for new executions of an environment."""

_RECENT: Final = 100
"""Executions that are looked at in one look: those that begin between two."""

_QUIET: Final = 60.0
"""Seconds of a stream without anything; the server says every 15 that it is still there."""

_COLOURS: Final[Mapping[str, Colour]] = {"ERROR": "red", "WARN": "yellow", "DEBUG": "dim"}

Found = Sequence[Mapping[str, Any]]


@app.command(
    epilog="Examples: aexl deploy logs 0198c0de-… --follow  ·  aexl deploy logs --env prod -n 3  ·  "
    "aexl deploy logs --env dev --follow"
)
@on_project
def logs(
    target: Target,
    execution: str | None = typer.Argument(
        None, help="Its id; by default the latest.", metavar="[EXECUTION]", show_default=False
    ),
    environment: str | None = ENVIRONMENT,
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on, until the execution ends; of --env until ^C."),
    limit: int = typer.Option(1, "--limit", "-n", help="The latest so many.", min=1, max=100, metavar="NUMBER"),
    as_json: bool = JSON,
) -> None:
    """Show the log of an execution, or of the latest ones; with --json one record on each line."""
    if execution and environment:
        raise Invalid("name an execution, or --env for the latest of an environment, not both")
    if execution is not None:
        return _show(target, execution, follow=follow, as_json=as_json)
    goes_on = follow and environment is not None
    latest = list_executions(target, environment, None, _RECENT if goes_on else limit)
    if not latest and not follow:
        raise NotFound(f"nothing has run yet in {environment or 'any environment'} of {target.sentence()}")
    for each in reversed(latest[:limit]):
        _show_one(target, each, follow=follow, as_json=as_json)
    if goes_on:
        for each in new_executions(lambda: list_executions(target, environment, None, _RECENT), latest):
            _show_one(target, each, follow=True, as_json=as_json)
    return None


def new_executions(look: Callable[[], Found], known: Found) -> Iterator[Mapping[str, Any]]:
    """Yield executions that have begun since a look, the oldest first, and look again; it never ends.

    Args:
        look: Returns the latest ones, the latest first.
        known: What it has returned before.
    """
    while True:
        seen = {each["id"] for each in known}
        time.sleep(_POLL)
        known = look()
        yield from [each for each in reversed(known) if each["id"] not in seen]


def _show_one(target: Target, each: Mapping[str, Any], *, follow: bool, as_json: bool) -> None:
    say_aside(f"{each['id']}: {each['kind'] or each['action']} {each['handler']}, {each['status']}")
    _show(target, each["id"], follow=follow, as_json=as_json)


def _show(target: Target, execution: str, *, follow: bool, as_json: bool) -> None:
    calling, path = target.server.calling, f"{execution_path(target, execution)}/logs"
    records = follow_log(calling, f"{path}?follow=true") if follow else calling.json("GET", path)["records"]
    for record in records:
        say(json.dumps(record, ensure_ascii=False) if as_json else _line(record))
        sys.stdout.flush()  # who follows through a pipe wants each when it comes


def follow_log(calling: Caller, path: str) -> Iterator[Mapping[str, Any]]:
    """Yield records as they come, and say how the execution ended.

    Raises:
        Unavailable: If the stream breaks off before.
    """
    event = ""
    with calling.lines(path, _QUIET) as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name == "event":
                event = value.strip()
            elif name == "data" and event == "log":
                yield json.loads(value)
            elif name == "data" and event == "lost":
                say_aside(f"{json.loads(value)['records']} records were not kept")
            elif name == "data" and event == "end":
                end = json.loads(value)
                say_aside(f"{end['execution']}: {end['status']}")
                return
    raise Unavailable("the log broke off before the execution's end; ask again")


def _line(record: Mapping[str, Any]) -> str:
    at = datetime.fromtimestamp(record.get("ts_ms", 0) / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    level, fields = str(record.get("level", "INFO")), dict(record.get("fields") or {})
    text = str(fields.pop("text", "")) if record.get("event") in ("stdout", "stderr", "output") else ""
    said = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
    line = f"{at} {level:<5} {record.get('event')} {text}{said}".rstrip()
    colour = _COLOURS.get(level)
    return paint(line, colour) if colour else line
