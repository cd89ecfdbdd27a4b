"""Whose runs are whose: a run that an agent started over HTTP is seen by that agent, and by an admin. Blocks."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

from aexl.api import Principal
from aexl.errors import NotFound
from aexl_pipelines.journal.folders import read_begun
from aexl_pipelines.journal.locking import NAME

_FILE: Final = "owner"
_DEEPEST: Final = 32
_REMEMBERED: Final = 10_000


class Owners:
    """Remembers who started which run.

    Args:
        runs: The folder that has a folder for each run.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._known: OrderedDict[str, str] = OrderedDict()

    def claim(self, run: str, agent: str) -> None:
        """Note who started a run; its folder is there."""
        descriptor = os.open(self._runs / run / _FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(agent)
        self._remember(run, agent)

    def owner(self, run: str) -> str | None:
        """Return who started a run, or the run that called it; ``None`` for one of the command line."""
        known = self._known.get(run)
        if known is None:  # also where there is none: a run that has just begun will have one
            known = self._look(run)
            if known is not None:
                self._remember(run, known)
        return known

    def may_see(self, principal: Principal, run: str) -> bool:
        """Say whether a token may see a run."""
        return principal.scope == "admin" or self.owner(run) == principal.agent

    def check(self, principal: Principal, run: str) -> Path:
        """Return a run's folder.

        Raises:
            NotFound: If there is no such run, or it is another agent's: the two cannot be told apart.
        """
        folder = self._runs / run
        if not is_run_id(run) or not (folder / NAME).is_file() or not self.may_see(principal, run):
            raise NotFound(f"there is no run {run[:60]!r}")
        return folder

    def _remember(self, run: str, agent: str) -> None:
        self._known[run] = agent
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _look(self, run: str) -> str | None:
        for _ in range(_DEEPEST):
            try:
                return (self._runs / run / _FILE).read_text(encoding="utf-8")
            except FileNotFoundError:
                begun = read_begun(self._runs / run)
            if begun is None or begun.parent is None:
                return None
            run = begun.parent.run
        return None


def is_run_id(text: str) -> bool:
    """Say whether a text can be the id of a run: what it names is a folder beside the other runs."""
    return 0 < len(text) <= 64 and all(each.isascii() and (each.isalnum() or each in "-_") for each in text)
