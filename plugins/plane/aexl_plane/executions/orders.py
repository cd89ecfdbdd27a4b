"""An order to run something, made of a caller, a place, and what is asked."""

from __future__ import annotations

from collections.abc import Callable

from aexl_plane.executions.asked import Asked
from aexl_plane.executions.payers import find_payer
from aexl_plane.executions.service import Order
from aexl_plane.executions.targets import Target
from aexl_plane.options import PlaneOptions
from aexl_plane.records import Caller, Project, Workspace


class Orders:
    """Makes orders; who pays is as the configuration says now."""

    def __init__(self, options: Callable[[], PlaneOptions]) -> None:
        self._options = options

    def make(
        self,
        caller: Caller,
        workspace: Workspace,
        project: Project,
        target: Target,
        asked: Asked,
        *,
        digest: str = "",
        key: str | None = None,
        replays: str | None = None,
    ) -> Order:
        """Return the order to run something for a caller."""
        identity = {"tenant_id": caller.tenant, "workspace_id": workspace.id, "project_id": project.id}
        if caller.user is not None:
            identity["user_id"] = caller.user
        return Order(
            project=project.id,
            environment=target.environment,
            deployment=target.deployment,
            snapshot=target.snapshot,
            runtime=target.runtime,
            asked=asked,
            identity=identity,
            agent=find_payer(self._options().agents, caller.tenant_name, workspace.slug, project.slug),
            by=caller.who,
            digest=digest,
            key=key,
            replays=replays,
        )
