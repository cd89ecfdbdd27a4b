"""Who asks for deployments and who decides on them. Pure."""

from __future__ import annotations

from typing import NamedTuple

from aexl.errors import Refused
from aexl_plane.records import Caller, Deployment


class Actor(NamedTuple):
    """Who does something.

    Attributes:
        who: As people read it: an address, a service's name, who is at the server's machine.
        id: The user's id; the id of a service's token; empty for the owner of the server's machine.
    """

    who: str
    id: str

    @property
    def is_user(self) -> bool:
        """Whether it is a person with an account."""
        return self.id.startswith("us_")

    @property
    def is_owner(self) -> bool:
        """Whether it is whoever the server's machine belongs to."""
        return not self.id


def actor_of(caller: Caller) -> Actor:
    """Return who a token belongs to."""
    return Actor(caller.who, caller.user or caller.token)


def check_decider(actor: Actor, waiting: Deployment, others: int) -> None:
    """Hold a decision to the rule that nobody decides on what they have asked for.

    What a user asked for is decided by another user, what a service asked for by anybody but that token. The owner
    of the server's machine may always decide.

    Args:
        others: Users of the tenant who may decide, beside the one who asked; with none, those who ask decide too.

    Raises:
        Refused: 403.
    """
    if actor.is_owner or not others:
        return
    asked_by_user = waiting.asker.startswith("us_")
    if actor.id == waiting.asker or (asked_by_user and not actor.is_user):
        who = "another user" if asked_by_user else "somebody else"
        raise Refused(
            f"{waiting.by} asked for this deployment; {who} who may admin must decide on it",
            code="needs_another_approver",
            status=403,
        )
