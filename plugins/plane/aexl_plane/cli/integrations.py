"""``aexl integrations``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import typer

from aexl.api import Session
from aexl.errors import AexlError, Invalid, NotFound
from aexl_plane.cli.options import JSON, PROFILE, PROJECT, URL, WORKSPACE, Target, find_target, say
from aexl_plane.client.calling import segment
from aexl_plane.client.target import Wanted

app = typer.Typer(no_args_is_help=True, help="Show, try, add, remove and use a project's integrations.")

# Any: Typer's options stand in for values of another type.
_CONNECTION: Any = typer.Argument(help="Its id or name, as 'aexl integrations list' shows them.", metavar="INTEGRATION")

_STDIN: Final = "-"
_LONGEST: Final = 330.0
"""Seconds: more than the server's owner can let one call take."""


@app.command("list", epilog="Examples: aexl integrations list  ·  aexl integrations list --offered --json")
def list_integrations(
    ctx: typer.Context,
    offered: bool = typer.Option(False, "--offered", help="What the server offers, instead of what the project has."),
    workspace: str | None = WORKSPACE,
    project: str | None = PROJECT,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Show a project's integrations, and what each may do."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, url, workspace, project))
    if offered:
        there = target.server.calling.json("GET", "/api/v1/integrations")["offered"]
        if as_json:
            return session.json({"target": target.json(), "offered": there})
        say(f"At {target.server.url}:")
        lines = [(each["name"], each["provider"], " ".join(each["actions"])) for each in there]
        return session.table(["INTEGRATION", "PROVIDER", "ACTIONS"], lines)
    found = _list(target)
    if as_json:
        return session.json({"target": target.json(), "integrations": found})
    say(target.sentence())
    rows = [
        (
            each["display_name"],
            each["provider"],
            each["status"],
            " ".join(each["granted_actions"]),
            each["connection_id"],
        )
        for each in found
    ]
    return session.table(["NAME", "PROVIDER", "STATUS", "GRANTED", "ID"], rows)


@app.command("add", epilog="Example: aexl integrations add orders --grant postgres.query --name 'Order database'")
def add_integration(
    ctx: typer.Context,
    integration: str = typer.Argument(
        help="One of the server's; 'aexl integrations list --offered' shows them.", metavar="NAME"
    ),
    grant: list[str] | None = typer.Option(
        None, "--grant", help="An action that may be run; again for more. All of them, if left out.", metavar="ACTION"
    ),
    name: str = typer.Option("", "--name", help="A name for people; the integration's, if left out.", metavar="TEXT"),
    workspace: str | None = WORKSPACE,
    project: str | None = PROJECT,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Connect the project to one of the server's integrations, and grant it actions."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, url, workspace, project))
    granted = list(grant) if grant else _actions(target, integration)
    body = {"integration": integration, "name": name or integration, "granted_actions": granted}
    made = target.server.calling.json("POST", f"{target.path}/integrations", body)
    if as_json:
        return session.json({**made, "granted_actions": granted, "target": target.json()})
    return say(f"Added {made['connection_id']} to {target.sentence()}; it may {', '.join(granted)}.")


@app.command("check", epilog="Example: aexl integrations check orders")
def check_integration(
    ctx: typer.Context,
    connection: str = _CONNECTION,
    workspace: str | None = WORKSPACE,
    project: str | None = PROJECT,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Try an integration, changing nothing; the exit code is 1 if it does not work."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, url, workspace, project))
    one = _find(target, connection)
    try:
        found = target.server.calling.json("POST", f"{_path(target, one)}:check", {}, timeout=_LONGEST)["data"]
    except AexlError as error:
        if as_json:
            session.json({"connection_id": one["connection_id"], "ok": False, "message": str(error)})
        else:
            say(f"{one['display_name']} does not work: {error}")
        raise typer.Exit(1) from error
    if as_json:
        return session.json({"connection_id": one["connection_id"], "ok": True, "data": found})
    return say(f"{one['display_name']} works: {msgspec.json.encode(found).decode()}")


@app.command("remove", epilog="Example: aexl integrations remove orders")
def remove_integration(
    ctx: typer.Context,
    connection: str = _CONNECTION,
    workspace: str | None = WORKSPACE,
    project: str | None = PROJECT,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Remove an integration from the project; what it is for stays on the server."""
    session: Session = ctx.obj
    target = find_target(session, Wanted(profile, url, workspace, project))
    one = _find(target, connection)
    gone = target.server.calling.json("DELETE", _path(target, one))
    if as_json:
        return session.json({**gone, "target": target.json()})
    return say(f"Removed {one['display_name']} ({gone['removed']}) from {target.sentence()}.")


@app.command(
    "invoke",
    epilog='Example: aexl integrations invoke orders query \'{"sql": "select * from orders where id = :id", "params": {"id": 7}}\'',
)
def invoke_action(
    ctx: typer.Context,
    connection: str = _CONNECTION,
    action: str = typer.Argument(help="What to do; the provider's name before it may be left out.", metavar="ACTION"),
    params: str = typer.Argument(
        "{}", help="Parameters as JSON; @FILE reads a file, - standard input.", metavar="[JSON]"
    ),
    key: str | None = typer.Option(
        None, "--key", help="An idempotency key: a second call with it gets the first one's answer.", metavar="TEXT"
    ),
    workspace: str | None = WORKSPACE,
    project: str | None = PROJECT,
    profile: str | None = PROFILE,
    url: str | None = URL,
    as_json: bool = JSON,
) -> None:
    """Run an action that the integration has been granted, and print what it gave."""
    session: Session = ctx.obj
    given = _read_params(params)
    target = find_target(session, Wanted(profile, url, workspace, project))
    one = _find(target, connection)
    prefix = f"{one['provider']}."
    whole = action if action.startswith(prefix) else prefix + action
    headers = {} if key is None else {"idempotency-key": key}
    path = f"{_path(target, one)}/actions/{segment(whole)}:invoke"
    done = target.server.calling.json("POST", path, {"params": given}, headers=headers, timeout=_LONGEST)
    return session.json(done if as_json else done["result"])


def _list(target: Target) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = target.server.calling.json("GET", f"{target.path}/integrations")[
        "integrations"
    ]
    return found


def _find(target: Target, name: str) -> Mapping[str, Any]:
    """Return the integration that is meant.

    Raises:
        NotFound: If there is none.
        Invalid: If several have the name.
    """
    listed = _list(target)
    found = [each for each in listed if name in (each["connection_id"], each["display_name"], each["integration"])]
    exact = [each for each in found if each["connection_id"] == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise Invalid(f"{len(found)} integrations are called {name!r}; name one by its id")
    names = ", ".join(each["display_name"] for each in listed) or "none"
    raise NotFound(f"there is no integration {name!r} in {target.sentence()}; there are: {names}")


def _path(target: Target, connection: Mapping[str, Any]) -> str:
    return f"{target.path}/integrations/{segment(connection['connection_id'])}"


def _actions(target: Target, integration: str) -> list[str]:
    offered = target.server.calling.json("GET", "/api/v1/integrations")["offered"]
    found = next((each for each in offered if each["name"] == integration), None)
    return [] if found is None else list(found["actions"])


def _read_params(text: str) -> Mapping[str, Any]:
    """Return parameters of an argument, a file or standard input.

    Raises:
        Invalid: If it is no JSON object.
    """
    try:
        if text == _STDIN:
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text()
        return msgspec.json.decode(text, type=dict[str, Any])
    except OSError as error:
        raise Invalid(f"{text[1:]} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Invalid(f"the parameters must be a JSON object: {error}") from error
