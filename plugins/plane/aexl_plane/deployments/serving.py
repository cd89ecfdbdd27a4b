"""Which deployment takes the next request: answered from memory, until something changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, TypeVar

import apsw

from aexl.errors import NotFound
from aexl_plane.deployments.environments import Environments
from aexl_plane.records import Deployment
from aexl_plane.storage.database import Database

T = TypeVar("T")

KEPT: Final = 1000
"""Environments whose deployments are remembered."""


class Serving:
    """What serves which environment; every change of deployments goes through ``write``.

    Args:
        pick: Returns a number from 0 to 99 for each request beside a canary.
    """

    def __init__(
        self,
        database: Database,
        environments: Environments,
        pick: Callable[[], int] = lambda: random.randrange(100),  # noqa: S311 - shares requests out, hides nothing
    ) -> None:
        self._database = database
        self._environments = environments
        self.pick = pick
        self._known: dict[tuple[str, str], tuple[Deployment, Deployment | None]] = {}
        self._changes = 0

    async def serving(self, project: str, environment: str) -> Deployment:
        """Return which deployment takes the next request.

        Raises:
            NotFound: If there is no such environment, or nothing serves it yet.
        """
        active, canary = self._known.get((project, environment)) or await self._look(project, environment)
        return canary if canary is not None and self.pick() < canary.weight else active

    async def _look(self, project: str, environment: str) -> tuple[Deployment, Deployment | None]:
        changes = self._changes
        now = await self._environments.get(project, environment)
        if now.active is None:
            raise NotFound(
                f"nothing is deployed to {environment} yet; 'aexl deploy {environment}' deploys the present files"
            )
        found = now.active, now.canary
        if changes == self._changes:  # else somebody has changed something since it was read
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[(project, environment)] = found
        return found

    async def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Change what serves; see ``Database.write``."""
        try:
            return await self._database.write(work)
        finally:
            self._changes += 1
            self._known.clear()
