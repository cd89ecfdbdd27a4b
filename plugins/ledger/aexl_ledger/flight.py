"""An execution that runs in this process, and waiting for its end."""

from __future__ import annotations

import trio

from aexl.errors import Refused
from aexl_ledger.attempts import Attempt
from aexl_ledger.operations import ClaimKey


class Flight:
    """An execution without an end; ``deadline`` is of trio's clock."""

    __slots__ = ("agent", "attempt", "deadline", "ended", "key")

    def __init__(self, agent: str, key: ClaimKey | None, deadline: float) -> None:
        self.agent = agent
        self.key = key
        self.deadline = deadline
        self.attempt: Attempt | None = None
        self.ended: trio.Event | None = None

    async def wait(self, execution: str, until: float) -> None:
        """Wait for the end.

        Raises:
            Refused: 409 if it has not come by then.
        """
        if self.ended is None:
            self.ended = trio.Event()
        with trio.move_on_at(until):
            await self.ended.wait()
        if not self.ended.is_set():
            raise Refused(
                f"an equal call is still in flight as {execution}: ask again",
                code="in_flight",
                status=409,
                retry_after=5,
            )
