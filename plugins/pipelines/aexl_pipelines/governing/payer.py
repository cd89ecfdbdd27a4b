"""Whose budget a run counts against."""

from __future__ import annotations

from aexl.api import Accounts
from aexl.errors import Invalid, NotFound
from aexl_pipelines.governing.names import run_of

_HOW = "say who with --agent NAME, or once and for all with 'aexl config set pipelines.agent NAME'"


async def find_payer(accounts: Accounts, named: str | None) -> str:
    """Return the agent that pays: the one that was named, or the only one there is.

    Raises:
        NotFound: If there is no agent of that name.
        Invalid: If none was named, and there are several, or none.
    """
    if named:
        try:
            return (await accounts.get(named)).name
        except NotFound as error:
            raise NotFound(f"{error}, so nobody pays for this run; {_HOW}") from error
    names = [agent.name for agent in await accounts.list() if agent.parent is None and run_of(agent.name) is None]
    if len(names) == 1:
        return names[0]
    if not names:
        raise Invalid(
            "this machine is governed, and there is no agent yet that could pay for the run: "
            "make one with 'aexl agent create NAME USD'"
        )
    raise Invalid(f"this machine is governed, and nobody is named to pay for the run: {_HOW} ({', '.join(names[:8])})")
