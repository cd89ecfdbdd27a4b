"""``aexl runtime list`` and ``aexl runtime make``."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from aexl.api import BUILTIN, Session
from aexl.errors import Invalid, NotFound
from aexl.sdk import SDK_VERSION
from aexl_runtime.commands import app
from aexl_runtime.offering import builtin_offer
from aexl_runtime.runtimes.interpreters import Interpreters, Standing
from aexl_runtime.runtimes.making import make_environment, prune
from aexl_runtime.runtimes.tables import Environment, Source, read_tables
from aexl_runtime.settings import RuntimeConfig, RuntimeTable

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list", epilog="Example: aexl runtime list --json")
def list_runtimes(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the interpreters that handlers can run under: [runtimes.<name>], and the built-in one."""
    session: Session = context.obj
    found = Interpreters(session.home, _sources(session))
    standings = [_builtin(session), *map(found.standing, found.names)]
    if as_json:
        return session.json([_json(standing) for standing in standings])
    columns = ["RUNTIME", "PYTHON", "SDK", ">PACKAGES", "STATE", "INTERPRETER"]
    session.table(columns, [_row(standing) for standing in standings])
    for standing in standings:
        if standing.detail:
            sys.stderr.write(f"{standing.detail}\n")
    return None


@app.command(epilog="Examples: aexl runtime make  ·  aexl runtime make science --prune")
def make(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(help="By default all that are missing.", metavar="[NAME]...")
    ] = None,
    pruning: Annotated[
        bool, typer.Option("--prune", help="Remove environments that no runtime names any more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the environments of the runtimes that have requirements, with uv; only this uses the network."""
    session: Session = context.obj
    sources = _sources(session)
    made = []
    for name, environment in _wanted(sources, names or []):
        sys.stderr.write(f"{name}: Python {environment.python}, {len(environment.requirements)} requirements\n")
        if make_environment(environment, _tell):
            made.append(name)
    gone = prune(session.home, _folders(sources)) if pruning else []
    if as_json:
        return session.json({"made": made, "removed": [str(path) for path in gone]})
    sys.stdout.write(f"Made {', '.join(made)}.\n" if made else "Every environment was there already.\n")
    if gone:
        sys.stdout.write(f"Removed {len(gone)} that no runtime names.\n")
    return None


def _tell(line: str) -> None:
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def _sources(session: Session) -> dict[str, Source]:
    return read_tables(session.config.mapping(RuntimeTable), session.home)


def _wanted(sources: dict[str, Source], names: list[str]) -> list[tuple[str, Environment]]:
    found = []
    for name in names or [name for name, source in sources.items() if source.made]:
        source = sources.get(name)
        if source is None:
            raise NotFound(f"there is no [runtimes.{name}]; there are: {', '.join(sources) or 'none'}")
        if source.made is None:
            raise Invalid(source.problem or f"the runtime {name!r} has no requirements: it is not aexl's to make")
        found.append((name, source.made))
    return found


def _folders(sources: dict[str, Source]) -> list[Path]:
    return [source.made.folder for source in sources.values() if source.made]


def _builtin(session: Session) -> Standing:
    compat = session.section("runtime", RuntimeConfig).aiel_compat
    offer = builtin_offer(session.home / "plugins", compat=compat)
    return Standing(BUILTIN, Path(sys.executable), "ready", platform.python_version(), offer.distributions)


def _row(standing: Standing) -> tuple[str, ...]:
    packages = str(len(standing.packages)) if standing.version else "-"
    version = standing.version or "-"
    return standing.name, version, SDK_VERSION, packages, standing.state, str(standing.python)


def _json(standing: Standing) -> dict[str, Any]:
    return {
        "name": standing.name,
        "python": standing.version,
        "interpreter": str(standing.python),
        "sdk": SDK_VERSION,
        "packages": dict(standing.packages),
        "state": standing.state,
        "detail": standing.detail,
    }
