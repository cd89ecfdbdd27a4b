"""Agents and tokens as the ledger has them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aexl.api.records import Limits, Scope, State


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent spent in the current day or month of its time zone; nano-dollars.

    ``resets_at`` is the Unix time at which the next window begins.
    """

    period: str
    budget: int
    spent: int
    resets_at: float


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as its ledger has it; money in nano-dollars, times in Unix seconds.

    ``children`` of an agent count against its budget: what they spend and hold
    is part of ``spent`` and ``reserved`` here.
    """

    name: str
    parent: str | None
    state: State
    reason: str | None
    budget: int | None
    spent: int
    reserved: int
    windows: tuple[Window, ...]
    timezone: str
    limits: Limits
    created: float
    last_active: float | None


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret."""

    id: str
    agent: str
    scope: Scope
    labels: Mapping[str, str]
    created: float
    expires: float | None


class NewAgent(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to create an agent. Budgets are nano-dollars; ``None`` is unlimited."""

    name: str
    budget: int | None
    daily: int | None = None
    monthly: int | None = None
    timezone: str = "UTC"
    parent: str | None = None
    limits: Limits = Limits()


class AgentChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to change of an agent; what is ``UNSET`` stays."""

    budget: int | msgspec.UnsetType | None = msgspec.UNSET
    daily: int | msgspec.UnsetType | None = msgspec.UNSET
    monthly: int | msgspec.UnsetType | None = msgspec.UNSET
    timezone: str | msgspec.UnsetType = msgspec.UNSET
    limits: Limits | msgspec.UnsetType = msgspec.UNSET
