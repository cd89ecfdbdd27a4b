"""The states of an agent and the ways between them. Pure.

==============  ==========================================  =====================================
from            to                                          calls that run
==============  ==========================================  =====================================
ready           paused, quarantined, frozen, decommissioned  go on when paused, else end with 423
paused          ready, quarantined, frozen, decommissioned   go on when paused, else end with 423
quarantined     ready, frozen, decommissioned                none are left
frozen          ready, quarantined, decommissioned           none are left
decommissioned  (for good)                                   none are left
==============  ==========================================  =====================================

Pausing is a person's wish to stop soon; quarantine and frost are suspicions, so
what runs is ended. A state holds for an agent's descendants as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from aexl.api.records import State
from aexl.errors import Refused
from aexl_ledger.state import AgentRow

WAYS: Final[Mapping[State, frozenset[State]]] = {
    "ready": frozenset({"paused", "quarantined", "frozen", "decommissioned"}),
    "paused": frozenset({"ready", "quarantined", "frozen", "decommissioned"}),
    "quarantined": frozenset({"ready", "frozen", "decommissioned"}),
    "frozen": frozenset({"ready", "quarantined", "decommissioned"}),
    "decommissioned": frozenset(),
}

INTERRUPTING: Final = frozenset({"quarantined", "frozen", "decommissioned"})


def effective_state(agent: AgentRow) -> State:
    """Return the agent's own state, or that of the nearest ancestor that is not ready."""
    for each in agent.chain:
        if each.state != "ready":
            return cast("State", each.state)
    return "ready"


def not_ready(agent: AgentRow) -> Refused | None:
    """Return the refusal for an agent that may not execute."""
    for each in agent.chain:
        if each.state != "ready":
            return refusal(each.name, each.state, each.reason)
    return None


def refusal(name: str, state: str, reason: str | None) -> Refused:
    """Return the 423 for an agent in ``state``."""
    because = f" ({reason})" if reason else ""
    advice = "; it cannot come back" if state == "decommissioned" else f": `aexl agent resume {name}` when it may go on"
    return Refused(f"the agent {name} is {state}{because}{advice}", code="agent_not_ready", status=423)
