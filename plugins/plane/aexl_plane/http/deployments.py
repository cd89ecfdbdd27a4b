"""Our own routes below ``/api/v1`` for environments and what is deployed to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aexl_plane.deployments.actors import actor_of
from aexl_plane.deployments.service import Deployments
from aexl_plane.http.deployment_shapes import (
    Decision,
    DeploymentDetail,
    DeploymentList,
    EnvironmentList,
    EnvironmentSettings,
    EnvironmentState,
    NewDeployment,
    Promotion,
    Rollback,
    RuntimeList,
    SnapshotValidation,
    Trial,
    deployment_detail,
    deployment_summary,
    environment_state,
    runtime_state,
    snapshot_validation,
)
from aexl_plane.http.manage import PROJECT_API
from aexl_plane.http.request import Reply, Request, json_reply
from aexl_plane.http.routing import Parameter, Route

LISTED: Final = 1000
"""Deployments in one answer."""

_ENVIRONMENT: Final = Parameter("environment", {"type": "string"}, "Only this environment's.")
_LIMIT: Final = Parameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": LISTED, "default": 100}, "The most that are listed."
)


class EnvironmentRoutes:
    """Environments, and what moves them from one deployment to another."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments = deployments

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        environments = f"{PROJECT_API}/environments"
        one = f"{environments}/{{environment}}"
        return (
            Route(
                method="GET",
                path=environments,
                needs="read",
                answer=self.list,
                summary="List a project's environments, and what serves them",
                gives=EnvironmentList,
            ),
            Route(
                method="GET",
                path=one,
                needs="read",
                answer=self.get,
                summary="Show an environment",
                gives=EnvironmentState,
            ),
            Route(
                method="PUT",
                path=one,
                needs="admin",
                answer=self.put,
                summary="Make an environment, or change its settings",
                takes=EnvironmentSettings,
                gives=EnvironmentState,
            ),
            Route(
                method="POST",
                path=f"{one}:promote",
                needs="write",
                answer=self.promote,
                summary="Let another environment run what this one runs",
                takes=Promotion,
                gives=DeploymentDetail,
                status=201,
                failures=(422,),
            ),
            Route(
                method="POST",
                path=f"{one}:rollback",
                needs="write",
                answer=self.rollback,
                summary="Let an environment run what it ran before, or end its canary",
                takes=Rollback,
                gives=DeploymentDetail,
                failures=(422,),
            ),
            Route(
                method="DELETE",
                path=f"{one}/canary",
                needs="write",
                answer=self.end_canary,
                summary="End an environment's canary",
                gives=EnvironmentState,
            ),
            Route(
                method="GET",
                path=f"{PROJECT_API}/runtimes",
                needs="read",
                answer=self.runtimes,
                summary="List the runtimes of this server",
                gives=RuntimeList,
            ),
        )

    async def list(self, request: Request) -> Reply:
        """Return a project's environments."""
        found = await self._deployments.environments.list(request.project.id)
        return json_reply(EnvironmentList(environments=[environment_state(each) for each in found]))

    async def get(self, request: Request) -> Reply:
        """Return one environment."""
        found = await self._deployments.environments.get(request.project.id, request.parts["environment"])
        return json_reply(environment_state(found))

    async def put(self, request: Request) -> Reply:
        """Make an environment, or change its settings."""
        wanted, name = await request.json(EnvironmentSettings), request.parts["environment"]
        made = await self._deployments.environments.put(
            actor_of(request.caller), request.project.id, name, wanted.approval, wanted.runtimes
        )
        return json_reply(environment_state(made))

    async def promote(self, request: Request) -> Reply:
        """Let another environment run what this one runs."""
        wanted = await request.json(Promotion)
        made = await self._deployments.promote(
            actor_of(request.caller),
            request.project.id,
            request.parts["environment"],
            wanted.to,
            reason=wanted.reason,
            expected=wanted.expected,
        )
        return json_reply(deployment_detail(made), 201)

    async def rollback(self, request: Request) -> Reply:
        """Let an environment run what it ran before."""
        wanted, name = await request.json(Rollback), request.parts["environment"]
        made = await self._deployments.rollback(
            actor_of(request.caller), request.project.id, name, wanted.to, reason=wanted.reason
        )
        return json_reply(deployment_detail(made))

    async def end_canary(self, request: Request) -> Reply:
        """End a canary."""
        found = await self._deployments.end_canary(
            actor_of(request.caller), request.project.id, request.parts["environment"]
        )
        return json_reply(environment_state(found))

    async def runtimes(self, request: Request) -> Reply:  # noqa: ARG002 - the same for every project of a server
        """Return the interpreters."""
        found = await self._deployments.runtimes()
        return json_reply(RuntimeList(runtimes=[runtime_state(each) for each in found]))


