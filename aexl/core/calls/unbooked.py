"""What stands in for the book where no plugin offers one: calls run, and nothing is accounted."""

from __future__ import annotations

from aexl.api import Booked, Call, Hold, Outcome, Plan, Receipt, Replay
from aexl.errors import Refused

NOWHERE = Receipt(seq=0, hash="")
"""The receipt of what no ledger knows; not shown to callers."""


class Unbooked:
    """A ``Settlement`` that keeps nothing. ``aexl doctor`` says that it is in use."""

    name = "unbooked"

    async def reserve(self, call: Call, plan: Plan) -> Hold | Replay:
        """Hold nothing."""
        return Hold(execution=call.id, amount=plan.hold, output_bound=plan.output_bound, receipt=NOWHERE)

    async def settle(self, hold: Hold, outcome: Outcome, answer: Replay | None) -> Booked:  # noqa: ARG002 - the interface
        """Book nothing; the cost is only told to the caller."""
        charge = outcome.charge
        return Booked(
            execution=hold.execution, receipt=NOWHERE, amount=charge.amount, estimated=charge.estimated, remaining=None
        )

    async def deny(self, call: Call, refused: Refused) -> Receipt | None:  # noqa: ARG002 - the interface
        """Record nothing."""
        return None

    def delivered(self, execution: str, complete: bool) -> None:
        """Need not know."""
