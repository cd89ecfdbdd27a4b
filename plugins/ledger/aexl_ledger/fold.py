"""How each kind of event changes the state: the one place where it changes. Pure.

The writer folds what it is about to store, start-up trusts the tables that were
stored with it, and ``verify`` folds everything again and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from aexl_ledger.state import AgentRow, ExecutionRow, State, TokenRow
from aexl_ledger.windows import Period

UNLIMITED: Final = "unlimited"

# Data is what ``chain.Data`` is: strings, whole numbers and mappings of them.
Folder: TypeAlias = Callable[[State, str, int, int, Mapping[str, Any]], None]


def fold(state: State, kind: str, subject: str, time: int, seq: int, data: Mapping[str, Any]) -> None:
    """Apply one event; kinds of other plugins change nothing."""
    folder = FOLDERS.get(kind)
    if folder is not None:
        folder(state, subject, time, seq, data)


def _budget(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _agent_created(state: State, name: str, time: int, _: int, data: Mapping[str, Any]) -> None:
    parent = data.get("parent")
    agent = AgentRow(
        name=name,
        parent=state.agents[parent] if parent is not None else None,
        state="ready",
        reason=None,
        budget=_budget(data["budget"]),
        timezone=data["timezone"],
        limits=data["limits"],
        created=time,
    )
    agent.set_window("day", _budget(data["daily"]))
    agent.set_window("month", _budget(data["monthly"]))
    state.agents[name] = agent
    _touch_profile(state, agent)


def _agent_updated(state: State, name: str, _time: int, _: int, data: Mapping[str, Any]) -> None:
    agent = state.agents[name]
    if "budget" in data:
        agent.budget = _budget(data["budget"])
    if "daily" in data:
        agent.set_window("day", _budget(data["daily"]))
    if "monthly" in data:
        agent.set_window("month", _budget(data["monthly"]))
    agent.timezone = data.get("timezone", agent.timezone)
    agent.limits = data.get("limits", agent.limits)
    _touch_profile(state, agent)


def _agent_topped_up(state: State, name: str, _time: int, _: int, data: Mapping[str, Any]) -> None:
    agent = state.agents[name]
    assert agent.budget is not None, "decided so"
    agent.budget += data["amount"]
    state.touched_agents[name] = agent


def _agent_state(state: State, name: str, _time: int, _: int, data: Mapping[str, Any]) -> None:
    agent = state.agents[name]
    agent.state = data["to"]
    agent.reason = data["reason"] or None
    _touch_profile(state, agent)


def _agent_window(state: State, name: str, _time: int, _: int, data: Mapping[str, Any]) -> None:
    agent = state.agents[name]
    window = agent.window(cast("Period", data["period"]))
    assert window is not None, "decided so"
    window.start, window.end, window.spent = data["start"], data["end"], data["carried"]
    state.touched_agents[name] = agent


def _agent_deleted(state: State, name: str, _time: int, _: int, _data: Mapping[str, Any]) -> None:
    agent = state.agents[name]
    agent.state = "decommissioned"
    agent.deleted = True
    _touch_profile(state, agent)


def _token_minted(state: State, token_id: str, time: int, _: int, data: Mapping[str, Any]) -> None:
    token = TokenRow(
        id=token_id,
        agent=data["agent"],
        digest=data["digest"],
        scope=data["scope"],
        labels=dict(data["labels"]),
        created=time,
        expires=data.get("expires"),
    )
    state.tokens[token_id] = token
    state.touched_tokens[token_id] = token


def _token_revoked(state: State, token_id: str, _time: int, _: int, _data: Mapping[str, Any]) -> None:
    token = state.tokens.pop(token_id)
    token.revoked = True
    state.touched_tokens[token_id] = token


def _execution_reserved(state: State, execution: str, time: int, seq: int, data: Mapping[str, Any]) -> None:
    agent = state.agents[data["agent"]]
    hold = data["hold"]
    row = ExecutionRow(execution, agent.name, "dispatched", hold, seq)
    state.open[execution] = row
    state.touched_executions[execution] = row
    agent.running += 1
    agent.last_active = time
    touched = state.touched_agents
    for each in agent.chain:
        each.reserved += hold
        touched[each.name] = each


def _execution_attempted(state: State, execution: str, _time: int, _: int, data: Mapping[str, Any]) -> None:
    extra = data["hold"]
    row = state.open[execution]
    if not extra:
        return
    row.hold += extra
    state.touched_executions[execution] = row
    for each in state.agents[row.agent].chain:
        each.reserved += extra
        state.touched_agents[each.name] = each


def _end(state: State, execution: str, seq: int, ending: str, cost: int, upstream_id: str | None) -> None:
    row = state.open.pop(execution)
    row.state, row.cost, row.ended, row.upstream_id = ending, cost, seq, upstream_id
    state.ended[execution] = row
    state.touched_executions[execution] = row
    agent = state.agents[row.agent]
    agent.running -= 1
    touched = state.touched_agents
    for each in agent.chain:
        each.reserved -= row.hold
        _spend(each, cost)
        touched[each.name] = each


def _spend(agent: AgentRow, amount: int) -> None:
    agent.spent += amount
    if agent.day is not None:
        agent.day.spent += amount
    if agent.month is not None:
        agent.month.spent += amount


def _execution_committed(state: State, execution: str, _: int, seq: int, data: Mapping[str, Any]) -> None:
    _end(state, execution, seq, "committed", data["amount"], data.get("upstream_id"))


def _execution_released(state: State, execution: str, _: int, seq: int, data: Mapping[str, Any]) -> None:
    _end(state, execution, seq, "released", 0, data.get("upstream_id"))


def _execution_denied(state: State, execution: str, _: int, seq: int, data: Mapping[str, Any]) -> None:
    row = ExecutionRow(execution, data["agent"], "denied", 0, seq, cost=0, ended=seq)
    state.ended[execution] = row
    state.touched_executions[execution] = row


def _execution_corrected(state: State, execution: str, _time: int, _: int, data: Mapping[str, Any]) -> None:
    row = state.ended.get(execution)  # not there when ``verify`` folds, which compares corrections by themselves
    if row is not None:
        row.corrected = data["amount"]
        state.touched_executions[execution] = row
    for each in state.agents[data["agent"]].chain:
        _spend(each, data["amount"] - data["was"])
        for window in each.windows():
            window.spent = max(0, window.spent)  # a refund of what an earlier window paid
        state.touched_agents[each.name] = each


def _touch_profile(state: State, agent: AgentRow) -> None:
    state.touched_agents[agent.name] = agent
    state.touched_profiles[agent.name] = agent


FOLDERS: Final[Mapping[str, Folder]] = {
    "agent.created": _agent_created,
    "agent.updated": _agent_updated,
    "agent.topped_up": _agent_topped_up,
    "agent.state": _agent_state,
    "agent.window": _agent_window,
    "agent.deleted": _agent_deleted,
    "token.minted": _token_minted,
    "token.revoked": _token_revoked,
    "execution.reserved": _execution_reserved,
    "execution.attempted": _execution_attempted,
    "execution.committed": _execution_committed,
    "execution.released": _execution_released,
    "execution.denied": _execution_denied,
    "execution.corrected": _execution_corrected,
}
"""Every kind that changes state. ``config.loaded`` and the kinds of other plugins are recorded only."""
