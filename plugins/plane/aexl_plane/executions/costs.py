"""What an execution's calls to models cost, as the ledger has it."""

from __future__ import annotations

from aexl.api import Accounts, Executions, Host, format_usd
from aexl.api.handlers import INVOCATION_LABEL
from aexl_plane.executions.live import Outcome


async def cost_usd(host: Host, outcome: Outcome) -> str | None:
    """Return what was booked, as a decimal text of USD; ``None`` before the end, and where nobody keeps a ledger.

    Right after a run it is what was booked while it ran; later the ledger is asked, which may know of more.
    """
    execution, ledger = outcome.execution, host.service(Executions)
    if execution.ended is None or ledger is None:
        return None
    if outcome.spent is not None:
        return format_usd(outcome.spent)
    agents = [execution.agent] if execution.agent is not None else await _agents(host)
    return format_usd((await ledger.bill(agents, {INVOCATION_LABEL: execution.id})).cost)


async def _agents(host: Host) -> list[str]:
    accounts = host.service(Accounts)
    return [] if accounts is None else [agent.name for agent in await accounts.list()]
