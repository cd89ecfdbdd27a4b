"""The names of a run's agents, and what its tokens are labelled with. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Final

LONGEST_LABEL: Final = 200
"""Characters of a label, as the ledger takes them."""

_PAYER_LENGTH: Final = 50
"""Of the payer's name at most; an agent's name has at most 100 characters."""

_NAME: Final = re.compile(r".+:run-([0-9A-Za-z_-]+)(?:\.\d+)?(?:\.s\d+)?", re.ASCII)


def run_agent(payer: str, run: str, generation: int) -> str:
    """Return the name of a run's agent; each resume makes another one, because names are never used twice."""
    name = f"{payer[:_PAYER_LENGTH]}:run-{run}"
    return name if generation == 1 else f"{name}.{generation}"


def step_agent(agent: str, number: int) -> str:
    """Return the name of the agent of a step that has a budget of its own."""
    return f"{agent}.s{number}"


def run_of(agent: str) -> str | None:
    """Return the run that an agent was made for, if it was made for a pipeline's run."""
    found = _NAME.fullmatch(agent)
    return None if found is None else found[1]


def step_label(address: str) -> str:
    """Return what a step's token is labelled with: its address, or where that is too long, its end behind a digest."""
    if len(address) <= LONGEST_LABEL:
        return address
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    return f"{digest}..{address[-(LONGEST_LABEL - len(digest) - 2) :]}"
