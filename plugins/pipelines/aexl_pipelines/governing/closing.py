"""Ending agents that were made for a run: what they have not spent is their parent's again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import trio

from aexl.api import Accounts, Agent, Bill, Executions
from aexl.errors import AexlError, Conflict, NotFound
from aexl_pipelines.governing.names import run_of

logger = logging.getLogger("aexl.pipelines")

SETTLE_LIMIT: Final = 5.0
"""Seconds for calls that still run when a step has ended, to be settled."""

_POLL: Final = 0.05


async def close_agent(accounts: Accounts, name: str) -> None:
    """End an agent with its tokens; its events stay in the ledger, and one that has gone already is no error.

    Waits ``SETTLE_LIMIT`` for its calls, and then ends them.

    Raises:
        Conflict: If it cannot be deleted all the same.
    """
    deadline = trio.current_time() + SETTLE_LIMIT
    ended = False
    while True:
        try:
            return await accounts.delete(name)
        except NotFound:
            return None
        except Conflict:
            if trio.current_time() > deadline:
                if ended:
                    raise
                await accounts.transition(name, "decommissioned", "its run has ended")
                deadline, ended = trio.current_time() + SETTLE_LIMIT, True
        await trio.sleep(_POLL)


async def close_agents(accounts: Accounts, names: set[str]) -> int:
    """End some agents, the children first; return how many there were. One with other children than these is left."""
    everybody = await accounts.list()
    busy = {agent.parent for agent in everybody if agent.name not in names}
    present = {agent.name: agent for agent in everybody if agent.name in names and agent.name not in busy}
    for agent in sorted(present.values(), key=lambda agent: -_depth(agent, present)):
        await close_agent(accounts, agent.name)
    return len(present)


async def sweep(accounts: Accounts, runs: Path, is_driven: Callable[[Path], bool]) -> int:
    """End what runs have left that nobody drives any more, because their process was killed; return how many agents.

    Args:
        accounts: Who has the agents.
        runs: The folder of this home's runs; agents of runs that have no folder there are somebody else's.
        is_driven: Whether a process works on the run of a folder now. Blocks.
    """
    left: dict[str, set[str]] = {}
    for agent in await accounts.list():
        run = run_of(agent.name)
        if run is not None:
            left.setdefault(run, set()).add(agent.name)
    dead = await trio.to_thread.run_sync(_dead, tuple(left), runs, is_driven) if left else ()
    return await close_agents(accounts, {name for run in dead for name in left[run]}) if dead else 0


def _dead(found: tuple[str, ...], runs: Path, is_driven: Callable[[Path], bool]) -> tuple[str, ...]:
    return tuple(run for run in found if (runs / run).is_dir() and not is_driven(runs / run))


def _depth(agent: Agent, present: dict[str, Agent]) -> int:
    depth = 0
    while agent.parent is not None and agent.parent in present:
        agent, depth = present[agent.parent], depth + 1
    return depth


async def settled_bill(executions: Executions, agents: Sequence[str], labels: Mapping[str, str]) -> Bill:
    """Return what was charged, once nothing of it runs any more, or as it stands after ``SETTLE_LIMIT``."""
    deadline = trio.current_time() + SETTLE_LIMIT
    while True:
        bill = await executions.bill(agents, labels)
        if not bill.running or trio.current_time() > deadline:
            return bill
        await trio.sleep(_POLL)


async def give_back(work: Awaitable[object], what: str) -> None:
    """Do what ends a grant. One that cannot be ended now is ended by the next run: see ``sweep``."""
    try:
        await work
    except AexlError as error:
        logger.warning("%s could not be given back, the next governed run will: %s", what, error)
