"""``aexl deploy invoke``, ``replay``, ``executions`` and ``cancel``: what has run, and what shall."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import typer

from aexl.api import Session
from aexl.errors import Invalid
from aexl_plane.cli.deploy import app
from aexl_plane.cli.options import JSON, Target, check_seconds, say, say_aside
from aexl_plane.cli.places import complete_environment, environment_path, find_snapshot
from aexl_plane.cli.showing import changes
from aexl_plane.cli.targets import on_project
from aexl_plane.cli.watching import ENVIRONMENT, LIMIT
from aexl_plane.client.calling import query, segment

KINDS: Final = ("tool", "agent", "flow", "router", "http", "mcp")

SLACK: Final = 60.0
"""Seconds of waiting beyond a run's own: for a worker that is free."""

_REPLAY: Final = 600.0 + SLACK

# Any: Typer's options stand in for values of another type.
EXECUTION: Final[Any] = typer.Argument(help="Its id; 'aexl deploy executions' shows them.", metavar="EXECUTION")


def execution_path(target: Target, execution: str) -> str:
    """Return where the routes of an execution begin."""
    return f"{target.path}/executions/{segment(execution)}"


@app.command(
    epilog='Examples: aexl deploy invoke dev tool slugify --event \'{"title": "A B"}\'  ·  '
    "aexl deploy invoke prod http 'GET /hello/ann'  ·  aexl deploy invoke dev flow publish --event @draft.json --async"
)
@on_project
def invoke(
    ctx: typer.Context,
    target: Target,
    environment: str = typer.Argument(help="The environment.", metavar="ENV", autocompletion=complete_environment),
    kind: str = typer.Argument(help=", ".join(KINDS), metavar="KIND"),
    name: str = typer.Argument(help="The handler; 'METHOD /path' of http, 'server/tool' of mcp.", metavar="NAME"),
    event: str = typer.Option(
        "{}", "--event", help="Its input, a JSON object, or @FILE; of http: query, headers, body.", metavar="JSON"
    ),
    in_background: bool = typer.Option(False, "--async", help="Do not wait for the answer."),
    key: str | None = typer.Option(None, "--key", help="Runs once, however often it is asked for.", metavar="TEXT"),
    timeout: float = typer.Option(30.0, "--timeout", help="For import and call together.", metavar="SECONDS"),
    as_json: bool = JSON,
) -> None:
    """Run a handler of what an environment serves, and print its result; ends with 1 if it fails."""
    session: Session = ctx.obj
    check_seconds("--timeout", timeout)
    asked = _asked(kind, name, _read_event(event))
    asked |= {"timeout_seconds": timeout, "mode": "async" if in_background else "sync"}
    found = target.server.calling.json(
        "POST",
        f"{environment_path(target, environment)}/invocations",
        asked,
        timeout=timeout + SLACK,
        headers={"idempotency-key": key} if key else None,
    )
    if as_json:
        session.json({"target": target.json(), **found})
    else:
        say_aside(f"{found['id']}: {found['kind']} {found['handler']} in {environment} of {target.sentence()}")
        _show_result(found)
    if found["status"] not in ("ok", "queued", "running"):
        raise typer.Exit(1)


def _read_event(text: str) -> dict[str, Any]:
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(f"--event: {text[1:]} cannot be read: {error}") from error
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"--event is no JSON: {error}") from error
    if not isinstance(event, dict):
        raise Invalid("--event must be a JSON object")
    return event


