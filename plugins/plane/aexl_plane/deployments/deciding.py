"""Decisions on deployments that wait for approval: one for each, wherever it is given."""

from __future__ import annotations

from collections.abc import Callable

import apsw

from aexl.api import Answered
from aexl_plane.deployments.actors import Actor, check_decider
from aexl_plane.deployments.environments import Environments
from aexl_plane.deployments.rules import REASON, check_allowed, check_request, check_waiting
from aexl_plane.deployments.serving import Serving
from aexl_plane.deployments.validation import Validator
from aexl_plane.records import Deployment
from aexl_plane.storage import deployments as rows
from aexl_plane.storage.database import Database
from aexl_plane.storage.people import count_deciders


class Decisions:
    """Approves and rejects."""

    def __init__(self, database: Database, environments: Environments, serving: Serving, validator: Validator) -> None:
        self._database = database
        self._environments = environments
        self._serving = serving
        self._validator = validator

    async def check(self, actor: Actor, project: str, id: str, answered: Answered) -> Deployment:
        """Hold a decision to everything that can be known before; return what waits.

        Raises:
            NotFound: If there is none of that id.
            Conflict: If it is decided already; says how.
            Refused: 403 if somebody else must approve it.
            SnapshotRefused: If it was approved, and its runtime is gone, or not allowed any more.
            Invalid: If the reason is too long.
        """
        check_request(100, answered.reason)
        approves = answered.choice == "approve"

        def look(db: apsw.Connection) -> Deployment:
            found = rows.find_deployment(db, project, id)
            check_waiting(found)
            if approves:
                check_decider(actor, found, count_deciders(db, project, found.asker))
            return found

        found = await self._database.read(look)
        if approves:
            await self._check_runtime(found)
        return found

    async def apply(self, made: Deployment, answered: Answered) -> Deployment:
        """Do what was decided; doing it again has the same answer.

        Raises:
            Conflict: If something else was decided, or the environment does not allow the runtime any more.
            SnapshotRefused: If the runtime is gone.
        """
        if answered.choice == "approve":
            await self._check_runtime(made)
        return await self._serving.write(self._work(made, answered))

    def _work(self, made: Deployment, answered: Answered) -> Callable[[apsw.Connection], Deployment]:
        reason = answered.reason[:REASON]

        def work(db: apsw.Connection) -> Deployment:
            found = rows.find_deployment(db, made.project, made.id)
            rejected = found.status == "rejected"
            if found.decided_by == answered.by and rejected == (answered.choice == "reject"):
                return found
            check_waiting(found)
            if answered.choice == "reject":
                return rows.reject(db, found, answered.by, reason)
            now = self._environments.find(db, made.project, made.environment)
            check_allowed(now, found.runtime)
            return rows.activate(db, now, found, answered.by, reason)

        return work

    async def _check_runtime(self, made: Deployment) -> None:
        now = await self._environments.get(made.project, made.environment)
        await self._validator.check_runtime(made, now.environment.runtimes)
