"""Operations on agents: create, update, top up, change state, delete, read. Pure."""

# ruff: noqa: ARG002 - operations have one signature, whatever they need of it

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from aexl.api.accounts import Agent, AgentChange, NewAgent, Window
from aexl.api.money import MAX_AMOUNT
from aexl.api.records import Limits, Receipt
from aexl.api.records import State as Lifecycle
from aexl.errors import Conflict, Invalid
from aexl_ledger.budgets import begin_window
from aexl_ledger.fold import UNLIMITED
from aexl_ledger.lifecycle import WAYS
from aexl_ledger.operations import Draft, Operation, check_amount, check_text, find_agent
from aexl_ledger.state import AgentRow, State
from aexl_ledger.tokens import revocations
from aexl_ledger.windows import MICROS, bounds, zone

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}", re.ASCII)
DEEPEST: Final = 16
"""Agents in a chain from a child to its last ancestor: each is checked and written at every call."""

_LIMITS: Final = msgspec.json.Encoder(order="sorted")


def record(agent: AgentRow, now: int) -> Agent:
    """Return an agent as others see it; a window that has ended shows as a new one."""
    windows = []
    for window in agent.windows():
        spent, end = window.spent, window.end
        if now >= end:
            spent, end = 0, bounds(now, agent.timezone, window.period)[1]
        windows.append(Window(period=window.period, budget=window.budget, spent=spent, resets_at=end / MICROS))
    return Agent(
        name=agent.name,
        parent=agent.parent.name if agent.parent else None,
        state=cast("Lifecycle", agent.state),
        reason=agent.reason,
        budget=agent.budget,
        spent=agent.spent,
        reserved=agent.reserved,
        windows=tuple(windows),
        timezone=agent.timezone,
        limits=read_limits(agent.limits),
        created=agent.created / MICROS,
        last_active=None if agent.last_active is None else agent.last_active / MICROS,
    )


def read_limits(text: str) -> Limits:
    """Return limits from the canonical JSON that events and tables hold."""
    return msgspec.json.decode(text, type=Limits)


def write_limits(limits: Limits) -> str:
    """Return limits as canonical JSON.

    Raises:
        Invalid: If a value is of a wrong type or out of range; names it.
    """
    try:
        text = _LIMITS.encode(limits)
        if msgspec.json.decode(text, type=Limits) != limits:
            raise Invalid("a limit is not of its type")
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise Invalid(f"the limits are not acceptable: {error}") from error
    for name in ("max_input_tokens", "max_output_tokens", "max_total_tokens", "rpm", "tpm", "concurrency"):
        value = getattr(limits, name)
        if value is not None and (type(value) is not int or not 1 <= value <= MAX_AMOUNT):
            raise Invalid(f"{name} must be a whole number from 1 to {MAX_AMOUNT}, not {value!r}")
    if not 0 <= limits.queue <= 3600:
        raise Invalid(f"queue must be 0 to 3600 seconds, not {limits.queue!r}")
    return text.decode()


def _cap(budget: int | None, what: str) -> int | str:
    return UNLIMITED if budget is None else check_amount(budget, what)


class CreateAgent(Operation[Agent]):
    """Create an agent, at most ``DEEPEST`` below its last ancestor."""

    __slots__ = ("new",)

    def __init__(self, new: NewAgent) -> None:
        self.new = new

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        new = self.new
        if NAME.fullmatch(new.name) is None:
            raise Invalid(
                f"the name {new.name!r} is not acceptable: letters, digits, and . _ : @ - after the first, "
                "at most 100 characters"
            )
        zone(new.timezone)
        data: dict[str, Any] = {
            "budget": _cap(new.budget, "a budget"),
            "daily": _cap(new.daily, "a daily budget"),
            "monthly": _cap(new.monthly, "a monthly budget"),
            "timezone": new.timezone,
            "limits": write_limits(new.limits),
        }
        if new.name in state.agents:
            what = "was deleted, and its name is kept" if state.agents[new.name].deleted else "exists already"
            raise Conflict(f"an agent {new.name!r} {what}")
        if new.parent is not None:
            parent = find_agent(state, new.parent)
            if parent.state == "decommissioned":
                raise Conflict(f"the agent {new.parent} is decommissioned and can have no children")
            if len(parent.chain) >= DEEPEST:
                raise Conflict(f"the agent {new.parent} is {DEEPEST} deep already")
            data["parent"] = new.parent
        return [("agent.created", new.name, data)]

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Agent:
        return record(state.agents[self.new.name], now)


