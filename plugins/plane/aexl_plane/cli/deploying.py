"""``aexl deploy`` itself, ``promote``, ``rollback`` and ``validate``: what changes what serves, and what would."""

from __future__ import annotations

import time
from typing import Any, Final

import typer

from aexl.api import Session
from aexl.errors import Conflict, Unavailable
from aexl_plane.cli.deploy import DEPLOY, app
from aexl_plane.cli.options import JSON, Target, check_seconds, say, say_aside
from aexl_plane.cli.places import (
    ORDER,
    complete_environment,
    environment_path,
    find_snapshot,
    next_environment,
)
from aexl_plane.cli.showing import deployed
from aexl_plane.cli.targets import on_project
from aexl_plane.client.calling import segment

PATIENCE: Final = 180.0
"""Seconds for a deployment: its snapshot is laid out and imported, in a worker that may have to wait."""

_POLL: Final = 1.0

# Any: Typer's options stand in for values of another type.
_ENVIRONMENT: Final[Any] = typer.Argument(
    "dev", help="The environment.", metavar="[ENV]", autocompletion=complete_environment
)
_SNAPSHOT: Final[Any] = typer.Argument(
    None,
    help="An id or its beginning, a tag or another name in this folder; by default the project's head on the server.",
    metavar="[SNAPSHOT]",
)
REASON: Final[Any] = typer.Option("", "--reason", "-m", help="Why; it is kept with the deployment.", metavar="TEXT")
_RUNTIME: Final[Any] = typer.Option(None, "--runtime", help="The interpreter; the built-in one.", metavar="NAME")
WAIT: Final[Any] = typer.Option(
    0.0, "--wait", help="Where it needs approval: wait so long for it.", metavar="SECONDS", min=0.0
)


@app.command(
    DEPLOY,
    epilog="Examples: aexl deploy dev  ·  aexl deploy staging v2 --canary 10  ·  aexl deploy prod --wait 3600 --json",
)
@on_project
def deploy(
    ctx: typer.Context,
    target: Target,
    environment: str = _ENVIRONMENT,
    snapshot: str | None = _SNAPSHOT,
    canary: int = typer.Option(100, "--canary", help="Percent of the requests.", min=1, max=100, metavar="PERCENT"),
    runtime: str | None = _RUNTIME,
    reason: str = REASON,
    wait: float = WAIT,
    as_json: bool = JSON,
) -> None:
    """Deploy a snapshot to an environment, at once or when somebody has approved it; 'aexl deploy ENV' is the same.

    Without a snapshot it is what the project has on the server, not what this folder has.
    """
    check_seconds("--wait", wait)
    body = {
        "environment": environment,
        "snapshot": find_snapshot(ctx, target, snapshot),
        "runtime": runtime or "",
        "weight": canary,
        "reason": reason,
    }
    made = target.server.calling.json("POST", f"{target.path}/deployments", body, timeout=PATIENCE)
    _finish(ctx.obj, target, made, wait, as_json)


@app.command(epilog="Examples: aexl deploy promote  ·  aexl deploy promote staging  ·  aexl deploy promote dev prod")
@on_project
def promote(
    ctx: typer.Context,
    target: Target,
    environment: str = typer.Argument(
        ORDER[0], help="What is promoted.", metavar="[FROM]", autocompletion=complete_environment
    ),
    to: str | None = typer.Argument(
        None,
        help="Where to; by default the next of dev, staging, prod.",
        metavar="[TO]",
        autocompletion=complete_environment,
    ),
    reason: str = REASON,
    wait: float = WAIT,
    as_json: bool = JSON,
) -> None:
    """Let an environment serve what another one serves: the same snapshot, by the same interpreter."""
    check_seconds("--wait", wait)
    body = {"to": next_environment(environment) if to is None else to, "reason": reason}
    path = f"{environment_path(target, environment)}:promote"
    _finish(ctx.obj, target, target.server.calling.json("POST", path, body, timeout=PATIENCE), wait, as_json)


@app.command(epilog="Examples: aexl deploy rollback prod  ·  aexl deploy rollback prod --to dp_0123456789abcdef0123")
@on_project
def rollback(
    ctx: typer.Context,
    target: Target,
    environment: str = _ENVIRONMENT,
    to: str | None = typer.Option(
        None, "--to", help="A deployment; by default the last that served something else.", metavar="DEPLOYMENT"
    ),
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Let an environment serve what it served before, at once; where a canary takes a part of the requests, end that."""
    path = f"{environment_path(target, environment)}:rollback"
    made = target.server.calling.json("POST", path, {"to": to, "reason": reason}, timeout=PATIENCE)
    _finish(ctx.obj, target, made, 0.0, as_json)


@app.command(epilog="Examples: aexl deploy validate  ·  aexl deploy validate v2 --environment prod --runtime science")
@on_project
def validate(
    ctx: typer.Context,
    target: Target,
    snapshot: str | None = _SNAPSHOT,
    environment: str | None = typer.Option(
        None,
        "--environment",
        "-e",
        help="Whose interpreters count.",
        metavar="ENV",
        autocompletion=complete_environment,
    ),
    runtime: str | None = _RUNTIME,
    as_json: bool = JSON,
) -> None:
    """Say what stands against deploying a snapshot, and deploy nothing; ends with 1 if anything does."""
    session: Session = ctx.obj
    named = find_snapshot(ctx, target, snapshot) or "main"
    path = f"{target.path}/snapshots/{segment(named)}:validate"
    asked = {"runtime": runtime or "", "environment": environment}
    found = target.server.calling.json("POST", path, asked, timeout=PATIENCE)
    if as_json:
        session.json({"target": target.json(), **found})
    else:
        say(f"{found['snapshot'][:12]} of {target.sentence()}, interpreter {found['runtime']}")
        for problem in found["problems"]:
            say(f"  {problem['rule']}: {problem['message']}")
        say("Nothing stands against deploying it." if found["ok"] else "It cannot be deployed so.")
    if not found["ok"]:
        raise typer.Exit(1)


def _finish(session: Session, target: Target, made: dict[str, Any], wait: float, as_json: bool) -> None:
    """Wait for a decision if that was asked for, and tell what became of it.

    Raises:
        Conflict: If it was rejected.
        Unavailable: If nobody has decided in time.
    """
    if wait and made["status"] == "waiting":
        say_aside(f"{made['id']} waits for approval")
        made = _wait(target, made, wait)
    if as_json:
        session.json({"target": target.json(), **made})
    else:
        deployed(target, made)
    if wait and made["status"] == "waiting":
        raise Unavailable(f"nobody has decided on {made['id']} in {wait:g} seconds; it still waits")
    if made["status"] == "rejected":
        raise Conflict(f"{made['id']} was rejected by {made['decided_by']}")


def _wait(target: Target, made: dict[str, Any], wait: float) -> dict[str, Any]:
    end = time.monotonic() + wait
    while made["status"] == "waiting" and (left := end - time.monotonic()) > 0:
        time.sleep(min(_POLL, left))
        made = target.server.calling.json("GET", f"{target.path}/deployments/{segment(made['id'])}")
    return made
