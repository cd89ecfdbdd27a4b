"""What the ledger knows, in memory: agents, tokens, open executions. Pure, without I/O.

The writer owns it. It changes by ``fold`` only, one event at a time, so that the
same events always give the same state; ``verify`` rests on that. Claims are the
exception: they are not about money, expire, and are in no event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from aexl_ledger.windows import Period


@dataclass(slots=True)
class WindowRow:
    """A daily or monthly budget; ``start`` and ``end`` are Unix microseconds, 0 before the first use."""

    period: Period
    budget: int
    start: int = 0
    end: int = 0
    spent: int = 0


@dataclass(slots=True, eq=False)
class AgentRow:
    """An agent, what it and its descendants spent and hold, in nano-dollars; times in Unix microseconds."""

    name: str
    parent: AgentRow | None
    state: str
    reason: str | None
    budget: int | None
    timezone: str
    limits: str
    created: int
    spent: int = 0
    reserved: int = 0
    last_active: int | None = None
    deleted: bool = False
    day: WindowRow | None = None
    month: WindowRow | None = None
    running: int = 0
    chain: tuple[AgentRow, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        self.chain = (self, *self.parent.chain) if self.parent else (self,)

    def windows(self) -> Iterator[WindowRow]:
        if self.day is not None:
            yield self.day
        if self.month is not None:
            yield self.month

    def window(self, period: Period) -> WindowRow | None:
        return self.day if period == "day" else self.month

    def set_window(self, period: Period, budget: int | None) -> None:
        """Set or end a window's budget; one that runs keeps what was spent in it."""
        window = self.window(period)
        if budget is None:
            window = None
        elif window is None:
            window = WindowRow(period, budget)
        else:
            window.budget = budget
        if period == "day":
            self.day = window
        else:
            self.month = window


@dataclass(slots=True, eq=False)
class TokenRow:
    """A token; ``digest`` is the SHA-256 of its secret, in hexadecimal."""

    id: str
    agent: str
    digest: str
    scope: str
    labels: dict[str, str]
    created: int
    expires: int | None
    revoked: bool = False


@dataclass(slots=True, eq=False)
class ExecutionRow:
    """An execution; ``began`` and ``ended`` are sequence numbers of events."""

    id: str
    agent: str
    state: str
    hold: int
    began: int
    cost: int | None = None
    ended: int | None = None
    corrected: int | None = None
    upstream_id: str | None = None


@dataclass(slots=True, eq=False)
class Claim:
    """Whose execution a caller's key names; ``key`` is a hash. ``expires`` is Unix microseconds."""

    agent: str
    key: bytes
    execution: str
    fingerprint: bytes
    expires: int
    done: bool = False
    dropped: bool = False


class State:
    """Everything that operations are decided on.

    Attributes:
        open: Executions without an end.
        claims: Those of open executions, and those that the driver looked up for a batch.
        ended: Executions that the driver looked up for a batch, or that ended in it.
        touched_agents: What changed since the driver last wrote; likewise the others.
        touched_profiles: Agents whose lifecycle, limits or tokens changed.
    """

    __slots__ = (
        "agents",
        "claims",
        "ended",
        "open",
        "tokens",
        "touched_agents",
        "touched_claims",
        "touched_executions",
        "touched_profiles",
        "touched_tokens",
    )

    def __init__(self) -> None:
        self.agents: dict[str, AgentRow] = {}
        self.tokens: dict[str, TokenRow] = {}
        self.open: dict[str, ExecutionRow] = {}
        self.claims: dict[tuple[str, bytes], Claim] = {}
        self.ended: dict[str, ExecutionRow] = {}
        self.touched_agents: dict[str, AgentRow] = {}
        self.touched_profiles: dict[str, AgentRow] = {}
        self.touched_tokens: dict[str, TokenRow] = {}
        self.touched_executions: dict[str, ExecutionRow] = {}
        self.touched_claims: dict[tuple[str, bytes], Claim] = {}

    def clear_touched(self) -> None:
        """Forget what changed, and what was looked up for one batch."""
        self.touched_agents.clear()
        self.touched_profiles.clear()
        self.touched_tokens.clear()
        self.touched_executions.clear()
        self.touched_claims.clear()
        self.ended.clear()
        if len(self.claims) > len(self.open):
            self.claims = {key: claim for key, claim in self.claims.items() if not claim.done and not claim.dropped}

    def living(self) -> Iterator[AgentRow]:
        """Iterate over the agents that are not deleted."""
        return (agent for agent in self.agents.values() if not agent.deleted)

    def children(self, name: str) -> list[AgentRow]:
        """Return the living agents directly below one."""
        return [agent for agent in self.living() if agent.parent is not None and agent.parent.name == name]
