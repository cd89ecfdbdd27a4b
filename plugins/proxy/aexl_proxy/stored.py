"""Stored responses belong to the agent whose call made them."""

from __future__ import annotations

from typing import Final, NamedTuple

from aexl.api import Execution, Executions, Host
from aexl.errors import Refused, Unavailable
from aexl_proxy.fields import busy, refusal

_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_LONGEST_ID: Final = 256

METHODS: Final = {"": ("GET", "DELETE"), "cancel": ("POST",), "input_items": ("GET",)}
"""What may be done with a stored response, by what follows its id in the path."""


class StoredPath(NamedTuple):
    """A path below ``/responses/``: ``action`` is a key of ``METHODS``."""

    id: str
    action: str


def parse_stored(rest: str) -> StoredPath | None:
    """Take apart what follows ``/responses/``; ``None`` if it names no stored response.

    An id is checked letter by letter, because it goes into the upstream's path.
    """
    response_id, _, action = rest.partition("/")
    if action not in METHODS or (rest.endswith("/") and not action):
        return None
    if not is_response_id(response_id):
        return None
    return StoredPath(response_id, action)


def is_response_id(text: str) -> bool:
    """Say whether this can be the id of a stored response."""
    return 0 < len(text) <= _LONGEST_ID and _LETTERS.issuperset(text)


async def find_owned(host: Host, agent: str, response_id: str, *, param: str | None = None) -> Execution:
    """Return the execution that made a stored response of this agent.

    Raises:
        Refused: 404 if there is none, or it is another agent's: the two look alike;
            503 if the ledger cannot say now.
    """
    executions = host.service(Executions)
    if executions is None:
        raise refusal(
            "stored responses need a ledger that knows whose they are; enable the ledger plugin",
            code="no_ledger",
            status=404,
            param=param,
        )
    try:
        found = await executions.owner(response_id) if is_response_id(response_id) else None
    except Unavailable as error:
        raise busy(error) from error
    if found is None or found.agent != agent:
        raise _unknown(response_id, param)
    return found


def _unknown(response_id: str, param: str | None) -> Refused:
    shown = ascii(response_id[:_LONGEST_ID])
    return refusal(
        f"this agent has no stored response {shown}; send the id of one that this agent's own calls made",
        code="response_not_found" if param is None else "previous_response_not_found",
        status=404,
        param=param,
    )