class DeploymentRoutes:
    """Deployments: asked for, looked at, decided on."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments = deployments

    def routes(self) -> Sequence[Route]:
        """Return the routes."""
        deployments = f"{PROJECT_API}/deployments"
        one = f"{deployments}/{{deployment}}"
        return (
            Route(
                method="POST",
                path=deployments,
                needs="write",
                answer=self.deploy,
                summary="Deploy a snapshot to an environment",
                takes=NewDeployment,
                gives=DeploymentDetail,
                status=201,
                failures=(422,),
            ),
            Route(
                method="GET",
                path=deployments,
                needs="read",
                answer=self.list,
                summary="List deployments, newest first",
                gives=DeploymentList,
                query=(_ENVIRONMENT, _LIMIT),
            ),
            Route(
                method="GET",
                path=one,
                needs="read",
                answer=self.get,
                summary="Show a deployment, and what its snapshot declares",
                gives=DeploymentDetail,
            ),
            Route(
                method="POST",
                path=f"{one}:approve",
                needs="admin",
                answer=self.approve,
                summary="Let a waiting deployment serve",
                takes=Decision,
                gives=DeploymentDetail,
                failures=(422,),
            ),
            Route(
                method="POST",
                path=f"{one}:reject",
                needs="admin",
                answer=self.reject,
                summary="Decide that a waiting deployment will not serve",
                takes=Decision,
                gives=DeploymentDetail,
            ),
            Route(
                method="POST",
                path=f"{PROJECT_API}/snapshots/{{snapshot}}:validate",
                needs="write",
                answer=self.validate,
                summary="Say what stands against deploying a snapshot",
                takes=Trial,
                gives=SnapshotValidation,
            ),
        )

    async def deploy(self, request: Request) -> Reply:
        """Deploy a snapshot."""
        wanted = await request.json(NewDeployment)
        made = await self._deployments.deploy(
            actor_of(request.caller),
            request.project.id,
            wanted.environment,
            snapshot=wanted.snapshot,
            runtime=wanted.runtime,
            weight=wanted.weight,
            reason=wanted.reason,
            expected=wanted.expected,
        )
        return json_reply(deployment_detail(made), 201)

    async def list(self, request: Request) -> Reply:
        """Return deployments, newest first."""
        environment, limit = request.query.get("environment"), request.number("limit", 100, LISTED)
        found = await self._deployments.list(request.project.id, environment, limit)
        return json_reply(DeploymentList(deployments=[deployment_summary(each) for each in found]))

    async def get(self, request: Request) -> Reply:
        """Return one deployment."""
        found = await self._deployments.get(request.project.id, request.parts["deployment"])
        return json_reply(deployment_detail(found))

    async def approve(self, request: Request) -> Reply:
        """Let a waiting deployment serve."""
        wanted, id = await request.json(Decision), request.parts["deployment"]
        made = await self._deployments.approve(actor_of(request.caller), request.project.id, id, reason=wanted.reason)
        return json_reply(deployment_detail(made))

    async def reject(self, request: Request) -> Reply:
        """Decide that a waiting deployment will not serve."""
        wanted, id = await request.json(Decision), request.parts["deployment"]
        made = await self._deployments.reject(actor_of(request.caller), request.project.id, id, reason=wanted.reason)
        return json_reply(deployment_detail(made))

    async def validate(self, request: Request) -> Reply:
        """Say what stands against a snapshot."""
        wanted = await request.json(Trial)
        found = await self._deployments.validate(
            request.project.id, request.parts["snapshot"], wanted.environment, wanted.runtime
        )
        return json_reply(snapshot_validation(found))