class UpdateAgent(Operation[Agent]):
    """Change budgets, limits or the time zone."""

    __slots__ = ("change", "name")

    def __init__(self, name: str, change: AgentChange) -> None:
        self.name = name
        self.change = change

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        agent, change = find_agent(state, self.name), self.change
        data: dict[str, Any] = {}
        if change.budget is not msgspec.UNSET:
            data["budget"] = _cap(change.budget, "a budget")
        if change.daily is not msgspec.UNSET:
            data["daily"] = _cap(change.daily, "a daily budget")
        if change.monthly is not msgspec.UNSET:
            data["monthly"] = _cap(change.monthly, "a monthly budget")
        if change.limits is not msgspec.UNSET:
            data["limits"] = write_limits(change.limits)
        drafts = []
        if change.timezone is not msgspec.UNSET and change.timezone != agent.timezone:
            zone(change.timezone)
            data["timezone"] = change.timezone
            drafts = self._move_windows(agent, change.timezone, now)
        return [*drafts, ("agent.updated", self.name, data)] if data else []

    def _move_windows(self, agent: AgentRow, timezone: str, now: int) -> list[Draft]:
        """Windows that run take what was spent in them to the new zone."""
        return [
            begin_window(agent, window, *bounds(now, timezone, window.period), window.spent)
            for window in agent.windows()
            if now < window.end
        ]

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Agent:
        return record(state.agents[self.name], now)


class TopUp(Operation[Agent]):
    """Add to the total budget."""

    __slots__ = ("amount", "name")

    def __init__(self, name: str, amount: int) -> None:
        self.name = name
        self.amount = amount

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        agent = find_agent(state, self.name)
        amount = check_amount(self.amount, "a top-up")
        if agent.budget is None:
            raise Conflict(f"the agent {self.name} has no total budget to add to: set one with `aexl agent update`")
        check_amount(agent.budget + amount, "a budget")
        return [("agent.topped_up", self.name, {"amount": amount})]

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Agent:
        return record(state.agents[self.name], now)


class ChangeState(Operation[Agent]):
    """Move an agent along one of ``lifecycle.WAYS``; to the state it is in is no change.

    Attributes:
        changed: After ``decide``: it was in another state before.
    """

    __slots__ = ("changed", "name", "reason", "target")

    def __init__(self, name: str, target: Lifecycle, reason: str) -> None:
        self.name = name
        self.target = target
        self.reason = reason
        self.changed = False

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        agent = find_agent(state, self.name)
        if self.target not in WAYS:
            raise Invalid(f"there is no state {self.target!r}: {', '.join(WAYS)}")
        check_text(self.reason, "a reason", 500)
        self.changed = agent.state != self.target
        if not self.changed:
            return []
        ways = WAYS[cast("Lifecycle", agent.state)]
        if self.target not in ways:
            allowed = ", ".join(sorted(ways)) or "none: it is for good"
            raise Conflict(f"the agent {self.name} is {agent.state}; from there the ways are {allowed}")
        data = {"from": agent.state, "to": self.target, "reason": self.reason}
        return [("agent.state", self.name, data)]

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Agent:
        return record(state.agents[self.name], now)


class DeleteAgent(Operation[None]):
    """Decommission an agent, revoke its tokens and hide it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        agent = find_agent(state, self.name)
        children = state.children(self.name)
        if children:
            raise Conflict(f"the agent {self.name} has children, such as {children[0].name}: delete them first")
        if agent.running:
            raise Conflict(f"the agent {self.name} has {agent.running} calls running: pause it and wait for them")
        return [*revocations(state, self.name), ("agent.deleted", self.name, {})]

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> None:
        return None


class ReadAgent(Operation[Agent]):
    """Return one agent as of now; in the writer, so that no lock is needed."""

    __slots__ = ("name",)
    writes = False

    def __init__(self, name: str) -> None:
        self.name = name

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        find_agent(state, self.name)
        return []

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Agent:
        return record(state.agents[self.name], now)


class ListAgents(Operation[Sequence[Agent]]):
    """Return all living agents, by name."""

    __slots__ = ()
    writes = False

    def decide(self, state: State, now: int) -> Sequence[Draft]:
        return []

    def finish(self, state: State, receipts: Sequence[Receipt], now: int) -> Sequence[Agent]:
        return [record(agent, now) for agent in sorted(state.living(), key=lambda agent: agent.name)]
