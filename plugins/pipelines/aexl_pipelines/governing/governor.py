"""The governor: which runs are governed, and what is left of those that are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from aexl.api import Accounts, Host, Journal
from aexl.errors import Unavailable
from aexl_pipelines.governing.events import Appending, record_event
from aexl_pipelines.governing.governed import GovernedRun
from aexl_pipelines.journal.folders import runs_folder
from aexl_pipelines.journal.records import Record, RunBegun
from aexl_pipelines.journal.writing import is_driven
from aexl_pipelines.language.parts import Budget


class LedgerGovernor:
    """``execution.ports.Governor`` with the roles ``Accounts``, ``Executions`` and ``Journal``.

    Args:
        host: Has the roles.
        url: The server's root; ``None`` where none runs, and nothing is governed.
        agent: Who pays; the only agent there is, where it is not said.
        journal: Hears of runs; the host's, where none is given.
        is_driven: Whether a process works on the run of a folder now; blocks.
    """

    def __init__(
        self,
        host: Host,
        *,
        url: str | None,
        agent: str | None,
        journal: Appending | None = None,
        is_driven: Callable[[Path], bool] = is_driven,
    ) -> None:
        self.host = host
        self.journal: Appending | None = journal or host.service(Journal)
        self.url = None if url is None else url.rstrip("/")
        self.named = agent
        self.is_driven = is_driven
        self.governed: dict[str, GovernedRun] = {}

    def run(self, begun: RunBegun, budget: Budget | None) -> GovernedRun | WatchedRun:
        """Govern a run, where a server runs; else only the ledger hears of it, if there is one."""
        accounts = None if self.url is None or begun.options.dry_run else self.host.service(Accounts)
        if accounts is not None and self.url is not None:
            return GovernedRun(self, accounts, self.url, begun, budget)
        if begun.options.govern and not begun.options.dry_run:
            raise Unavailable("--govern needs a running server with a ledger, and there is none; see 'aexl doctor'")
        return WatchedRun(self.journal, begun)

    def folder(self, run: str) -> Path:
        """Return a run's folder."""
        return runs_folder(self.host.data_dir) / run


class WatchedRun:
    """A run that nobody governs: its steps use what is logged in on this machine. The ledger hears of it all the same."""

    def __init__(self, journal: Appending | None, begun: RunBegun) -> None:
        self._journal = journal
        self._begun = begun

    agent = ""
    """Nobody."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def step(self, address: str, budget: Budget | None) -> NoAccess:  # noqa: ARG002 - the port's signature
        """Give nothing."""
        return NoAccess()

    async def booked(self, address: str | None = None) -> int | None:  # noqa: ARG002 - the port's signature
        """Nothing was booked."""
        return None

    async def record(self, record: Record) -> None:
        """Tell the ledger, unless nothing really runs."""
        if not self._begun.options.dry_run:
            await record_event(self._journal, self._begun.run, record)


class NoAccess:
    """A step without a way to a server."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
