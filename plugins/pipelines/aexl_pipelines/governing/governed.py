"""A governed run: an agent as soon as it needs one, and a token for each attempt of a step."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec
import trio

from aexl.api import Accounts, Executions, NewAgent
from aexl.api.governed import Access
from aexl.errors import NotFound
from aexl_pipelines.governing.closing import close_agent, close_agents, give_back, settled_bill, sweep
from aexl_pipelines.governing.events import record_event
from aexl_pipelines.governing.names import run_agent, run_of, step_agent, step_label
from aexl_pipelines.governing.payer import find_payer
from aexl_pipelines.governing.roll import Roll, read_roll, write_roll
from aexl_pipelines.journal.records import Record, RunBegun
from aexl_pipelines.language.parts import Budget

if TYPE_CHECKING:
    from aexl_pipelines.governing.governor import LedgerGovernor

TOKEN_TTL: Final = 7 * 86400.0
"""Seconds after which a step's token ends though nobody revoked it, because the process was killed."""

CLOSE_LIMIT: Final = 15.0
"""Seconds that giving back may take, also when the run is cancelled."""


class GovernedRun:
    """A run with a budget. Its agent is made when the first step needs it, and ends with the run.

    A child run without a budget of its own works under its parent's agent; its tokens have labels of its own.
    """

    def __init__(
        self, governor: LedgerGovernor, accounts: Accounts, url: str, begun: RunBegun, budget: Budget | None
    ) -> None:
        self._governor = governor
        self._accounts = accounts
        self._url = url
        self._begun = begun
        self._budget = None if budget is None else budget.usd
        self._folder = governor.folder(begun.run)
        self._above: GovernedRun | None = None
        self._made = False
        self._making = trio.Lock()
        self._writing = trio.Lock()
        self.roll = Roll(payer="")
        self.agent = ""

    async def __aenter__(self) -> Self:
        parent = self._begun.parent
        self._above = None if parent is None else self._governor.governed.get(parent.run)
        old = await trio.to_thread.run_sync(read_roll, self._folder)
        if self._above is None:
            await self._sweep()
            payer = await find_payer(self._accounts, self._governor.named or (old.payer if old else None))
        else:
            payer = self._above.roll.payer
        self.roll = Roll(payer=payer) if old is None else msgspec.structs.replace(old, payer=payer)
        if old is not None:  # it is resumed: what its last process has left ends now
            await close_agents(self._accounts, self._own_agents())
        own = run_agent(payer, self._begun.run, self.roll.generations + 1)
        self.agent = own if self._shared is None else self._shared.agent
        if self._above is not None and parent is not None:
            await self._above.adopt(self._begun.run, parent.step)
        self._governor.governed[self._begun.run] = self
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._governor.governed.pop(self._begun.run, None)
        if self._made:
            with trio.move_on_after(CLOSE_LIMIT, shield=True):
                await give_back(
                    close_agents(self._accounts, self._own_agents()), f"agents of the run {self._begun.run}"
                )

    def step(self, address: str, budget: Budget | None) -> StepGrant:
        """Give one attempt of a step a token; with a budget in USD, of an agent of its own."""
        return StepGrant(self, self._accounts, address, None if budget is None else budget.usd)

    async def booked(self, address: str | None = None) -> int | None:
        """Return what a step, or the whole run, was charged, with the runs that it called; waits for what is settling."""
        executions = self._governor.host.service(Executions)
        if executions is None:
            return None
        return await self._booked(executions, self._begun.run, self.roll, address)

    async def record(self, record: Record) -> None:
        """Tell the ledger."""
        await record_event(self._governor.journal, self._begun.run, record)

    async def grant(self, address: str, own: int | None) -> tuple[str | None, Access]:
        """Mint a token for a step; with ``own``, for an agent with that budget, whose name is returned too."""
        agent = await self.ensure_agent()
        name = None if own is None else await self._make_step_agent(agent, own)
        labels = {"run": self._begun.run, "step": step_label(address)}
        token = await self._accounts.mint(name or agent, "execute", labels, TOKEN_TTL)
        return name, Access(url=self._url, token=token, run=self._begun.run)

    async def ensure_agent(self) -> str:
        """Return the run's agent, made if it is not there yet."""
        async with self._making:
            if not self._made:
                if self._shared is None:
                    await self._make_agent()
                else:
                    await self._enrol(await self._shared.ensure_agent())
                self._made = True
        return self.agent

    async def adopt(self, run: str, address: str) -> None:
        """Remember a child run, and which step called it."""
        if run not in self.roll.children:
            self.roll = msgspec.structs.replace(self.roll, children={**self.roll.children, run: address})
            await self._write()

    @property
    def _shared(self) -> GovernedRun | None:
        """Return the run whose agent this one uses."""
        return self._above if self._budget is None else None

    def _own_agents(self) -> set[str]:
        return {name for name in self.roll.agents if run_of(name) == self._begun.run}

    async def _sweep(self) -> None:
        def is_driven(folder: Path) -> bool:
            return folder == self._folder or self._governor.is_driven(folder)

        await sweep(self._accounts, self._folder.parent, is_driven)

    async def _make_agent(self) -> None:
        above = self.roll.payer if self._above is None else await self._above.ensure_agent()
        budget = self._budget
        if budget is not None and self.roll.agents:  # what it has cost before it was resumed
            budget = max(0, budget - (await self.booked() or 0))
        self.roll = msgspec.structs.replace(self.roll, generations=self.roll.generations + 1)
        await self._create(self.agent, above, budget)

    async def _make_step_agent(self, agent: str, budget: int) -> str:
        prefix = agent if self._shared is None else run_agent(self.roll.payer, self._begun.run, 1)
        name = step_agent(prefix, len(self.roll.agents))
        await self._create(name, agent, budget)
        return name

    async def _create(self, name: str, above: str, budget: int | None) -> None:
        await self._enrol(name)
        parent = await self._accounts.get(above)
        limits = parent.limits if budget is None else msgspec.structs.replace(parent.limits, clamp=True)
        new = NewAgent(name=name, budget=budget, timezone=parent.timezone, parent=above, limits=limits)
        await self._accounts.create(new)

    async def _enrol(self, agent: str) -> None:
        if agent not in self.roll.agents:
            self.roll = msgspec.structs.replace(self.roll, agents=(*self.roll.agents, agent))
            await self._write()

    async def _write(self) -> None:
        async with self._writing:
            await trio.to_thread.run_sync(write_roll, self._folder, self.roll)

    async def _booked(self, executions: Executions, run: str, roll: Roll, address: str | None) -> int:
        labels = {"run": run} if address is None else {"run": run, "step": step_label(address)}
        cost = (await settled_bill(executions, roll.agents, labels)).cost if roll.agents else 0
        for child, caller in roll.children.items():
            if address is None or caller == address:
                theirs = await trio.to_thread.run_sync(read_roll, self._governor.folder(child))
                cost += 0 if theirs is None else await self._booked(executions, child, theirs, None)
        return cost


class StepGrant:
    """One attempt of a step: its token is minted on the way in and revoked on the way out."""

    def __init__(self, run: GovernedRun, accounts: Accounts, address: str, budget: int | None) -> None:
        self._run = run
        self._accounts = accounts
        self._address = address
        self._budget = budget
        self._agent: str | None = None
        self._token = ""

    async def __aenter__(self) -> Access:
        self._agent, access = await self._run.grant(self._address, self._budget)
        self._token = access.token.split("_")[1]
        return access

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.move_on_after(CLOSE_LIMIT, shield=True):
            await give_back(self._revoke(), f"the token {self._token}")
            if self._agent is not None:
                await give_back(close_agent(self._accounts, self._agent), f"the agent {self._agent}")

    async def _revoke(self) -> None:
        try:
            await self._accounts.revoke(self._token)
        except NotFound:
            return  # somebody has revoked it already
