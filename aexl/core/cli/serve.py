"""``aexl serve``."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aexl.api.tables import merge
from aexl.core.cli.overrides import cassette_settings, check_declared, read_settings
from aexl.core.session import CommandSession
from aexl.core.surroundings import Surroundings
from aexl.errors import Invalid

if TYPE_CHECKING:
    from aexl.core.server import Serving

app = typer.Typer()


@app.command(
    epilog="Examples: aexl serve --demo  ·  aexl serve --port 9001  ·  AEXL_HOME=/srv/aexl aexl serve  ·  "
    "aexl serve --cassette tapes --record  ·  aexl serve --set calls.on_leave=cancel",
)
def serve(
    ctx: typer.Context,
    host: str | None = typer.Option(None, help="The address to listen on.", show_default="127.0.0.1"),
    port: int | None = typer.Option(None, min=0, max=65535, help="0 takes any free one.", show_default="9000"),
    unix: Path | None = typer.Option(None, help="Listen on this Unix socket too."),
    demo: bool = typer.Option(False, "--demo", help="Offline: the echo provider, and an agent with a budget."),
    settings: list[str] = typer.Option(
        [],
        "--set",
        metavar="TABLE.KEY=VALUE",
        help="Set a value of the configuration for this run; may be given again.",
    ),
    cassette: Path | None = typer.Option(None, help="The folder of --record and --replay."),
    record: bool = typer.Option(False, "--record", help="Record what providers answer."),
    replay: bool = typer.Option(False, "--replay", help="Answer from recordings; no provider is asked."),
    timing: str | None = typer.Option(
        None, metavar="recorded|none", help="Replay with the recorded pauses, or without.", show_default="recorded"
    ),
) -> None:
    """Run the server until TERM or ^C; then finish and settle what runs, and exit 0."""
    from aexl.core.server import serve

    session: CommandSession = ctx.obj
    asked = merge(cassette_settings(cassette, record, replay, timing), read_settings(settings))
    flags = merge({"serve": dict(_given(host, port, unix))}, asked)
    announce = _announce
    if demo:
        from aexl.core.demo import DEMO_FLAGS, announce_demo

        flags = merge(flags, DEMO_FLAGS)
        announce = announce_demo
    logging.basicConfig(level=_level(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    surroundings = Surroundings(session.home, flags=flags)
    check_declared(asked, surroundings.sections)
    serve(surroundings, announce)


def _level() -> int:
    name = os.environ.get("AEXL_LOG") or "INFO"
    levels = logging.getLevelNamesMapping()
    if name.upper() not in levels:
        raise Invalid(f"AEXL_LOG must be one of {', '.join(levels)}, not {name!r}")
    return levels[name.upper()]


def _given(host: str | None, port: int | None, unix: Path | None) -> list[tuple[str, object]]:
    given = [("host", host), ("port", port), ("unix", None if unix is None else str(unix))]
    return [(key, value) for key, value in given if value is not None]


async def _announce(serving: Serving) -> None:
    sys.stderr.write(f"aexl {serving.host.version} serves {serving.url} (home {serving.host.data_dir})\n")
