"""Idempotency keys of integrations' calls, and the answers that they stand for."""

from __future__ import annotations

from typing import Final

import apsw

from aexl.errors import Refused

ANSWER_CHARACTERS: Final = 262_144
"""Of an answer that is kept; of a longer one only the key is."""


def claim(connection: apsw.Connection, id: str, key: str, digest: str, now: float, seconds: float) -> str | None:
    """Take a key of a connection for a call; return the answer of the call that has ended under it.

    Raises:
        Refused: If another call has it: 422 for another one, 409 for one whose end or answer is not known.
    """
    connection.execute("DELETE FROM actions WHERE expires <= ?", (now,))
    row = connection.execute(
        "SELECT digest, answer FROM actions WHERE connection = ? AND key = ?", (id, key)
    ).fetchone()
    if row is None:
        values = (id, key, digest, now + seconds)
        connection.execute("INSERT INTO actions (connection, key, digest, expires) VALUES (?, ?, ?, ?)", values)
        return None
    if row[0] != digest:
        raise Refused(
            "this idempotency key belongs to another call; use another key", code="idempotency_mismatch", status=422
        )
    if row[1] is None:
        raise Refused(
            "the call with this idempotency key runs, or was broken off; look whether it has happened",
            code="in_flight",
            status=409,
        )
    if not row[1]:
        raise Refused(
            "the call with this idempotency key has happened; its answer was too long to keep",
            code="answer_not_kept",
            status=409,
        )
    return str(row[1])


def keep(connection: apsw.Connection, id: str, key: str, answer: str) -> None:
    """Keep the answer of a call that went well."""
    kept = answer if len(answer) <= ANSWER_CHARACTERS else ""
    connection.execute("UPDATE actions SET answer = ? WHERE connection = ? AND key = ?", (kept, id, key))


def forget(connection: apsw.Connection, id: str, key: str) -> None:
    """Free the key of a call that has failed."""
    connection.execute("DELETE FROM actions WHERE connection = ? AND key = ?", (id, key))
