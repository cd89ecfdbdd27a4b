"""What a run gets from the ledger, and gives back: a token, and with a budget an agent of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from aexl.api import Accounts, Execution, Executions, Host, NewAgent, format_usd
from aexl.errors import Conflict, NotFound, Unavailable

TOKEN_TTL: Final = 7 * 86400.0
"""Seconds after which a run's token ends though nobody revoked it, because the command was killed."""

SETTLE_LIMIT: Final = 5.0
"""Seconds for calls that still run when the program has ended, to be settled."""

_POLL: Final = 0.1
_MOST: Final = 1000
_PARENT_LENGTH: Final = 80
_UNSETTLED: Final = frozenset({"reserving", "reserved", "dispatched"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a run may use.

    Attributes:
        run: The run's id; its executions carry it as the label ``run``.
        agent: Who pays: the agent, or its child made for this run.
        child: The agent was made for this run.
        budget: Nano-dollars of the child.
    """

    run: str
    agent: str
    token: str
    child: bool
    budget: int | None

    @property
    def token_id(self) -> str:
        """The part of the token that names it."""
        return self.token.split("_")[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a run cost, as far as it is settled; ``complete`` if that is all of it."""

    calls: int
    refused: int
    cost: int
    complete: bool

    def sentence(self, grant: Grant, agent: str) -> str:
        """Return one line for the person who started the run."""
        of = f" of {format_usd(grant.budget)}" if grant.budget is not None else ""
        calls = "1 call" if self.calls == 1 else f"{self.calls} calls"
        refused = f" and {self.refused} refused" if self.refused else ""
        more = "" if self.complete else ", more is still being settled"
        return f"run {grant.run} of {agent}: {calls}{refused}, {format_usd(self.cost)}{of} USD{more}"


async def open_grant(host: Host, agent: str, budget: int | None, labels: Mapping[str, str]) -> Grant:
    """Mint a token; with ``budget``, for a child agent that cannot spend more and whose calls are clamped to it.

    Raises:
        NotFound: If there is no such agent.
        Conflict: If it is decommissioned.
    """
    accounts = _accounts(host)
    run = secrets.token_hex(4)
    parent = await accounts.get(agent)
    name = agent
    if budget is not None:
        name = f"{agent[:_PARENT_LENGTH]}:run-{run}"
        limits = msgspec.structs.replace(parent.limits, clamp=True)
        new = NewAgent(name=name, budget=budget, timezone=parent.timezone, parent=agent, limits=limits)
        await accounts.create(new)
    token = await accounts.mint(name, "execute", {**labels, "run": run}, TOKEN_TTL)
    return Grant(run=run, agent=name, token=token, child=budget is not None, budget=budget)


async def close_grant(host: Host, grant: Grant) -> Bill:
    """Revoke the token, wait a little for what is unsettled, delete the child, and return what it all cost.

    The child's events stay in the ledger. One whose calls do not end in time is
    decommissioned, which ends them.

    Raises:
        Conflict: If the child cannot be deleted.
    """
    accounts = _accounts(host)
    with suppress(NotFound):  # somebody has revoked it already
        await accounts.revoke(grant.token_id)
    bill = await _settled_bill(host, grant)
    if grant.child:
        bill = await _close_child(host, accounts, grant, bill)
    return bill


async def _close_child(host: Host, accounts: Accounts, grant: Grant, bill: Bill) -> Bill:
    child = await accounts.get(grant.agent)
    if child.reserved or not bill.complete:
        await accounts.transition(grant.agent, "decommissioned", "its run has ended")
        bill = await _settled_bill(host, grant)
        child = await accounts.get(grant.agent)
    await _delete(accounts, grant.agent)
    return replace(bill, cost=child.spent)


async def _delete(accounts: Accounts, name: str) -> None:
    import trio

    deadline = trio.current_time() + SETTLE_LIMIT
    while True:
        try:
            return await accounts.delete(name)
        except Conflict:
            if trio.current_time() > deadline:
                raise
        await trio.sleep(_POLL)


async def _settled_bill(host: Host, grant: Grant) -> Bill:
    """Return the run's bill once it is complete, or as it stands after ``SETTLE_LIMIT``."""
    import trio

    deadline = trio.current_time() + SETTLE_LIMIT
    while True:
        bill = await _bill(host, grant)
        if bill.complete or trio.current_time() > deadline:
            return bill
        await trio.sleep(_POLL)


async def _bill(host: Host, grant: Grant) -> Bill:
    executions = host.service(Executions)
    if executions is None:
        return Bill(calls=0, refused=0, cost=0, complete=True)
    recent = await executions.recent(grant.agent, _MOST)
    own = [execution for execution in recent if execution.labels.get("run") == grant.run]
    refused = sum(execution.state.lower() == "denied" for execution in own)
    return Bill(
        calls=len(own) - refused,
        refused=refused,
        cost=sum(execution.cost or 0 for execution in own),
        complete=not any(map(_is_open, own)),
    )


def _is_open(execution: Execution) -> bool:
    return execution.state.lower() in _UNSETTLED


def _accounts(host: Host) -> Accounts:
    accounts = host.service(Accounts)
    if accounts is None:
        raise Unavailable("no plugin keeps agents and tokens, so nothing can be run under a budget; see 'aexl doctor'")
    return accounts
