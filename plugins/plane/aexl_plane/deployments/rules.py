"""What is held against a request for a deployment, and the record that it becomes. Pure."""

from __future__ import annotations

import time
from typing import Final, Literal

from aexl.api import BUILTIN
from aexl.errors import Conflict, Invalid
from aexl_plane.deployments.actors import Actor
from aexl_plane.deployments.validation import Validation
from aexl_plane.names import new_id
from aexl_plane.records import Deployment, Environment

REASON: Final = 1000
"""Characters of a reason."""

Cause = Literal["deploy", "promote", "rollback"]


def check_request(weight: int, reason: str) -> None:
    """Hold what somebody has written to its limits.

    Raises:
        Invalid: If the weight is no percentage, or the reason too long.
    """
    if not 1 <= weight <= 100:
        raise Invalid(f"weight must be from 1 to 100 percent, not {weight}")
    if len(reason) > REASON:
        raise Invalid(f"the reason has {len(reason)} characters; at most {REASON} are kept")


def check_expected(environment: Environment, expected: str | None) -> None:
    """Hold an environment to the deployment that somebody has seen there.

    Raises:
        Conflict: If another one serves.
    """
    if expected is not None and environment.deployment != expected:
        raise Conflict(
            f"{environment.name} is served by {environment.deployment or 'nothing'}, not by {expected[:80]}; "
            "look at it, and ask again"
        )


def check_canary(environment: Environment, weight: int) -> None:
    """Refuse a canary with nothing beside it.

    Raises:
        Conflict: If nothing serves.
    """
    if weight < 100 and environment.deployment is None:
        raise Conflict(f"nothing serves {environment.name} beside a canary yet; deploy with weight 100 first")


def check_allowed(environment: Environment, runtime: str) -> None:
    """Hold a runtime to the environment's list, as it is by now.

    Raises:
        Conflict: If the list has changed since the snapshot was looked at.
    """
    called = runtime or BUILTIN
    if environment.runtimes and called not in environment.runtimes:
        raise Conflict(f"{environment.name} allows {', '.join(environment.runtimes)} by now, and not {called}")


def check_waiting(made: Deployment) -> None:
    """Refuse a second decision.

    Raises:
        Conflict: Says what was decided.
    """
    if made.status != "waiting":
        how = "rejected" if made.status == "rejected" else "approved"
        by = f"{how} by {made.decided_by}" if made.decided_by else "active without approval"
        raise Conflict(f"deployment {made.id} does not wait for approval: it was {by}")


def check_served(made: Deployment, environment: Environment) -> None:
    """Hold a rollback to what has served there; where deployments wait for approval, to what has served all requests.

    Raises:
        Invalid: If the deployment is another environment's, or was never active.
        Conflict: If only its share of the requests has been approved.
    """
    name = environment.name
    if made.environment != name or made.status not in ("active", "replaced"):
        raise Invalid(f"deployment {made.id} has never served {name}, so nothing can be rolled back to it")
    if environment.approval and made.weight < 100:
        raise Conflict(
            f"deployment {made.id} was approved for {made.weight} % of the requests to {name}, and not for all; "
            "deploy its snapshot, and have that approved"
        )


def runtime_name(text: str) -> str:
    """Return an interpreter's name as deployments keep it: empty for the built-in one."""
    return "" if text == BUILTIN else text


def new_deployment(
    actor: Actor,
    environment: Environment,
    validation: Validation,
    *,
    weight: int = 100,
    reason: str = "",
    cause: Cause = "deploy",
    follows: str | None = None,
) -> Deployment:
    """Return what is asked for, as the record that waits."""
    return Deployment(
        id=new_id("dp"),
        project=environment.project,
        environment=environment.name,
        snapshot=validation.snapshot,
        runtime=validation.runtime,
        described=validation.described,
        weight=weight,
        status="waiting",
        cause=cause,
        follows=follows,
        replaces=None,
        by=actor.who,
        asker=actor.id,
        reason=reason,
        created=time.time(),
        decided=None,
        decided_by=None,
    )
