"""A project's environments: their settings, and what serves them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import apsw

from aexl.api import RuntimeOffer
from aexl.errors import Invalid
from aexl_plane.deployments.actors import Actor
from aexl_plane.names import RESERVED_ENVIRONMENTS
from aexl_plane.options import PlaneOptions
from aexl_plane.records import Deployment, Environment
from aexl_plane.storage import deployments as rows
from aexl_plane.storage.database import Database

RUNTIMES: Final = 50
"""Names in an environment's list."""


class Standing(NamedTuple):
    """An environment with what serves it, and what waits for it, newest first."""

    environment: Environment
    active: Deployment | None
    canary: Deployment | None
    waiting: Sequence[Deployment]


class Environments:
    """The environments of all projects.

    Args:
        offers: Returns the interpreters that there are.
    """

    def __init__(
        self,
        database: Database,
        options: Callable[[], PlaneOptions],
        offers: Callable[[], Awaitable[Sequence[RuntimeOffer]]],
    ) -> None:
        self._database = database
        self._options = options
        self._offers = offers

    @property
    def usual(self) -> rows.Usual:
        """Those that every project has."""
        options = self._options()
        return rows.Usual(options.environments, options.approval)

    async def list(self, project: str) -> Sequence[Standing]:
        """Return a project's environments, and what serves them."""

        def work(db: apsw.Connection) -> Sequence[Standing]:
            return [standing(db, each) for each in rows.list_environments(db, project, self.usual)]

        return await self._database.read(work)

    async def get(self, project: str, name: str) -> Standing:
        """Return one environment.

        Raises:
            NotFound: If there is none.
        """
        return await self._database.read(lambda db: standing(db, self.find(db, project, name)))

    def find(self, db: apsw.Connection, project: str, name: str) -> Environment:
        """Return one environment, within a transaction.

        Raises:
            NotFound: If there is none.
        """
        return rows.find_environment(db, project, name, self.usual)

    async def put(
        self, actor: Actor, project: str, name: str, approval: bool | None, runtimes: Sequence[str] | None
    ) -> Standing:
        """Make an environment, or change its settings; ``None`` leaves one as it is. What serves goes on serving.

        Raises:
            Invalid: If the name is none, or there is no such runtime.
            Conflict: If the project has as many as it may.
        """
        if name in RESERVED_ENVIRONMENTS:
            raise Invalid(f"an environment cannot be called {name}: the word means something else in 'aexl deploy'")
        if runtimes:
            await self._check_runtimes(runtimes)

        def work(db: apsw.Connection) -> Standing:
            made = rows.put_environment(
                db, project, name, approval=approval, runtimes=runtimes, usual=self.usual, by=actor.who
            )
            return standing(db, made)

        return await self._database.write(work)

    async def _check_runtimes(self, names: Sequence[str]) -> None:
        if len(names) > RUNTIMES:
            raise Invalid(f"an environment's list has {RUNTIMES} runtimes at most, not {len(names)}")
        known = [each.name for each in await self._offers()]
        strange = sorted(set(names) - set(known))
        if strange:
            raise Invalid(f"there is no runtime {', '.join(strange)[:200]} here; there are {', '.join(known)}")


def standing(db: apsw.Connection, environment: Environment) -> Standing:
    """Return an environment with what serves it, within a transaction."""

    def look(id: str | None) -> Deployment | None:
        return None if id is None else rows.find_deployment(db, environment.project, id)

    waiting = rows.list_waiting(db, environment.project, environment.name)
    return Standing(environment, look(environment.deployment), look(environment.canary), waiting)
