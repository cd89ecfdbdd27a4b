"""Environments and what is deployed to them, in the transaction that they are called in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import apsw
import msgspec

from aexl.errors import Conflict, NotFound
from aexl_plane.names import check_slug
from aexl_plane.records import Deployment, Environment
from aexl_plane.storage.database import tell
from aexl_plane.storage.rows import columns, fetch, fetch_one, number, pack

ENVIRONMENTS: Final = 20
"""Of a project, those included that are there without being made."""

WAITING: Final = 20
"""Deployments of one environment that wait for approval."""


class Usual(NamedTuple):
    """The environments that every project has without making them; those in ``approval`` ask for it."""

    names: Sequence[str]
    approval: Sequence[str]


def find_environment(connection: apsw.Connection, project: str, name: str, usual: Usual) -> Environment:
    """Return an environment.

    Raises:
        NotFound: If there is none.
    """
    query = f"SELECT {columns(Environment)} FROM environments WHERE project = ? AND name = ?"
    found = fetch_one(connection, Environment, query, (project, name))
    if found is not None:
        return found
    if name in usual.names:
        return _untouched(project, name, usual)
    known = ", ".join(each.name for each in list_environments(connection, project, usual))
    raise NotFound(f"there is no environment {name[:80]!r} in this project; there are {known}")


def list_environments(connection: apsw.Connection, project: str, usual: Usual) -> Sequence[Environment]:
    """Return a project's environments: the usual ones first, the others by name."""
    query = f"SELECT {columns(Environment)} FROM environments WHERE project = ? ORDER BY name"
    kept = {each.name: each for each in fetch(connection, Environment, query, (project,))}
    first = [kept.pop(name) if name in kept else _untouched(project, name, usual) for name in usual.names]
    return [*first, *kept.values()]


def _untouched(project: str, name: str, usual: Usual) -> Environment:
    return Environment(
        project=project,
        name=name,
        approval=name in usual.approval,
        runtimes=(),
        deployment=None,
        canary=None,
        changed=0.0,
    )


def put_environment(
    connection: apsw.Connection,
    project: str,
    name: str,
    *,
    approval: bool | None,
    runtimes: Sequence[str] | None,
    usual: Usual,
    by: str,
) -> Environment:
    """Make an environment, or change its settings; ``None`` leaves a setting as it is.

    Raises:
        Invalid: If the name is none.
        Conflict: If the project has as many as it may.
    """
    check_slug(name, "an environment")
    known = {each.name: each for each in list_environments(connection, project, usual)}
    if name not in known and len(known) >= ENVIRONMENTS:
        raise Conflict(f"a project has {ENVIRONMENTS} environments at most; this one has them")
    before = known.get(name) or _untouched(project, name, usual)
    after = msgspec.structs.replace(
        before,
        approval=before.approval if approval is None else approval,
        runtimes=before.runtimes if runtimes is None else tuple(sorted(set(runtimes))),
        changed=time.time(),
    )
    _keep(connection, after)
    data: dict[str, str | int] = {
        "project": project,
        "approval": int(after.approval),
        "runtimes": " ".join(after.runtimes),
        "by": by,
    }
    tell(connection, "environment_changed", name, data)
    return after


def _keep(connection: apsw.Connection, environment: Environment) -> None:
    values = {
        **msgspec.structs.asdict(environment),
        "approval": int(environment.approval),
        "runtimes": pack(environment.runtimes),
    }
    _write(connection, "INSERT OR REPLACE INTO environments", values)


def _write(connection: apsw.Connection, insert: str, values: dict[str, str | int | float | None]) -> None:
    places = ", ".join(f":{name}" for name in values)
    connection.execute(f"{insert} ({', '.join(values)}) VALUES ({places})", values)


def add_deployment(connection: apsw.Connection, made: Deployment, *, waits: bool) -> None:
    """Keep a deployment that waits, or is about to be activated.

    Raises:
        Conflict: If too many wait already.
    """
    if waits:
        query = "SELECT count(*) FROM deployments WHERE project = ? AND environment = ? AND status = 'waiting'"
        if number(connection, query, (made.project, made.environment)) >= WAITING:
            raise Conflict(f"{WAITING} deployments to {made.environment} wait for approval already; decide them first")
    values = {**msgspec.structs.asdict(made), "described": msgspec.json.encode(made.described).decode()}
    _write(connection, "INSERT INTO deployments", values)
    if waits:
        tell(connection, "deployment_waiting", made.id, _data(made))


