"""The ledger of a command beside which no server runs: opened for each event, and given back at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import trio

from aexl.api import Host, Journal, Receipt, Session
from aexl.errors import AexlError, Unavailable

PAUSES: Final = (0.05, 0.2, 0.8)
"""Seconds before each further try: another command may have the ledger for its one operation."""


class BriefJournal:
    """Appends events. A run may last for hours: a server, and other commands, can have the ledger meanwhile.

    Args:
        session: Finds the ledger, or the server that has it by now.
        say: Tells a person what could not be recorded; the run goes on.
    """

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        self._session = session
        self._say = say

    async def append(self, kind: str, subject: str, data: Mapping[str, str | int]) -> Receipt | None:
        """Append an event; ``None`` where there is no ledger, or it cannot be had."""
        work = partial(_append, kind=kind, subject=subject, data=data)
        for pause in (*PAUSES, None):
            try:
                return await trio.to_thread.run_sync(self._session.run, work)
            except AexlError as error:
                if pause is None or not isinstance(error, Unavailable):
                    self._say(f"{kind} of run {subject} is not in the ledger: {error}")
                    break
            await trio.sleep(pause)
        return None


async def _append(host: Host, *, kind: str, subject: str, data: Mapping[str, str | int]) -> Receipt | None:
    journal = host.service(Journal)
    return None if journal is None else await journal.append(kind, subject, data)
