"""From a command's options to a governor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aexl.api import Host, Session
from aexl_pipelines.governing.brief import BriefJournal
from aexl_pipelines.governing.governor import LedgerGovernor
from aexl_pipelines.governing.options import TABLE, PipelineOptions

WITHOUT: Final = ("ledger",)
"""What the host of a command that drives runs does without: others need the ledger while a run goes on."""


def has_ledger(session: Session) -> bool:
    """Return whether this home has a ledger; one is not begun for runs that nobody governs."""
    return (session.home / "ledger.db").exists()


def open_governor(
    session: Session, *, agent: str | None, govern: bool | None, say: Callable[[str], None]
) -> Callable[[Host], LedgerGovernor]:
    """Return what makes a governor of the command's host. To be called before ``Session.run``.

    Args:
        session: Knows whether a server runs.
        agent: ``--agent``; else the configuration's.
        govern: ``--govern`` starts a server where none runs, ``--no-govern`` governs nothing; ``None`` goes by
            whether one runs.
        say: Tells a person what could not be recorded.

    Raises:
        Unavailable: If the server does not become ready.
    """
    if govern:
        url: str | None = session.ensure_server()
    else:
        status = None if govern is False else session.running()
        url = None if status is None else str(status["url"])
    named = agent or session.section(TABLE, PipelineOptions).agent or None

    def make(host: Host) -> LedgerGovernor:
        brief = BriefJournal(session, say) if url is None and has_ledger(session) else None
        return LedgerGovernor(host, url=url, agent=named, journal=brief)

    return make
