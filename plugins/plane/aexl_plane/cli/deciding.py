"""``aexl deploy approve`` and ``reject``, and the settings that ask for it."""

from __future__ import annotations

from typing import Any, Final

import typer

from aexl.api import Session
from aexl_plane.cli.deploy import app
from aexl_plane.cli.deploying import PATIENCE, REASON
from aexl_plane.cli.options import JSON, Target, say
from aexl_plane.cli.places import complete_environment, environment_path, find_waiting
from aexl_plane.cli.showing import deployed
from aexl_plane.cli.targets import on_project
from aexl_plane.client.calling import segment

_DEPLOYMENT: Final[Any] = typer.Argument(
    None, help="Its id; by default the only one that waits.", metavar="[DEPLOYMENT]"
)


@app.command(epilog="Example: aexl deploy approve --reason 'tried in staging'")
@on_project
def approve(
    ctx: typer.Context,
    target: Target,
    deployment: str | None = _DEPLOYMENT,
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Let a deployment that waits serve."""
    _decide(ctx.obj, target, "approve", deployment, reason, as_json)


@app.command(epilog="Example: aexl deploy reject dp_0123456789abcdef0123 --reason 'not before Monday'")
@on_project
def reject(
    ctx: typer.Context,
    target: Target,
    deployment: str | None = _DEPLOYMENT,
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Decide that a deployment that waits will not serve."""
    _decide(ctx.obj, target, "reject", deployment, reason, as_json)


def _decide(session: Session, target: Target, word: str, deployment: str | None, reason: str, as_json: bool) -> None:
    path = f"{target.path}/deployments/{segment(find_waiting(target, deployment))}:{word}"
    made = target.server.calling.json("POST", path, {"reason": reason}, timeout=PATIENCE)
    return session.json({"target": target.json(), **made}) if as_json else deployed(target, made)


@app.command(
    epilog="Examples: aexl deploy environment prod --approval  ·  aexl deploy environment qa --runtime science"
)
@on_project
def environment(
    ctx: typer.Context,
    target: Target,
    name: str = typer.Argument(help="The environment.", metavar="ENV", autocompletion=complete_environment),
    approval: bool | None = typer.Option(None, "--approval/--no-approval", help="Whether deployments wait for it."),
    runtimes: list[str] | None = typer.Option(
        None, "--runtime", help="An interpreter that may run it; again for more.", metavar="NAME"
    ),
    any_runtime: bool = typer.Option(False, "--any-runtime", help="Every interpreter of the server may."),
    as_json: bool = JSON,
) -> None:
    """Show an environment; with options make it, or change its settings."""
    session: Session = ctx.obj
    change: dict[str, object] = {} if approval is None else {"approval": approval}
    if runtimes or any_runtime:
        change["runtimes"] = [] if any_runtime else runtimes
    path = environment_path(target, name)
    found = target.server.calling.json(*(("PUT", path, change) if change else ("GET", path)))
    if as_json:
        return session.json({"target": target.json(), **found})
    say(f"{found['name']} of {target.sentence()}")
    say(f"approval:     {'needed' if found['approval'] else 'not needed'}")
    say(f"interpreters: {', '.join(found['runtimes']) or 'any'}")
    for what in ("active", "canary"):
        if found[what]:
            say(f"{what + ':':<13} {found[what]['id']}, snapshot {found[what]['snapshot'][:12]}")
    for each in found["waiting"]:
        say(f"waiting:      {each['id']}, snapshot {each['snapshot'][:12]}, by {each['by']}")
    return None
