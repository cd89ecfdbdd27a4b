"""``aexl deploy list``, ``status`` and ``runtimes``: what is deployed where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from aexl.api import Session
from aexl_plane.cli.deploy import app
from aexl_plane.cli.options import JSON, Target, say
from aexl_plane.cli.places import complete_environment, environment_path
from aexl_plane.cli.showing import DEPLOYMENTS, deployment_row
from aexl_plane.cli.targets import on_project
from aexl_plane.client.calling import query

# Any: Typer's options stand in for values of another type.
ENVIRONMENT: Any = typer.Option(
    None, "--environment", "--env", "-e", help="Only of this one.", metavar="ENV", autocompletion=complete_environment
)
LIMIT: Any = typer.Option(20, "--limit", "-n", help="At most so many.", min=1, max=1000, metavar="NUMBER")


@app.command("list", epilog="Example: aexl deploy list --environment prod --json")
@on_project
def list_deployments(
    ctx: typer.Context,
    target: Target,
    environment: str | None = ENVIRONMENT,
    limit: int = LIMIT,
    as_json: bool = JSON,
) -> None:
    """Show deployments, the latest first."""
    session: Session = ctx.obj
    asked = {"limit": str(limit), **({"environment": environment} if environment else {})}
    found = target.server.calling.json("GET", f"{target.path}/deployments{query(asked)}")["deployments"]
    if as_json:
        return session.json({"target": target.json(), "deployments": found})
    say(target.sentence())
    return session.table(DEPLOYMENTS, map(deployment_row, found))


@app.command(epilog="Examples: aexl deploy status  ·  aexl deploy status prod --json")
@on_project
def status(
    ctx: typer.Context,
    target: Target,
    environment: str | None = typer.Argument(
        None, help="Only this one.", metavar="[ENV]", autocompletion=complete_environment
    ),
    as_json: bool = JSON,
) -> None:
    """Show what serves each environment, what takes a part of its requests, and what waits for approval."""
    session: Session = ctx.obj
    if environment is None:
        found = target.server.calling.json("GET", f"{target.path}/environments")["environments"]
    else:
        found = [target.server.calling.json("GET", environment_path(target, environment))]
    if as_json:
        return session.json({"target": target.json(), "environments": found})
    say(target.sentence())
    columns = ["ENVIRONMENT", "SERVES", "SINCE", "RUNTIME", "CANARY", ">WAITING", "APPROVAL"]
    return session.table(columns, map(_row, found))


def _row(state: Mapping[str, Any]) -> tuple[str, ...]:
    active, canary = state["active"], state["canary"]
    serves = (active["snapshot"][:12], active["decided"] or "-", active["runtime"]) if active else ("-", "-", "-")
    part = f"{canary['snapshot'][:12]} {canary['weight']} %" if canary else "-"
    return state["name"], *serves, part, str(len(state["waiting"])), "needed" if state["approval"] else "-"


@app.command(epilog="Example: aexl deploy runtimes --json")
@on_project
def runtimes(
    ctx: typer.Context,
    target: Target,
    as_json: bool = JSON,
) -> None:
    """Show the interpreters that the server offers to deployments."""
    session: Session = ctx.obj
    found = target.server.calling.json("GET", f"{target.path}/runtimes", timeout=60.0)["runtimes"]
    if as_json:
        return session.json({"target": target.json(), "runtimes": found})
    say(f"interpreters at {target.server.url}")
    rows = [(each["name"], each["python"] or "-", each["sdk"], each["problem"] or "ready") for each in found]
    return session.table(["RUNTIME", "PYTHON", "SDK", "STATE"], rows)
