"""What is asked and answered about environments and deployments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aexl.api import BUILTIN, RuntimeOffer
from aexl_plane.deployments.environments import Standing
from aexl_plane.deployments.obstacles import Obstacle
from aexl_plane.deployments.validation import Validation
from aexl_plane.records import Deployment
from aexl_plane.stamps import stamp


class EnvironmentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an environment; what is left out stays as it is.

    Attributes:
        approval: A deployment waits until it is approved.
        runtimes: Names of the runtimes that may run it; an empty list for any.
    """

    approval: bool | None = None
    runtimes: tuple[str, ...] | None = None


class NewDeployment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deployment to make.

    Attributes:
        snapshot: Its id, or the name of a head; the project's present state if left out.
        runtime: The interpreter's name; the built-in one if left out.
        weight: Percent of requests, 1 to 100; less than 100 makes a canary.
        reason: Up to 1,000 characters.
        expected: The id of the deployment that must serve now.
    """

    environment: str
    snapshot: str | None = None
    runtime: str = ""
    weight: int = 100
    reason: str = ""
    expected: str | None = None


class Promotion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to promote to; ``expected`` is the deployment that must serve there now."""

    to: str
    reason: str = ""
    expected: str | None = None


class Rollback(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deployment to go back to; by default the last one that ran something else."""

    to: str | None = None
    reason: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a deployment is approved or rejected; up to 1,000 characters."""

    reason: str = ""


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a snapshot is validated for: a runtime, and an environment whose list counts."""

    runtime: str = ""
    environment: str | None = None


class DeploymentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment; times are ISO 8601.

    Attributes:
        status: ``waiting``, ``active``, ``replaced`` or ``rejected``.
        cause: ``deploy``, ``promote`` or ``rollback``.
        follows: The deployment that it was promoted from, or rolled back to.
        replaces: The one that served when it became active.
        decided: When it became active, or was rejected.
        decided_by: Who approved or rejected it.
    """

    id: str
    environment: str
    snapshot: str
    runtime: str
    weight: int
    status: str
    cause: str
    follows: str | None
    replaces: str | None
    by: str
    reason: str
    created: str
    decided: str | None
    decided_by: str | None


class DeploymentDetail(DeploymentSummary, frozen=True, kw_only=True):
    """A deployment, with what its snapshot declares."""

    described: Mapping[str, Any]


class DeploymentList(msgspec.Struct, frozen=True, kw_only=True):
    """Deployments, newest first."""

    deployments: Sequence[DeploymentSummary]


class EnvironmentState(msgspec.Struct, frozen=True, kw_only=True):
    """An environment, what serves it, and what waits for approval, oldest first."""

    name: str
    approval: bool
    runtimes: Sequence[str]
    active: DeploymentSummary | None
    canary: DeploymentSummary | None
    waiting: Sequence[DeploymentSummary]


class EnvironmentList(msgspec.Struct, frozen=True, kw_only=True):
    """A project's environments."""

    environments: Sequence[EnvironmentState]


class SnapshotValidation(msgspec.Struct, frozen=True, kw_only=True):
    """What stands against deploying a snapshot; ``described`` is what it declares, if nothing does."""

    snapshot: str
    runtime: str
    ok: bool
    problems: Sequence[Obstacle]
    described: Mapping[str, Any]


class RuntimeState(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter that may run handlers; ``problem`` says that it cannot now, and the server's machine why."""

    name: str
    python: str
    sdk: str
    runtime: str
    problem: str


class RuntimeList(msgspec.Struct, frozen=True, kw_only=True):
    """The interpreters of this server, the built-in one first."""

    runtimes: Sequence[RuntimeState]


def _fields(made: Deployment) -> dict[str, Any]:
    return {
        "id": made.id,
        "environment": made.environment,
        "snapshot": made.snapshot,
        "runtime": made.runtime or BUILTIN,
        "weight": made.weight,
        "status": made.status,
        "cause": made.cause,
        "follows": made.follows,
        "replaces": made.replaces,
        "by": made.by,
        "reason": made.reason,
        "created": stamp(made.created),
        "decided": None if made.decided is None else stamp(made.decided),
        "decided_by": made.decided_by,
    }


def deployment_summary(made: Deployment) -> DeploymentSummary:
    """Return a deployment as a list has it."""
    return DeploymentSummary(**_fields(made))


def deployment_detail(made: Deployment) -> DeploymentDetail:
    """Return a deployment with what its snapshot declares."""
    return DeploymentDetail(**_fields(made), described=made.described)


def environment_state(found: Standing) -> EnvironmentState:
    """Return an environment."""
    environment = found.environment
    return EnvironmentState(
        name=environment.name,
        approval=environment.approval,
        runtimes=environment.runtimes,
        active=None if found.active is None else deployment_summary(found.active),
        canary=None if found.canary is None else deployment_summary(found.canary),
        waiting=[deployment_summary(each) for each in found.waiting],
    )


def snapshot_validation(found: Validation) -> SnapshotValidation:
    """Return what came of looking at a snapshot."""
    return SnapshotValidation(
        snapshot=found.snapshot,
        runtime=found.runtime or BUILTIN,
        ok=not found.obstacles,
        problems=found.obstacles,
        described=found.described,
    )


def runtime_state(offer: RuntimeOffer) -> RuntimeState:
    """Return an interpreter."""
    return RuntimeState(
        name=offer.name,
        python=offer.python,
        sdk=offer.sdk,
        runtime=offer.runtime,
        problem="it cannot be used now; 'aexl runtime list' on the server says why" if offer.problem else "",
    )
