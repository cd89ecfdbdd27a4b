"""Whether an interpreter is there: what is said where it is not names it, and no folder of the server."""

from __future__ import annotations

from typing import NamedTuple

from aexl.api import BUILTIN, Handlers, Host, RuntimeOffer
from aexl.errors import Unavailable
from aexl_plane.records import Deployment, Execution


class Found(NamedTuple):
    """An interpreter's offer; ``None`` with a sentence where it cannot be used."""

    offer: RuntimeOffer | None
    problem: str = ""


def handlers_of(host: Host) -> Handlers:
    """Return who runs handlers.

    Raises:
        Unavailable: If nobody does.
    """
    found = host.service(Handlers)
    if found is None:
        raise Unavailable("no plugin runs handlers here; enable the plugin runtime")
    return found


async def find_runtime(handlers: Handlers, name: str) -> Found:
    """Look for an interpreter.

    Args:
        name: Empty for the built-in one.
    """
    called = name or BUILTIN
    offers = {each.name: each for each in await handlers.runtimes()}
    offer = offers.get(called)
    if offer is None:
        return Found(None, f"there is no runtime {called[:80]!r} here; there are {', '.join(offers)}")
    if offer.problem:
        return Found(None, f"the runtime {called} cannot be used now; 'aexl runtime list' on the server says why")
    return Found(offer)


async def check_runtime(handlers: Handlers, wanted: Deployment | Execution) -> None:
    """Hold a deployment, or a run, to the interpreters that there are now.

    Raises:
        Unavailable: If its own cannot be used; names it.
    """
    found = await find_runtime(handlers, wanted.runtime)
    if found.offer is None:
        id = wanted.id if isinstance(wanted, Deployment) else wanted.deployment
        who = f"deployment {id} of {wanted.environment}" if id is not None else f"snapshot {wanted.snapshot[:16]}"
        raise Unavailable(
            f"{who} needs the runtime {wanted.runtime or BUILTIN}: {found.problem}; "
            "put it back, or deploy with another one"
        )
