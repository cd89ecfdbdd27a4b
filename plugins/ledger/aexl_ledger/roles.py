"""What the ledger does for other plugins: ``Accounts``, ``Executions`` and ``Journal``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import apsw
import trio

from aexl.api.accounts import Agent, AgentChange, NewAgent, Token
from aexl.api.records import Bill, Execution, Principal, Receipt, Scope, State
from aexl_ledger import reading
from aexl_ledger.aftermath import Correct
from aexl_ledger.agents import ChangeState, CreateAgent, DeleteAgent, ListAgents, ReadAgent, TopUp, UpdateAgent
from aexl_ledger.book import Ledger
from aexl_ledger.journal import Append
from aexl_ledger.lifecycle import INTERRUPTING
from aexl_ledger.reader import Reader
from aexl_ledger.tokens import ListTokens, MintToken, RevokeToken

T = TypeVar("T")


class LedgerAccounts:
    """The role ``Accounts``."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._authenticate = ledger.directory.authenticate

    async def authenticate(self, token: str) -> Principal:
        return self._authenticate(token)

    async def create(self, agent: NewAgent) -> Agent:
        return await self._ledger.ask(CreateAgent(agent))

    async def update(self, name: str, change: AgentChange) -> Agent:
        return await self._ledger.ask(UpdateAgent(name, change))

    async def topup(self, name: str, amount: int) -> Agent:
        return await self._ledger.ask(TopUp(name, amount))

    async def transition(self, name: str, state: State, reason: str) -> Agent:
        operation = ChangeState(name, state, reason)
        agent = await self._ledger.ask(operation)
        if operation.changed and state in INTERRUPTING:
            self._ledger.interrupt(name, state, reason)
        return agent

    async def delete(self, name: str) -> None:
        await self._ledger.ask(DeleteAgent(name))

    async def get(self, name: str) -> Agent:
        return await self._ledger.ask(ReadAgent(name))

    async def list(self) -> Sequence[Agent]:
        return await self._ledger.ask(ListAgents())

    async def mint(self, agent: str, scope: Scope, labels: Mapping[str, str], ttl: float | None) -> str:
        return await self._ledger.ask(MintToken(agent, scope, labels, ttl))

    async def rotate(self, agent: str, ttl: float | None) -> str:
        return await self._ledger.ask(MintToken(agent, "execute", {}, ttl, revoke_others=True))

    async def revoke(self, token_id: str) -> None:
        await self._ledger.ask(RevokeToken(token_id))

    async def tokens(self, agent: str) -> Sequence[Token]:
        return await self._ledger.ask(ListTokens(agent))


class Reading:
    """Reads beside the writer, in a thread, one read at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._limit: trio.CapacityLimiter | None = None
        self._reader: Reader | None = None

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run ``work``; see ``Reader.read``."""
        if self._limit is None:
            self._limit = trio.CapacityLimiter(1)
        return await trio.to_thread.run_sync(self._work, work, limiter=self._limit)

    def _work(self, work: Callable[[apsw.Connection], T]) -> T:
        if self._reader is None:
            self._reader = Reader(self._ledger.path)
        return self._reader.read(work)

    def close(self) -> None:
        """Close the connection, after the last read."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class LedgerExecutions:
    """The role ``Executions``."""

    def __init__(self, ledger: Ledger, reading: Reading) -> None:
        self._ledger = ledger
        self._reading = reading

    async def get(self, execution: str, agent: str | None) -> Execution:
        return await self._reading.read(partial(reading.read_execution, execution=execution, agent=agent))

    async def recent(self, agent: str | None, limit: int) -> Sequence[Execution]:
        agents = None if agent is None else (agent,)
        return await self._reading.read(partial(reading.read_recent, agents=agents, limit=limit))

    async def bill(self, agents: Sequence[str], labels: Mapping[str, str]) -> Bill:
        return await self._reading.read(partial(reading.read_bill, agents=agents, labels=labels))

    async def owner(self, upstream_id: str) -> Execution | None:
        return await self._reading.read(partial(reading.read_owner, upstream_id=upstream_id))

    async def correct(self, execution: str, cost: int, reason: str) -> Receipt:
        return await self._ledger.ask(Correct(execution, cost, reason))


class LedgerJournal:
    """The role ``Journal``."""

    def __init__(self, ledger: Ledger, reading: Reading) -> None:
        self._ledger = ledger
        self._reading = reading

    async def append(self, kind: str, subject: str, data: Mapping[str, str | int]) -> Receipt:
        return await self._ledger.ask(Append(kind, subject, data))

    async def read(self, after: int, limit: int) -> Sequence[Mapping[str, object]]:
        count = max(0, min(limit, reading.MOST))
        rows = await self._reading.read(partial(reading.read_events, after=after, limit=count))
        return [reading.event_mapping(body, digest) for _, body, digest in rows]