def activate(
    connection: apsw.Connection, environment: Environment, made: Deployment, decided_by: str | None, reason: str
) -> Deployment:
    """Let a deployment that is kept take the environment's requests, or its part of them.

    A canary replaces the canary; anything else both of them.
    """
    over = [environment.canary] if made.weight < 100 else [environment.deployment, environment.canary]
    connection.executemany(
        "UPDATE deployments SET status = 'replaced' WHERE id = ?", [(id,) for id in over if id is not None]
    )
    after = msgspec.structs.replace(
        made,
        status="active",
        replaces=environment.deployment,
        decided=time.time(),
        decided_by=decided_by,
        reason=reason or made.reason,
    )
    _settle(connection, after)
    serving = {"canary": made.id} if made.weight < 100 else {"deployment": made.id, "canary": None}
    _keep(connection, msgspec.structs.replace(environment, **serving))
    data = {**_data(after), "replaces": after.replaces or "", "approved_by": decided_by or ""}
    tell(connection, "deployed", made.id, data)
    return after


def reject(connection: apsw.Connection, made: Deployment, decided_by: str, reason: str) -> Deployment:
    """Decide that a waiting deployment will not be active."""
    after = msgspec.structs.replace(
        made, status="rejected", decided=time.time(), decided_by=decided_by, reason=reason or made.reason
    )
    _settle(connection, after)
    data = {**_data(after), "rejected_by": decided_by, "reason": reason}
    tell(connection, "deployment_rejected", made.id, data)
    return after


def end_canary(connection: apsw.Connection, environment: Environment, by: str) -> Environment:
    """Let the deployment beside the canary take all requests again.

    Raises:
        NotFound: If there is no canary.
    """
    if environment.canary is None:
        raise NotFound(f"{environment.name} has no canary")
    connection.execute("UPDATE deployments SET status = 'replaced' WHERE id = ?", (environment.canary,))
    after = msgspec.structs.replace(environment, canary=None)
    _keep(connection, after)
    data = {"project": environment.project, "environment": environment.name, "by": by}
    tell(connection, "canary_ended", environment.canary, data)
    return after


def _settle(connection: apsw.Connection, made: Deployment) -> None:
    connection.execute(
        "UPDATE deployments SET status = ?, replaces = ?, decided = ?, decided_by = ?, reason = ? WHERE id = ?",
        (made.status, made.replaces, made.decided, made.decided_by, made.reason, made.id),
    )


def _data(made: Deployment) -> dict[str, str | int]:
    return {
        "project": made.project,
        "environment": made.environment,
        "snapshot": made.snapshot,
        "runtime": made.runtime,
        "weight": made.weight,
        "cause": made.cause,
        "by": made.by,
    }


def find_deployment(connection: apsw.Connection, project: str, id: str) -> Deployment:
    """Return a deployment.

    Raises:
        NotFound: If the project has no such one.
    """
    query = f"SELECT {columns(Deployment)} FROM deployments WHERE project = ? AND id = ?"
    found = fetch_one(connection, Deployment, query, (project, id))
    if found is None:
        raise NotFound(f"there is no deployment {id[:80]!r} in this project")
    return found


def list_deployments(
    connection: apsw.Connection, project: str, environment: str | None, limit: int
) -> Sequence[Deployment]:
    """Return the latest deployments, newest first, without what their snapshots declare: that can be long."""
    shown = columns(Deployment).replace("described", "'{}'")
    query = (
        f"SELECT {shown} FROM deployments WHERE project = ? AND (? IS NULL OR environment = ?) "
        "ORDER BY created DESC, rowid DESC LIMIT ?"
    )
    return fetch(connection, Deployment, query, (project, environment, environment, limit))


def list_waiting(
    connection: apsw.Connection, project: str | None = None, environment: str | None = None
) -> Sequence[Deployment]:
    """Return what waits for approval, in an environment or in all projects, oldest first."""
    query = (
        f"SELECT {columns(Deployment)} FROM deployments WHERE status = 'waiting' AND (?1 IS NULL OR project = ?1) "
        "AND (?2 IS NULL OR environment = ?2) ORDER BY created, rowid"
    )
    return fetch(connection, Deployment, query, (project, environment))


def place_of(connection: apsw.Connection, project: str) -> str:
    """Return what a project is called by people: tenant, workspace and project."""
    query = (
        "SELECT t.name || '/' || w.slug || '/' || p.slug FROM projects p JOIN workspaces w ON w.id = p.workspace "
        "JOIN tenants t ON t.id = w.tenant WHERE p.id = ?"
    )
    [(found,)] = connection.execute(query, (project,))
    return str(found)


def find_earlier(connection: apsw.Connection, now: Deployment) -> Deployment:
    """Return what a rollback without a name goes back to: the last one before that ran something else.

    What was rolled back to is followed, so that a second rollback goes further back, and not forth again.

    Raises:
        NotFound: If there is none.
    """
    each = now
    while True:
        while each.cause == "rollback" and each.follows is not None:
            each = find_deployment(connection, now.project, each.follows)
        if each.replaces is None:
            raise NotFound(f"{now.environment} has no earlier deployment to go back to")
        each = find_deployment(connection, now.project, each.replaces)
        if (each.snapshot, each.runtime) != (now.snapshot, now.runtime):
            return each
