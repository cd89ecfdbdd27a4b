"""Integrations of projects, as they are told to clients."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import apsw
import msgspec

from aexl.errors import Invalid, NotFound
from aexl_plane.names import check_label, check_slug, new_id
from aexl_plane.records import Connection
from aexl_plane.storage.database import tell
from aexl_plane.storage.rows import columns, fetch, pack


def add_connection(
    connection: apsw.Connection,
    project: str,
    *,
    provider: str,
    name: str,
    allowed: Sequence[str],
    granted: Sequence[str],
    metadata: Mapping[str, Any],
    by: str,
    integration: str = "",
) -> Connection:
    """Add an integration.

    Raises:
        Invalid: If an action is granted that the integration does not have.
    """
    strange = sorted(set(granted) - set(allowed))
    if strange:
        raise Invalid(f"{', '.join(strange)} cannot be granted: allowed_actions has no such action")
    made = Connection(
        id=new_id("ic"),
        project=project,
        provider=check_slug(provider, "a provider"),
        name=check_label(name, "an integration's name"),
        allowed=tuple(sorted(set(allowed))),
        granted=tuple(sorted(set(granted))),
        metadata=metadata,
        created=time.time(),
        integration=integration,
    )
    text = msgspec.json.encode(metadata).decode()
    connection.execute(
        "INSERT INTO connections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (made.id, project, provider, name, pack(made.allowed), pack(made.granted), text, made.created, integration),
    )
    data = {"project": project, "provider": provider, "granted": " ".join(made.granted), "by": by}
    tell(connection, "integration_added", made.id, {**data, "integration": integration})
    return made


def list_connections(connection: apsw.Connection, project: str) -> Sequence[Connection]:
    """Return a project's integrations, oldest first."""
    query = f"SELECT {columns(Connection)} FROM connections WHERE project = ? ORDER BY created"
    return fetch(connection, Connection, query, (project,))


def find_connection(connection: apsw.Connection, project: str, id: str) -> Connection:
    """Return one integration.

    Raises:
        NotFound: If the project has no such one.
    """
    found = next((each for each in list_connections(connection, project) if each.id == id), None)
    if found is None:
        raise NotFound(f"there is no integration {id[:80]!r} in this project")
    return found


def remove_connection(connection: apsw.Connection, project: str, id: str, by: str) -> None:
    """Remove an integration.

    Raises:
        NotFound: If the project has no such one.
    """
    found = find_connection(connection, project, id)
    connection.execute("DELETE FROM connections WHERE id = ?", (found.id,))
    tell(connection, "integration_removed", found.id, {"project": project, "provider": found.provider, "by": by})
