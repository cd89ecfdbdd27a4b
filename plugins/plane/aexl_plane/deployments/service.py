"""Deployments of a project's snapshots to its environments.

What is looked at before (contracts, runtimes) is looked at outside of a transaction; what
decides is compared again inside of the one that changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import apsw

from aexl.api import Answered, Host, ObjectId, RuntimeOffer
from aexl.errors import Conflict, Invalid, NotFound
from aexl_plane.deployments.actors import Actor
from aexl_plane.deployments.approvals import Approvals
from aexl_plane.deployments.deciding import Decisions
from aexl_plane.deployments.environments import Environments, Standing, standing
from aexl_plane.deployments.rules import (
    check_allowed,
    check_canary,
    check_expected,
    check_request,
    check_served,
    new_deployment,
    runtime_name,
)
from aexl_plane.deployments.runtimes import check_runtime
from aexl_plane.deployments.serving import Serving
from aexl_plane.deployments.validation import SnapshotRefused, Validation, Validator
from aexl_plane.files import ProjectFiles
from aexl_plane.options import PlaneOptions
from aexl_plane.records import Deployment, Environment
from aexl_plane.storage import deployments as rows
from aexl_plane.storage.database import Database, tell

_TOLD: Final = 500
"""Characters of what stands against a snapshot that the ledger hears."""


class Deployments:
    """What is deployed where.

    Attributes:
        environments: Where to.
    """

    def __init__(
        self,
        host: Host,
        database: Database,
        files: ProjectFiles,
        options: Callable[[], PlaneOptions],
    ) -> None:
        self._database = database
        self._files = files
        self._validator = Validator(host, lambda: files.repositories, options)
        self.environments = Environments(database, options, self.runtimes)
        self._serving = Serving(database, self.environments)
        self._decisions = Decisions(database, self.environments, self._serving, self._validator)
        self._approvals = Approvals(host, database, self._decisions.apply)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Hear what people decide on deployments that wait, as long as the context is open."""
        return self._approvals.running()

    async def runtimes(self) -> Sequence[RuntimeOffer]:
        """Return the interpreters of this server, the built-in one first."""
        return await self._validator.handlers.runtimes()

    async def serving(self, project: str, environment: str) -> Deployment:
        """Return which deployment takes the next request.

        Beside a canary, each call decides anew. Answered from memory, unless something has changed.

        Raises:
            NotFound: If there is no such environment, or nothing serves it yet.
        """
        return await self._serving.serving(project, environment)

    async def latest(self, project: str, environment: str) -> Deployment | None:
        """Return the deployment of an environment that was asked for last, whatever became of it."""
        found = await self.list(project, environment, 1)
        return await self.get(project, found[0].id) if found else None

    async def get(self, project: str, id: str) -> Deployment:
        """Return one deployment.

        Raises:
            NotFound: If the project has none of that id.
        """
        return await self._database.read(lambda db: rows.find_deployment(db, project, id))

    async def list(self, project: str, environment: str | None, limit: int) -> Sequence[Deployment]:
        """Return deployments without what their snapshots declare, those that were asked for last first.

        Raises:
            NotFound: If there is no such environment.
        """

        def work(db: apsw.Connection) -> Sequence[Deployment]:
            if environment is not None:
                self.environments.find(db, project, environment)
            return rows.list_deployments(db, project, environment, limit)

        return await self._database.read(work)

    async def validate(self, project: str, snapshot: str, environment: str | None, runtime: str = "") -> Validation:
        """Say what stands against deploying a snapshot; nothing is changed.

        Raises:
            NotFound: If there is no such snapshot or environment.
        """
        allowed: Sequence[str] = ()
        if environment is not None:
            allowed = (await self.environments.get(project, environment)).environment.runtimes
        id = await self._files.find_snapshot(project, snapshot)
        return await self._validator.validate(project, id, runtime_name(runtime), allowed)

    async def deploy(
        self,
        actor: Actor,
        project: str,
        environment: str,
        *,
        snapshot: str | None = None,
        runtime: str = "",
        weight: int = 100,
        reason: str = "",
        expected: str | None = None,
    ) -> Deployment:
        """Point an environment at a snapshot, or ask for it where that needs approval; durable when this returns.

        Args:
            snapshot: Its id, or the name of a head; the project's present state if left out.
            runtime: The interpreter's name; the built-in one if left out.
            weight: Percent of requests; less than 100 makes it a canary beside the deployment that serves.
            expected: The deployment that must serve now.

        Raises:
            NotFound: If there is no such environment or snapshot.
            SnapshotRefused: 422 with everything that stands against it; nothing has changed.
            Conflict: If another deployment serves than is expected, or a canary would have nothing beside it.
            Invalid: If weight or reason are not acceptable.
        """
        check_request(weight, reason)
        before = await self.environments.get(project, environment)
        check_expected(before.environment, expected)
        check_canary(before.environment, weight)
        id = await self._files.find_snapshot(project, snapshot)
        validation = await self._validate(actor, project, before.environment, ObjectId(id), runtime_name(runtime))
        return await self._put(
            new_deployment(actor, before.environment, validation, weight=weight, reason=reason), expected
        )

    async def promote(
        self,
        actor: Actor,
        project: str,
        environment: str,
        to: str,
        *,
        reason: str = "",
        expected: str | None = None,
    ) -> Deployment:
        """Let another environment run what one runs: the same snapshot by the same runtime.

        Args:
            to: The other environment.
            expected: The deployment that must serve there now.

        Raises:
            NotFound: If there is no such environment, or nothing serves it yet.
            SnapshotRefused: As ``deploy``.
            Conflict: As ``deploy``, or if the one is pointed elsewhere meanwhile.
            Invalid: If both are the same.
        """
        check_request(100, reason)
        if to == environment:
            raise Invalid(f"{to} cannot be promoted to itself")
        source = await self.environments.get(project, environment)
        target = await self.environments.get(project, to)
        check_expected(target.environment, expected)
        active = source.active
        if active is None:
            raise NotFound(f"nothing is deployed to {environment} yet, so nothing can be promoted to {to}")
        validation = await self._validate(actor, project, target.environment, ObjectId(active.snapshot), active.runtime)
        made = new_deployment(actor, target.environment, validation, reason=reason, cause="promote", follows=active.id)

        def check(db: apsw.Connection) -> None:
            now = self.environments.find(db, project, environment)
            if now.deployment != active.id:
                raise Conflict(f"{environment} was pointed at another deployment meanwhile; look, and promote it again")

        return await self._put(made, expected, check)

    async def _validate(
        self, actor: Actor, project: str, environment: Environment, snapshot: ObjectId, runtime: str
    ) -> Validation:
        validation = await self._validator.validate(project, snapshot, runtime, environment.runtimes)
        if validation.obstacles:
            refused = SnapshotRefused(validation)
            data = {
                "project": project,
                "environment": environment.name,
                "reason": refused.reason[:_TOLD],
                "by": actor.who,
            }
            await self._database.write(lambda db: tell(db, "deployment_refused", snapshot, data))
            raise refused
        return validation

    async def _put(
        self,
        made: Deployment,
        expected: str | None,
        check: Callable[[apsw.Connection], None] = lambda _: None,
    ) -> Deployment:
        """Keep a deployment, and let it serve unless it must wait."""

        def work(db: apsw.Connection) -> Deployment:
            check(db)
            now = self.environments.find(db, made.project, made.environment)
            check_expected(now, expected)
            check_canary(now, made.weight)
            check_allowed(now, made.runtime)
            rows.add_deployment(db, made, waits=now.approval)
            return made if now.approval else rows.activate(db, now, made, None, "")

        await self._files.repositories.keep(made.project, ObjectId(made.snapshot))
        kept = await self._serving.write(work)
        if kept.status == "waiting":
            await self._approvals.put_up(kept)
        return kept

    async def rollback(
        self, actor: Actor, project: str, environment: str, to: str | None = None, *, reason: str = ""
    ) -> Deployment:
        """Let an environment run what it ran before; at once, also where deployments wait for approval.

        While there is a canary, and none is named, the canary is ended, and that is all.

        Args:
            to: A deployment that has served there; by default the last one that ran something else.

        Returns:
            What serves now.

        Raises:
            NotFound: If there is no such one, or nothing before.
            Invalid: If it has never served there.
            Conflict: If it serves already, another one serves since it was looked at, or only a share of the requests
                was approved for it where deployments wait for approval.
            SnapshotRefused: If its runtime is gone, or not allowed any more.
        """
        check_request(100, reason)
        before = await self.environments.get(project, environment)
        active = before.active
        if active is None:
            raise NotFound(f"nothing is deployed to {environment} yet, so nothing can be rolled back")
        if before.canary is not None and to is None:
            await self.end_canary(actor, project, environment)
            return active
        target = await self._database.read(
            lambda db: rows.find_earlier(db, active) if to is None else rows.find_deployment(db, project, to)
        )
        check_served(target, before.environment)
        if target.id == active.id:
            raise Conflict(f"deployment {target.id} serves {environment} already")
        await self._validator.check_runtime(target, before.environment.runtimes)
        validation = Validation(
            snapshot=target.snapshot, runtime=target.runtime, described=target.described, obstacles=()
        )
        made = new_deployment(actor, before.environment, validation, reason=reason, cause="rollback", follows=target.id)

        def work(db: apsw.Connection) -> Deployment:
            now = self.environments.find(db, project, environment)
            check_expected(now, active.id)
            check_allowed(now, made.runtime)
            check_served(target, now)
            rows.add_deployment(db, made, waits=False)
            return rows.activate(db, now, made, None, "")

        return await self._serving.write(work)

    async def end_canary(self, actor: Actor, project: str, environment: str) -> Standing:
        """Let the deployment beside the canary take all requests again.

        Raises:
            NotFound: If there is no canary.
        """

        def work(db: apsw.Connection) -> Standing:
            now = self.environments.find(db, project, environment)
            return standing(db, rows.end_canary(db, now, actor.who))

        return await self._serving.write(work)

    async def approve(self, actor: Actor, project: str, id: str, *, reason: str = "") -> Deployment:
        """Let a deployment that waits serve; the first decision counts.

        One that waits stays decidable when others are asked for after it, or have been approved meanwhile: what is
        approved last serves.

        Raises:
            NotFound: If there is none of that id.
            Conflict: If it is decided already; says how.
            Refused: 403 if somebody else must decide.
            SnapshotRefused: If its runtime is gone, or not allowed any more; it waits on.
        """
        return await self._decide(actor, project, id, Answered(choice="approve", by=actor.who, reason=reason))

    async def reject(self, actor: Actor, project: str, id: str, *, reason: str = "") -> Deployment:
        """Decide that a deployment that waits will not serve; the first decision counts.

        Raises:
            NotFound: If there is none of that id.
            Conflict: If it is decided already; says how.
        """
        return await self._decide(actor, project, id, Answered(choice="reject", by=actor.who, reason=reason))

    async def _decide(self, actor: Actor, project: str, id: str, answered: Answered) -> Deployment:
        waiting = await self._decisions.check(actor, project, id, answered)
        await self._approvals.claim(waiting, answered)
        return await self._decisions.apply(waiting, answered)

    async def check_runtime(self, made: Deployment) -> None:
        """Hold a deployment to the runtimes that there are now, before something is run.

        Raises:
            Unavailable: If its own is gone; names it.
        """
        await check_runtime(self._validator.handlers, made)
