"""Runs of handlers and what was said in them, in the transaction that they are called in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import apsw

from aexl.errors import NotFound
from aexl_plane.records import Execution
from aexl_plane.storage.database import tell
from aexl_plane.storage.rows import columns, fetch, fetch_one

SWEPT: Final = 2000
"""Rows of each kind that one sweep removes, so that nobody waits for it long."""

_COLUMNS: Final = columns(Execution)
_INSERT: Final = f"INSERT INTO executions ({_COLUMNS}) VALUES ({', '.join('?' * len(Execution.__struct_fields__))})"

Ended = Literal["ok", "failed", "cancelled"]


class Payload(NamedTuple):
    """What was asked and answered, as JSON; each is ``None`` where it was not kept."""

    request: str | None
    answer: str | None
    expires: float


class Queued(NamedTuple):
    """An execution that waits for its turn."""

    id: str
    project: str


class Ending(NamedTuple):
    """How an execution ended.

    Attributes:
        answer: The envelope as JSON; ``None`` where nothing is kept of it.
        frees_key: Nothing of it has run, so the client's key may be used again.
    """

    id: str
    status: Ended
    http_status: int | None
    code: str | None
    ended: float
    answer: str | None = None
    frees_key: bool = False


def begin(connection: apsw.Connection, made: Execution, request: str | None, expires: float) -> Execution | None:
    """Keep an execution that is about to run, or to be queued.

    Returns:
        The one that has its key already, in which case nothing was kept.
    """
    if made.key is not None:
        query = f"SELECT {_COLUMNS} FROM executions WHERE project = ? AND key = ?"
        earlier = fetch_one(connection, Execution, query, (made.project, made.key))
        if earlier is not None:
            return earlier
    connection.execute(_INSERT, tuple(getattr(made, name) for name in Execution.__struct_fields__))
    connection.execute("INSERT INTO payloads VALUES (?, ?, NULL, ?)", (made.id, request, expires))
    return None


def start(connection: apsw.Connection, id: str, now: float) -> tuple[Execution, str | None] | None:
    """Note that a queued execution runs; return it with what was asked, ``None`` if it waits no more."""
    connection.execute(
        "UPDATE executions SET status = 'running', started = ? WHERE id = ? AND status = 'queued'", (now, id)
    )
    if not connection.changes():
        return None
    found = fetch_one(connection, Execution, f"SELECT {_COLUMNS} FROM executions WHERE id = ?", (id,))
    payload = find_payload(connection, id)
    assert found is not None, "it was there a line ago"
    return found, None if payload is None else payload.request


def end(connection: apsw.Connection, ending: Ending) -> None:
    """Note how an execution ended; what has ended before stays as it is."""
    connection.execute(
        "UPDATE executions SET status = ?, http_status = ?, code = ?, ended = ?, key = iif(?, NULL, key) "
        "WHERE id = ? AND ended IS NULL",
        (ending.status, ending.http_status, ending.code, ending.ended, ending.frees_key, ending.id),
    )
    if ending.answer is not None:
        connection.execute("UPDATE payloads SET answer = ? WHERE execution = ?", (ending.answer, ending.id))


def cancel(connection: apsw.Connection, made: Execution, by: str, now: float) -> bool:
    """Cancel what is queued, and let the ledger hear of it; say whether it was."""
    query = (
        "UPDATE executions SET status = 'cancelled', code = 'CANCELLED', ended = ? WHERE id = ? AND status = 'queued'"
    )
    connection.execute(query, (now, made.id))
    cancelled = bool(connection.changes())
    if cancelled:
        tell_cancelled(connection, made, by)
    return cancelled


def tell_cancelled(connection: apsw.Connection, made: Execution, by: str) -> None:
    """Let the ledger hear that somebody has cancelled an execution; of its run it hears nothing else."""
    tell(connection, "execution_cancelled", made.id, {**_data(made), "by": by})


def lose_running(connection: apsw.Connection, now: float) -> int:
    """Note that whatever ran when the server ended is lost; return how many that were."""
    query = f"SELECT {_COLUMNS} FROM executions WHERE ended IS NULL AND status = 'running'"
    lost = fetch(connection, Execution, query)
    for each in lost:
        connection.execute(
            "UPDATE executions SET status = 'lost', code = 'LOST', ended = ? WHERE id = ?", (now, each.id)
        )
        tell(connection, "execution_lost", each.id, _data(each))
    return len(lost)


def _data(made: Execution) -> dict[str, str | int]:
    return {"project": made.project, "snapshot": made.snapshot, "kind": made.kind, "handler": made.handler[:200]}


def list_queued(connection: apsw.Connection) -> Sequence[Queued]:
    """Return what waits for its turn, oldest first."""
    query = "SELECT id, project FROM executions WHERE ended IS NULL AND status = 'queued' ORDER BY created, id"
    return [Queued(*row) for row in connection.execute(query)]


def find_execution(connection: apsw.Connection, project: str, id: str) -> Execution:
    """Return an execution.

    Raises:
        NotFound: If the project has no such one.
    """
    query = f"SELECT {_COLUMNS} FROM executions WHERE project = ? AND id = ?"
    found = fetch_one(connection, Execution, query, (project, id))
    if found is None:
        raise NotFound(f"there is no execution {id[:80]!r} in this project")
    return found


def find_payload(connection: apsw.Connection, id: str) -> Payload | None:
    """Return what was asked and answered; ``None`` once it has expired."""
    row = connection.execute("SELECT request, answer, expires FROM payloads WHERE execution = ?", (id,)).fetchone()
    return None if row is None else Payload(*row)


def list_executions(
    connection: apsw.Connection,
    project: str,
    *,
    environment: str | None = None,
    status: str | None = None,
    before: Execution | None = None,
    limit: int,
) -> Sequence[Execution]:
    """Return the latest executions, newest first.

    Args:
        before: Only what is older than this one.
    """
    created, id = (None, "") if before is None else (before.created, before.id)
    query = (
        f"SELECT {_COLUMNS} FROM executions WHERE project = ? AND (? IS NULL OR environment = ?) "
        "AND (? IS NULL OR status = ?) AND (? IS NULL OR (created, id) < (?, ?)) ORDER BY created DESC, id DESC LIMIT ?"
    )
    values = (project, environment, environment, status, status, created, created, id, limit)
    return fetch(connection, Execution, query, values)


def drop_expired(connection: apsw.Connection, now: float, oldest: float) -> int:
    """Remove payloads whose time is over, their keys with them, and executions of long ago; what has not ended stays.

    Args:
        oldest: Executions that were made before are removed.

    Returns:
        How many rows were removed; there may be more.
    """
    query = (
        "SELECT p.execution FROM payloads p JOIN executions e ON e.id = p.execution "
        "WHERE p.expires <= ? AND e.ended IS NOT NULL LIMIT ?"
    )
    stale = [row[0] for row in connection.execute(query, (now, SWEPT))]
    query = "SELECT id FROM executions WHERE created < ? AND ended IS NOT NULL LIMIT ?"
    old = [row[0] for row in connection.execute(query, (oldest, SWEPT))]
    gone = [(id,) for id in {*stale, *old}]
    connection.executemany("DELETE FROM payloads WHERE execution = ?", gone)
    connection.executemany("UPDATE executions SET key = NULL WHERE id = ?", gone)
    connection.executemany("DELETE FROM executions WHERE id = ?", [(id,) for id in old])
    return len(gone)
