"""Whether an agent may run at all."""

from __future__ import annotations

from typing import Final

from aexl.api import Call, State
from aexl.errors import Refused
from aexl_policy.rules.denials import denied

_RESUME: Final[dict[State, str]] = {
    "paused": "Resume it with `aexl agent resume {agent}`.",
    "quarantined": "An operator must look at it and run `aexl agent resume {agent}`.",
    "frozen": "A call cost more than was held for it; look at `aexl agent inspect {agent}`, "
    "then run `aexl agent resume {agent}`.",
    "decommissioned": "This is for good; create another agent.",
}


def check_state(agent: str, state: State) -> None:
    """Raise a 423 unless the agent is ready."""
    if state != "ready":
        how = _RESUME[state].format(agent=agent)
        raise Refused(f"Agent {agent!r} is {state} and may not execute. {how}", code="agent_not_ready", status=423)


def check_scope(call: Call) -> None:
    """Raise a 403 if the token may only read; looking at a stored response is reading."""
    if call.principal.scope == "read" and not (call.surface == "stored" and call.method in {"GET", "HEAD"}):
        raise denied(
            "This token may only read. Use a token with the scope `execute`, "
            f"as `aexl agent rotate-token {call.principal.agent}` makes one.",
            "read_only_token",
        )


def check_provider_key(call: Call) -> None:
    """Raise a 403: the agent may not bring a key of its own, and this call does."""
    raise denied(
        f"Agent {call.principal.agent!r} may not use a provider key of its own. "
        "Leave out x-aexl-provider-key, or ask the operator for the right to pass through.",
        "passthrough_not_allowed",
    )
