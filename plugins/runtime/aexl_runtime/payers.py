"""Who pays for the models that a handler asks in a run that is governed already: that run's own agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aexl.api import Accounts, Host
from aexl.errors import Unavailable


async def payer_of(host: Host, token: str) -> Mapping[str, Any]:
    """Return ``agent`` and ``labels`` of an invocation, as they are of a governed run's token.

    Raises:
        Refused: If the token is not good any more.
    """
    accounts = host.service(Accounts)
    if accounts is None:
        raise Unavailable("nobody keeps accounts here; see 'aexl doctor'")
    principal = await accounts.authenticate(token)
    return {"agent": principal.agent, "labels": principal.labels}


async def payer_around(host: Host, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the same of the run that this program is part of by its environment; nothing where it is part of none."""
    token = environ.get("AEXL_TOKEN")
    return await payer_of(host, token) if token and environ.get("AEXL_RUN") else {}
