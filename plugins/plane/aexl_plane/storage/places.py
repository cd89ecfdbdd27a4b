"""Workspaces and projects: everything is looked up below the caller's tenant, so that what is another's is not there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import apsw

from aexl.errors import Conflict, NotFound
from aexl_plane.names import check_label, check_slug, new_id
from aexl_plane.records import Caller, Project, Workspace
from aexl_plane.storage.database import tell
from aexl_plane.storage.rows import columns, fetch, fetch_one


def create_workspace(connection: apsw.Connection, tenant: str, slug: str, name: str, by: str) -> Workspace:
    """Make a workspace.

    Raises:
        Conflict: If the tenant has one of that slug.
    """
    check_slug(slug, "a workspace")
    made = Workspace(
        id=new_id("ws"), tenant=tenant, slug=slug, name=check_label(name, "a workspace's name"), created=time.time()
    )
    if connection.execute("SELECT 1 FROM workspaces WHERE tenant = ? AND slug = ?", (tenant, slug)).fetchone():
        raise Conflict(f"there is a workspace {slug} already")
    connection.execute("INSERT INTO workspaces VALUES (?, ?, ?, ?, ?)", (made.id, tenant, slug, name, made.created))
    tell(connection, "workspace_created", made.id, {"tenant": tenant, "slug": slug, "by": by})
    return made


def create_project(connection: apsw.Connection, workspace: Workspace, slug: str, name: str, by: str) -> Project:
    """Make a project.

    Raises:
        Conflict: If the workspace has one of that slug.
    """
    check_slug(slug, "a project")
    made = Project(
        id=new_id("pr"),
        workspace=workspace.id,
        slug=slug,
        name=check_label(name, "a project's name"),
        created=time.time(),
    )
    query = "SELECT 1 FROM projects WHERE workspace = ? AND slug = ?"
    if connection.execute(query, (workspace.id, slug)).fetchone():
        raise Conflict(f"there is a project {slug} already in {workspace.slug}")
    connection.execute("INSERT INTO projects VALUES (?, ?, ?, ?, ?)", (made.id, workspace.id, slug, name, made.created))
    data = {"tenant": workspace.tenant, "workspace": workspace.id, "slug": slug, "by": by}
    tell(connection, "project_created", made.id, data)
    return made


_WORKSPACES: Final = (
    f"SELECT {columns(Workspace)} FROM workspaces WHERE tenant = ? AND (? IS NULL OR id = ?) "
    "AND (? IS NULL OR id = (SELECT workspace FROM projects WHERE id = ?))"
)
_PROJECTS: Final = f"SELECT {columns(Project)} FROM projects WHERE workspace = ? AND (? IS NULL OR id = ?)"


def list_workspaces(connection: apsw.Connection, caller: Caller) -> Sequence[Workspace]:
    """Return the workspaces that a caller reaches, by slug."""
    return fetch(connection, Workspace, f"{_WORKSPACES} ORDER BY slug", _reach(caller))


def _reach(caller: Caller) -> tuple[str | None, ...]:
    return caller.tenant, caller.workspace, caller.workspace, caller.project, caller.project


def list_projects(connection: apsw.Connection, caller: Caller, workspace: Workspace) -> Sequence[Project]:
    """Return the projects of a workspace that a caller reaches, by slug."""
    return fetch(connection, Project, f"{_PROJECTS} ORDER BY slug", (workspace.id, caller.project, caller.project))


def find_workspace(connection: apsw.Connection, caller: Caller, name: str) -> Workspace:
    """Return a workspace by id or slug.

    Raises:
        NotFound: If the caller reaches none, whether or not somebody else has one.
    """
    found = fetch_one(connection, Workspace, f"{_WORKSPACES} AND ? IN (id, slug)", (*_reach(caller), name))
    if found is None:
        raise NotFound(f"there is no workspace {name[:80]!r}; 'aexl workspace list' shows them")
    return found


def find_project(connection: apsw.Connection, caller: Caller, workspace: Workspace, name: str) -> Project:
    """Return a project of a workspace by id or slug.

    Raises:
        NotFound: As ``find_workspace``.
    """
    values = (workspace.id, caller.project, caller.project, name)
    found = fetch_one(connection, Project, f"{_PROJECTS} AND ? IN (id, slug)", values)
    if found is None:
        raise NotFound(f"there is no project {name[:80]!r} in {workspace.slug}; 'aexl project list' shows them")
    return found


def project_of_caller(connection: apsw.Connection, caller: Caller, project: str) -> Project | None:
    """Return a project by its id alone; ``None`` if the caller does not reach it."""
    query = (
        f"SELECT {columns(Project, 'p')} FROM projects p JOIN workspaces w ON w.id = p.workspace "
        "WHERE p.id = ? AND w.tenant = ? AND (? IS NULL OR w.id = ?) AND (? IS NULL OR p.id = ?)"
    )
    workspace, only = caller.workspace, caller.project
    return fetch_one(connection, Project, query, (project, caller.tenant, workspace, workspace, only, only))
