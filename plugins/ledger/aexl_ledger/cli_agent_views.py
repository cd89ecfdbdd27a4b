"""How ``aexl agent`` shows agents and tokens: money as decimal strings of USD, times in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from aexl.api import Agent, Limits, Token, format_usd

DEFAULT_URL = "http://127.0.0.1:9000"
"""Where a server with an untouched configuration listens."""

AGENT_COLUMNS = ("NAME", "STATE", "PARENT", ">BUDGET", ">SPENT", ">RESERVED", "LAST ACTIVE")
TOKEN_COLUMNS = ("ID", "SCOPE", "LABELS", "CREATED", "EXPIRES")


def show_time(seconds: float | None) -> str | None:
    """Return a Unix time as RFC 3339 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def show_budget(nanos: int | None) -> str:
    """Return a budget for a person."""
    return "unlimited" if nanos is None else format_usd(nanos)


def agent_json(agent: Agent) -> dict[str, object]:
    """Return an agent for programs; a budget of ``null`` is unlimited."""
    return {
        "name": agent.name,
        "parent": agent.parent,
        "state": agent.state,
        "reason": agent.reason,
        "budget": None if agent.budget is None else format_usd(agent.budget),
        "spent": format_usd(agent.spent),
        "reserved": format_usd(agent.reserved),
        "windows": [
            {
                "period": window.period,
                "budget": format_usd(window.budget),
                "spent": format_usd(window.spent),
                "resets_at": show_time(window.resets_at),
            }
            for window in agent.windows
        ],
        "timezone": agent.timezone,
        "limits": msgspec.to_builtins(agent.limits),
        "created": show_time(agent.created),
        "last_active": show_time(agent.last_active),
    }


def agent_row(agent: Agent) -> tuple[str, ...]:
    """Return an agent as a row of ``AGENT_COLUMNS``."""
    spent, reserved = format_usd(agent.spent), format_usd(agent.reserved)
    last = show_time(agent.last_active) or "never"
    return agent.name, agent.state, agent.parent or "-", show_budget(agent.budget), spent, reserved, last


def agent_lines(agent: Agent) -> Iterator[str]:
    """Yield what is to be said of an agent, for a person."""
    because = f" ({agent.reason})" if agent.reason else ""
    yield f"name:        {agent.name}"
    yield f"state:       {agent.state}{because}"
    if agent.parent is not None:
        yield f"parent:      {agent.parent}"
    yield f"budget:      {show_budget(agent.budget)}"
    yield f"spent:       {format_usd(agent.spent)}"
    yield f"reserved:    {format_usd(agent.reserved)}"
    for window in agent.windows:
        spent, budget, end = format_usd(window.spent), format_usd(window.budget), show_time(window.resets_at)
        yield f"{window.period + ':':<12} {spent} of {budget}, next begins {end} ({agent.timezone})"
    yield f"created:     {show_time(agent.created)}"
    yield f"last active: {show_time(agent.last_active) or 'never'}"
    for name, value in special_limits(agent.limits).items():
        yield f"limit:       {name} = {_plain(value)}"


def special_limits(limits: Limits) -> Mapping[str, object]:
    """Return the limits that differ from the defaults."""
    usual = Limits()
    return {
        name: getattr(limits, name)
        for name in limits.__struct_fields__
        if getattr(limits, name) != getattr(usual, name)
    }


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


def token_json(token: Token) -> dict[str, object]:
    """Return a token for programs, without its secret."""
    return {
        "id": token.id,
        "agent": token.agent,
        "scope": token.scope,
        "labels": dict(token.labels),
        "created": show_time(token.created),
        "expires": show_time(token.expires),
    }


def token_row(token: Token) -> tuple[str, ...]:
    """Return a token as a row of ``TOKEN_COLUMNS``."""
    labels = ", ".join(f"{key}={value}" for key, value in sorted(token.labels.items())) or "-"
    return token.id, token.scope, labels, show_time(token.created) or "", show_time(token.expires) or "never"


def token_lines(token: str, running: Mapping[str, object] | None) -> Iterator[str]:
    """Yield how to use a new token, which is shown this once."""
    url = str((running or {}).get("url") or DEFAULT_URL)
    yield f"token: {token}"
    yield "It is not shown again. To use it:"
    yield f"  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={token}"
    yield f"  export ANTHROPIC_BASE_URL={url} ANTHROPIC_AUTH_TOKEN={token}"
    if running is None:
        yield "No server runs; start it with 'aexl daemon start'."
