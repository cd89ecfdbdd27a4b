"""What a run is a run of: what an environment serves, or a snapshot that could be deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import trio

from aexl_plane.deployments.service import Deployments
from aexl_plane.deployments.validation import SnapshotRefused
from aexl_plane.records import Deployment

TRUST_SECONDS: Final = 60.0
"""How long a snapshot that was found good is taken for it: runtimes can go."""

_KEPT: Final = 1000
"""Snapshots that are remembered so."""


class Target(NamedTuple):
    """A snapshot and the interpreter that runs it.

    Attributes:
        runtime: Its name; empty for the built-in one.
        described: What the snapshot declares, as ``Handlers.describe`` says it.
    """

    environment: str | None
    deployment: str | None
    snapshot: str
    runtime: str
    described: Mapping[str, Any]


class Targets:
    """Finds them."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments = deployments
        self._good: dict[tuple[str, str, str], tuple[Target, float]] = {}

    async def served(self, project: str, environment: str) -> Target:
        """Return what takes an environment's next request.

        Raises:
            NotFound: If there is no such environment, or nothing serves it yet.
        """
        return target_of(await self._deployments.serving(project, environment))

    async def deployed(self, project: str, deployment: str) -> Target:
        """Return what a deployment ran.

        Raises:
            NotFound: If the project has no such one.
        """
        return target_of(await self._deployments.get(project, deployment))

    async def snapshot(self, project: str, name: str, runtime: str) -> Target:
        """Return a snapshot of a project that nothing stands against.

        Args:
            name: Its id, or the name of a head.

        Raises:
            NotFound: If the project has no such snapshot.
            SnapshotRefused: 422 with everything that stands against running it.
        """
        now = trio.current_time()
        found = self._good.get((project, name, runtime))
        if found is not None and found[1] > now:
            return found[0]
        validation = await self._deployments.validate(project, name, None, runtime)
        if validation.obstacles:
            raise SnapshotRefused(validation)
        target = Target(None, None, validation.snapshot, validation.runtime, validation.described)
        if len(self._good) >= _KEPT:
            self._good.clear()
        if name == target.snapshot:  # a head may point elsewhere at once
            self._good[(project, name, runtime)] = target, now + TRUST_SECONDS
        return target


def target_of(made: Deployment) -> Target:
    """Return what a deployment runs."""
    return Target(made.environment, made.id, made.snapshot, made.runtime, made.described)
