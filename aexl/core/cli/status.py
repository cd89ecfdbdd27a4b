"""``aexl status``."""

from __future__ import annotations

import sys

import typer

from aexl.api import Accounts, Agent, Host, Session, format_usd
from aexl.core.cli.conventions import JSON, NO_SERVER, NOT_RUNNING

app = typer.Typer()


@app.command(epilog="Example: aexl status --json")
def status(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Show whether a server runs, and what its agents have spent. Exits 3 when none runs."""
    session: Session = ctx.obj
    server = session.running()
    agents = session.run(_agents)
    if as_json:
        session.json({"server": server, "agents": [_plain(agent) for agent in agents]})
    else:
        sys.stdout.write(_sentence(server) + "\n")
        if agents:
            rows = [(a.name, a.state, _budget(a), format_usd(a.spent), format_usd(a.reserved)) for a in agents]
            session.table(["AGENT", "STATE", ">BUDGET", ">SPENT", ">RESERVED"], rows)
    if server is None:
        raise typer.Exit(NOT_RUNNING)


async def _agents(host: Host) -> list[Agent]:
    accounts = host.service(Accounts)
    return list(await accounts.list()) if accounts else []


def _budget(agent: Agent) -> str:
    return "unlimited" if agent.budget is None else format_usd(agent.budget)


def _plain(agent: Agent) -> dict[str, object]:
    budget = None if agent.budget is None else format_usd(agent.budget)
    spent, reserved = format_usd(agent.spent), format_usd(agent.reserved)
    return {"name": agent.name, "state": agent.state, "budget": budget, "spent": spent, "reserved": reserved}


def _sentence(server: object) -> str:
    if not isinstance(server, dict):
        return NO_SERVER
    return (
        f"aexl {server['version']} runs at {server['url']} (pid {server['pid']}, up {server['uptime']:.0f} s, "
        f"{server['in_flight']} calls in flight)."
    )