def _asked(kind: str, name: str, event: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case "http":
            method, _, path = name.partition(" ")
            if not path.startswith("/"):
                raise Invalid(f"of kind http, NAME is as in 'GET /hello', not {name!r}")
            return {"kind": kind, "http": {"method": method.upper(), "path": path, **event}}
        case "mcp":
            server, _, tool = name.partition("/")
            if not tool:
                raise Invalid(f"of kind mcp, NAME is as in 'server/tool', not {name!r}")
            return {"kind": kind, "mcp": {"server": server, "tool": tool, "args": event}}
        case _ if kind in KINDS:
            return {"kind": kind, "handler": name, "event": event}
        case _:
            raise Invalid(f"{kind!r} is no kind of handler; there are {', '.join(KINDS)}")


def _show_result(found: Mapping[str, Any]) -> None:
    if found["status"] in ("queued", "running"):
        say(f"{found['id']} {found['status']}; 'aexl deploy logs {found['id']} --follow' shows how it goes.")
    elif found.get("error"):
        sys.stderr.write(f"{found['error']['code']}: {found['error']['message']}\n")
    else:
        say(json.dumps(found.get("result"), indent=2, ensure_ascii=False))


@app.command(epilog="Examples: aexl deploy replay 0198c0de-…  ·  aexl deploy replay 0198c0de-… --on v2 --json")
@on_project
def replay(
    ctx: typer.Context,
    target: Target,
    execution: str = EXECUTION,
    on: str | None = typer.Option(
        None, "--on", help="Another snapshot; by default the one that it ran on.", metavar="SNAPSHOT"
    ),
    environment: str | None = ENVIRONMENT,
    as_json: bool = JSON,
) -> None:
    """Run an execution's request again, and show what differs between the results; ends with 1 if anything does."""
    session: Session = ctx.obj
    body: dict[str, str | None] = {"environment": environment} if environment else {}
    if on is not None:
        body["snapshot"] = find_snapshot(ctx, target, on)
    path = f"{execution_path(target, execution)}:replay"
    found = target.server.calling.json("POST", path, body, timeout=_REPLAY)
    if as_json:
        session.json({"target": target.json(), **found})
    else:
        _show_replay(target, found)
    if found["same"] is False:
        raise typer.Exit(1)


def _show_replay(target: Target, found: Mapping[str, Any]) -> None:
    before, after = found["original"], found["execution"]
    say(f"{before['kind']} {before['handler']} of {target.sentence()}")
    for what, each in (("before", before), ("now", after)):
        status = each["status"] if each["http_status"] is None else f"{each['status']} {each['http_status']}"
        say(f"{what + ':':<8} {each['id']} on {each['snapshot'][:12]}: {status}, {each['duration_ms']} ms")
    if found["same"] is None:
        return say("The answer of before is not kept any more: there is nothing to compare with.")
    if found["same"]:
        return say("Both ended alike.")
    changes(found["changes"])
    return say("… and more.") if found["truncated"] else None


@app.command(epilog="Example: aexl deploy executions --environment prod --status failed")
@on_project
def executions(
    ctx: typer.Context,
    target: Target,
    environment: str | None = ENVIRONMENT,
    status: str | None = typer.Option(
        None, "--status", help="queued, running, ok, failed, cancelled or lost.", metavar="STATUS"
    ),
    limit: int = LIMIT,
    as_json: bool = JSON,
) -> None:
    """Show what has run, the latest first."""
    session: Session = ctx.obj
    found = list_executions(target, environment, status, limit)
    if as_json:
        return session.json({"target": target.json(), "executions": found})
    say(target.sentence())
    columns = ["EXECUTION", "ENVIRONMENT", "SNAPSHOT", "HANDLER", "STATUS", ">MS", "CODE", "CREATED"]
    return session.table(columns, map(_row, found))


def list_executions(target: Target, environment: str | None, status: str | None, limit: int) -> list[dict[str, Any]]:
    """Return executions, the latest first."""
    asked = {"environment": environment, "status": status, "limit": str(limit)}
    path = f"{target.path}/executions{query({name: text for name, text in asked.items() if text})}"
    found: list[dict[str, Any]] = target.server.calling.json("GET", path)["executions"]
    return found


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        each["id"],
        each["environment"] or "-",
        each["snapshot"][:12],
        f"{each['kind'] or each['action']} {each['handler']}",
        each["status"],
        "-" if each["duration_ms"] is None else str(each["duration_ms"]),
        each["code"] or "-",
        each["created"],
    )


@app.command(epilog="Example: aexl deploy cancel 0198c0de-…")
@on_project
def cancel(
    ctx: typer.Context,
    target: Target,
    execution: str = EXECUTION,
    as_json: bool = JSON,
) -> None:
    """End an execution that waits or runs; one that has ended stays as it is."""
    session: Session = ctx.obj
    found = target.server.calling.json("POST", f"{execution_path(target, execution)}:cancel", {})
    if as_json:
        return session.json({"target": target.json(), **found})
    return say(f"{found['id']} of {target.sentence()}: {found['status']}.")
