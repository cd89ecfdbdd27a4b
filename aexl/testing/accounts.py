"""Agents and tokens in memory, for tests of who needs the role ``Accounts``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

import msgspec
import trio

from aexl.api import Accounts, Agent, AgentChange, Limits, NewAgent, Principal, Scope, State, Token, Window
from aexl.errors import Conflict, Invalid, NotFound, Refused


class FakeAccounts:
    """The role ``Accounts``, without a ledger: nothing is ever spent.

    Args:
        agents: Agents that exist from the beginning, without a budget, ready.
    """

    def __init__(self, *agents: str) -> None:
        self._agents: dict[str, Agent] = {}
        self._deleted: set[str] = set()
        self._tokens: dict[str, tuple[str, Token]] = {}
        for name in agents:
            self.add(name)

    def add(self, name: str, *, limits: Limits | None = None, budget: int | None = None) -> Agent:
        """Create an agent without waiting."""
        agent = _agent(NewAgent(name=name, budget=budget, limits=limits or Limits()))
        self._agents[name] = agent
        return agent

    def token(self, agent: str, scope: Scope = "execute", labels: Mapping[str, str] | None = None) -> str:
        """Mint a token without waiting."""
        token_id, secret = secrets.token_hex(8), secrets.token_hex(16)
        self._tokens[token_id] = (
            secret,
            Token(id=token_id, agent=agent, scope=scope, labels=labels or {}, created=0.0, expires=None),
        )
        return f"aexl_{token_id}_{secret}"

    async def authenticate(self, token: str) -> Principal:
        prefix, _, rest = token.partition("_")
        token_id, _, secret = rest.partition("_")
        known = self._tokens.get(token_id)
        if prefix != "aexl" or known is None or not secrets.compare_digest(known[0].encode(), secret.encode()):
            raise Refused("the token is not known here", code="invalid_token", status=401)
        expires = known[1].expires
        if expires is not None and trio.current_time() >= expires:
            raise Refused("the token has expired", code="expired_token", status=401)
        agent = self._agents[known[1].agent]
        return Principal(
            agent=agent.name,
            token_id=token_id,
            scope=known[1].scope,
            state=agent.state,
            limits=agent.limits,
            labels=known[1].labels,
        )

    async def create(self, agent: NewAgent) -> Agent:
        if not agent.name:
            raise Invalid("an agent needs a name")
        if agent.name in self._agents or agent.name in self._deleted:
            raise Conflict(f"there is an agent {agent.name!r} already")
        if agent.parent is not None:
            self._one(agent.parent)
        self._agents[agent.name] = _agent(agent)
        return self._agents[agent.name]

    async def update(self, name: str, change: AgentChange) -> Agent:
        agent = self._one(name)
        new = NewAgent(
            name=name,
            budget=agent.budget if change.budget is msgspec.UNSET else change.budget,
            daily=_budget(agent, "day") if change.daily is msgspec.UNSET else change.daily,
            monthly=_budget(agent, "month") if change.monthly is msgspec.UNSET else change.monthly,
            timezone=agent.timezone if change.timezone is msgspec.UNSET else change.timezone,
            parent=agent.parent,
            limits=agent.limits if change.limits is msgspec.UNSET else change.limits,
        )
        return self._put(msgspec.structs.replace(_agent(new), state=agent.state, reason=agent.reason))

    async def topup(self, name: str, amount: int) -> Agent:
        agent = self._one(name)
        if agent.budget is None:
            raise Conflict(f"{name} has no budget to add to")
        return self._put(msgspec.structs.replace(agent, budget=agent.budget + amount))

    async def transition(self, name: str, state: State, reason: str) -> Agent:
        agent = self._one(name)
        if agent.state == "decommissioned":
            raise Conflict(f"{name} is decommissioned for good")
        return self._put(msgspec.structs.replace(agent, state=state, reason=reason))

    async def delete(self, name: str) -> None:
        self._one(name)
        if any(agent.parent == name for agent in self._agents.values()):
            raise Conflict(f"{name} has children")
        del self._agents[name]
        self._deleted.add(name)
        self._tokens = {key: entry for key, entry in self._tokens.items() if entry[1].agent != name}

    async def get(self, name: str) -> Agent:
        return self._one(name)

    async def list(self) -> Sequence[Agent]:
        return [self._agents[name] for name in sorted(self._agents)]

    async def mint(self, agent: str, scope: Scope, labels: Mapping[str, str], ttl: float | None) -> str:
        self._one(agent)
        token = self.token(agent, scope, labels)
        if ttl is not None:
            secret, kept = self._tokens[token.split("_")[1]]
            self._tokens[kept.id] = (secret, msgspec.structs.replace(kept, expires=trio.current_time() + ttl))
        return token

    async def rotate(self, agent: str, ttl: float | None) -> str:
        self._one(agent)
        self._tokens = {key: entry for key, entry in self._tokens.items() if entry[1].agent != agent}
        return await self.mint(agent, "execute", {}, ttl)

    async def revoke(self, token_id: str) -> None:
        if self._tokens.pop(token_id, None) is None:
            raise NotFound(f"there is no token {token_id!r}")

    async def tokens(self, agent: str) -> Sequence[Token]:
        self._one(agent)
        return [token for _, token in self._tokens.values() if token.agent == agent]

    def _one(self, name: str) -> Agent:
        if name not in self._agents:
            raise NotFound(f"there is no agent {name!r}")
        return self._agents[name]

    def _put(self, agent: Agent) -> Agent:
        self._agents[agent.name] = agent
        return agent


def _budget(agent: Agent, period: str) -> int | None:
    return next((window.budget for window in agent.windows if window.period == period), None)


def _agent(new: NewAgent) -> Agent:
    budgets = (("day", new.daily), ("month", new.monthly))
    return Agent(
        name=new.name,
        parent=new.parent,
        state="ready",
        reason=None,
        budget=new.budget,
        spent=0,
        reserved=0,
        windows=tuple(
            Window(period=period, budget=budget, spent=0, resets_at=0.0)
            for period, budget in budgets
            if budget is not None
        ),
        timezone=new.timezone,
        limits=new.limits,
        created=0.0,
        last_active=None,
    )


def _conforms(accounts: FakeAccounts) -> Accounts:
    return accounts
