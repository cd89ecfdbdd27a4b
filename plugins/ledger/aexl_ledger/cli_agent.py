"""``aexl agent``: on top of the role ``Accounts`` only, so it works beside a running server and without one."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar, cast, get_args

import msgspec
import typer

from aexl.api import Accounts, Agent, AgentChange, Limits, NewAgent, Scope, Session, format_usd, parse_usd
from aexl.api import State as Lifecycle
from aexl.errors import Invalid
from aexl_ledger import cli_agent_options as options
from aexl_ledger import cli_agent_views as views
from aexl_ledger.agents import ListAgents, ReadAgent
from aexl_ledger.operations import Operation
from aexl_ledger.options import TABLE, LedgerOptions
from aexl_ledger.state import State

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Agents: their budgets, limits, states and tokens.")
token_app = typer.Typer(no_args_is_help=True, help="Further tokens of an agent.")
app.add_typer(token_app, name="token")

_NAME = typer.Argument(help="The agent.", metavar="NAME")


@app.command(
    epilog="Examples: aexl agent create alice 5  ·  aexl agent create bob unlimited 60 --daily 2.50 --models 'gpt-*'  ·  "
    "aexl agent create ci 1 --parent alice --no-tools --ttl 24h --json"
)
@options.with_limits
def create(
    ctx: typer.Context,
    *,
    name: str = typer.Argument(help="Letters, digits and . _ : @ -", metavar="NAME"),
    usd: str = typer.Argument(help="The total budget, as in 5 or 0.25, or 'unlimited'.", metavar="USD"),
    requests: str | None = typer.Argument(None, help="Requests in any 60 seconds; the same as --rpm.", metavar="RPM"),
    daily: str | None = options.DAILY,
    monthly: str | None = options.MONTHLY,
    timezone: str | None = options.TIMEZONE,
    parent: str | None = typer.Option(None, help="The agent whose budget counts as well.", metavar="NAME"),
    scope: str = options.SCOPE,
    ttl: str | None = options.TTL,
    as_json: bool = options.JSON,
    limits: dict[str, object],
) -> None:
    """Create an agent with a budget and print its token, which is shown this once."""
    if requests is not None and limits.setdefault("rpm", requests) != requests:
        raise Invalid(f"RPM is {requests!r}, but --rpm {limits['rpm']!r}; give one of them")
    new = NewAgent(
        name=name,
        budget=options.read_budget(usd, "the budget"),
        daily=None if daily is None else options.read_budget(daily, "--daily"),
        monthly=None if monthly is None else options.read_budget(monthly, "--monthly"),
        timezone=timezone or "UTC",
        parent=parent,
        limits=options.change_limits(Limits(), limits),
    )
    wanted, seconds = _scope(scope), options.read_duration(ttl)

    async def work(accounts: Accounts) -> tuple[Agent, str]:
        agent = await accounts.create(new)
        return agent, await accounts.mint(name, wanted, {}, seconds)

    session: Session = ctx.obj
    agent, token = _ask(session, work)
    if as_json:
        return session.json({**views.agent_json(agent), "token": token})
    _print([f"Created {name} with a budget of {views.show_budget(agent.budget)} USD."])
    return _print(views.token_lines(token, session.running()))


@app.command("list", epilog="Example: aexl agent list --json")
def list_agents(ctx: typer.Context, as_json: bool = options.JSON) -> None:
    """Show all agents."""
    session: Session = ctx.obj
    agents = _read(session, ListAgents(), lambda accounts: accounts.list())
    if as_json:
        return session.json([views.agent_json(agent) for agent in agents])
    if not agents:
        return _print(["There are no agents yet: aexl agent create NAME USD"])
    return session.table(views.AGENT_COLUMNS, [views.agent_row(agent) for agent in agents])


@app.command(epilog="Example: aexl agent inspect alice --json")
def inspect(ctx: typer.Context, name: str = _NAME, as_json: bool = options.JSON) -> None:
    """Show one agent: what it has spent, what is reserved, and its limits."""
    _show(ctx.obj, _read(ctx.obj, ReadAgent(name), lambda accounts: accounts.get(name)), as_json)


@app.command(
    epilog="Examples: aexl agent update alice --budget 10 --rpm 120  ·  aexl agent update alice --daily unlimited --models none"
)
@options.with_limits
def update(
    ctx: typer.Context,
    *,
    name: str = _NAME,
    budget: str | None = typer.Option(None, help="The total budget, or 'unlimited'.", metavar="USD"),
    daily: str | None = options.DAILY,
    monthly: str | None = options.MONTHLY,
    timezone: str | None = options.TIMEZONE,
    as_json: bool = options.JSON,
    limits: dict[str, object],
) -> None:
    """Change budgets and limits; what is not named stays. Calls that run keep what they were admitted with."""
    budgets = {"budget": budget, "daily": daily, "monthly": monthly}
    changes: dict[str, object] = {
        key: options.read_budget(text, f"--{key}") for key, text in budgets.items() if text is not None
    }
    if timezone is not None:
        changes["timezone"] = timezone
    if not changes and not limits:
        raise Invalid(f"nothing was named to change of {name!r}; see 'aexl agent update --help'")

    async def work(accounts: Accounts) -> Agent:
        if limits:
            changes["limits"] = options.change_limits((await accounts.get(name)).limits, limits)
        return await accounts.update(name, msgspec.structs.replace(AgentChange(), **changes))

    _show(ctx.obj, _ask(ctx.obj, work), as_json)


@app.command(epilog="Example: aexl agent topup alice 2.50")
def topup(
    ctx: typer.Context,
    name: str = _NAME,
    usd: str = typer.Argument(help="What to add to the total budget.", metavar="USD"),
    as_json: bool = options.JSON,
) -> None:
    """Add to the total budget."""
    amount = parse_usd(usd, "the amount")
    if amount == 0:
        raise Invalid(f"the amount must be above 0, not {usd!r}")
    agent = _ask(ctx.obj, lambda accounts: accounts.topup(name, amount))
    if as_json:
        return _show(ctx.obj, agent, as_json=True)
    return _print([f"Added {format_usd(amount)} USD; the budget of {name} is {views.show_budget(agent.budget)} USD."])


@app.command(epilog="Example: aexl agent pause alice --reason 'over the weekend'")
def pause(ctx: typer.Context, name: str = _NAME, reason: str = options.REASON, as_json: bool = options.JSON) -> None:
    """Admit no further calls; those that run go on."""
    _move(ctx.obj, name, "paused", reason, as_json)


@app.command(epilog="Example: aexl agent resume alice")
def resume(ctx: typer.Context, name: str = _NAME, reason: str = options.REASON, as_json: bool = options.JSON) -> None:
    """Let an agent work again that is paused, quarantined or frozen."""
    _move(ctx.obj, name, "ready", reason, as_json)


@app.command(epilog="Example: aexl agent quarantine alice --reason 'reads what it should not'")
def quarantine(
    ctx: typer.Context, name: str = _NAME, reason: str = options.REASON, as_json: bool = options.JSON
) -> None:
    """Admit no further calls, and end those that run."""
    _move(ctx.obj, name, "quarantined", reason, as_json)


@app.command(epilog="Example: aexl agent delete alice")
def delete(ctx: typer.Context, name: str = _NAME) -> None:
    """Decommission an agent for good, revoke its tokens and hide it; its events stay in the ledger."""
    _ask(ctx.obj, lambda accounts: accounts.delete(name))
    _print([f"Deleted {name}."])


@app.command("rotate-token", epilog="Example: aexl agent rotate-token alice --ttl 30d")
def rotate_token(
    ctx: typer.Context, name: str = _NAME, ttl: str | None = options.TTL, as_json: bool = options.JSON
) -> None:
    """Revoke all tokens of an agent and print a new one, which is shown this once."""
    seconds = options.read_duration(ttl)
    _show_token(ctx.obj, name, _ask(ctx.obj, lambda accounts: accounts.rotate(name, seconds)), as_json)


@token_app.command("mint", epilog="Example: aexl agent token mint alice --scope read --label for=dashboard --ttl 7d")
def mint_token(
    ctx: typer.Context,
    name: str = _NAME,
    scope: str = options.SCOPE,
    label: list[str] | None = options.LABEL,
    ttl: str | None = options.TTL,
    as_json: bool = options.JSON,
) -> None:
    """Make one more token and print it, which happens this once."""
    wanted, labels, seconds = _scope(scope), options.read_labels(label), options.read_duration(ttl)
    _show_token(ctx.obj, name, _ask(ctx.obj, lambda accounts: accounts.mint(name, wanted, labels, seconds)), as_json)


@token_app.command("list", epilog="Example: aexl agent token list alice --json")
def list_tokens(ctx: typer.Context, name: str = _NAME, as_json: bool = options.JSON) -> None:
    """Show the live tokens of an agent, without their secrets."""
    session: Session = ctx.obj
    tokens = _ask(session, lambda accounts: accounts.tokens(name))
    if as_json:
        return session.json([views.token_json(token) for token in tokens])
    return session.table(views.TOKEN_COLUMNS, [views.token_row(token) for token in tokens])


@token_app.command("revoke", epilog="Example: aexl agent token revoke 5f2c8a9d0b1e4f67")
def revoke_token(
    ctx: typer.Context, token_id: str = typer.Argument(help="The token's id, from 'token list'.", metavar="ID")
) -> None:
    """End a token at once."""
    _ask(ctx.obj, lambda accounts: accounts.revoke(token_id))
    _print([f"Revoked {token_id}."])


def _ask(session: Session, work: Callable[[Accounts], Awaitable[T]]) -> T:
    """Run ``work`` with the role; all commands that do not only read come through here."""
    return session.ask(Accounts, work)


def _read(session: Session, operation: Operation[T], work: Callable[[Accounts], Awaitable[T]]) -> T:
    """Ask the running server, or read the ledger's file: nothing needs to be started for looking."""
    if session.running() is not None:
        return _ask(session, work)
    path = session.home / session.section(TABLE, LedgerOptions).path
    state, now = _stored(path), time.time_ns() // 1000
    operation.decide(state, now)
    return operation.finish(state, (), now)


def _stored(path: Path) -> State:
    """Return what the ledger at ``path`` says; where there is none, nobody is in it."""
    if not path.exists():
        return State()
    from aexl_ledger.reader import Reader
    from aexl_ledger.tables import load

    with Reader(path) as reader:
        return reader.read(load).state


def _move(session: Session, name: str, state: Lifecycle, reason: str, as_json: bool) -> None:
    agent = _ask(session, lambda accounts: accounts.transition(name, state, reason))
    if as_json:
        return _show(session, agent, as_json=True)
    return _print([f"{name} is {agent.state}."])


def _show(session: Session, agent: Agent, as_json: bool) -> None:
    if as_json:
        session.json(views.agent_json(agent))
    else:
        _print(views.agent_lines(agent))


def _show_token(session: Session, name: str, token: str, as_json: bool) -> None:
    if as_json:
        session.json({"agent": name, "id": token.split("_")[1], "token": token})
    else:
        _print(views.token_lines(token, session.running()))


def _scope(text: str) -> Scope:
    if text not in get_args(Scope):
        raise Invalid(f"--scope must be one of {', '.join(get_args(Scope))}, not {text!r}")
    return cast("Scope", text)


def _print(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
