"""The parts of the ledger, put together for one host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aexl.api import Accounts, ConfigReloaded, Executions, Host, Journal, Service
from aexl_ledger.activity import ActivityHub
from aexl_ledger.book import Ledger
from aexl_ledger.files import UNCERTAIN, filesystem
from aexl_ledger.journal import Append
from aexl_ledger.options import LedgerOptions
from aexl_ledger.roles import LedgerAccounts, LedgerExecutions, LedgerJournal, Reading
from aexl_ledger.verify import verify_mapping


class Assembly:
    """A ledger and the roles on top of it."""

    def __init__(self, host: Host, options: LedgerOptions) -> None:
        self.ledger = Ledger(host.data_dir / options.path, options, host=host)
        self.hub = ActivityHub()
        self._reading = Reading(self.ledger)

    def services(self) -> Sequence[Service[object]]:
        """Return the roles that the ledger plays."""
        return [
            Service(role=Accounts, instance=LedgerAccounts(self.ledger)),
            Service(role=Executions, instance=LedgerExecutions(self.ledger, self._reading)),
            Service(role=Journal, instance=LedgerJournal(self.ledger, self._reading)),
        ]

    def verify(self) -> Mapping[str, object]:
        """Verify the ledger; blocks."""
        return verify_mapping(self.ledger.path)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the ledger open."""
        try:
            async with self.ledger.running():
                yield
        finally:
            self._reading.close()

    async def health(self) -> str | None:
        """Say what is wrong with the ledger, if anything is."""
        if self.ledger.trouble is not None:
            return self.ledger.trouble
        kind = filesystem(self.ledger.path.parent)
        if kind in UNCERTAIN:
            return f"the ledger is on {kind}, which may be gone after a restart: mount a volume at {self.ledger.path.parent}"
        return None

    async def record_configuration(self, event: object) -> None:
        """Write that another configuration is in force."""
        if isinstance(event, ConfigReloaded):
            await self.ledger.ask(Append("config.loaded", "config", {"digest": event.digest}))
