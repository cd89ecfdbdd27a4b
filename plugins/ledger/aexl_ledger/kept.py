"""The answers of keyed calls, kept for a while beside the ledger."""

from __future__ import annotations

import apsw

from aexl.api.records import Booked, Replay
from aexl.errors import Refused
from aexl_ledger import answers
from aexl_ledger.tables import select, select_one


def find_answer(connection: apsw.Connection, booked: Booked, largest: int) -> Replay | Refused:
    """Return the answer of a success, or the refusal to run it again where none is kept.

    Raises:
        Unavailable: If what is stored is damaged, or has more than ``largest`` bytes.
    """
    row = select_one(connection, "SELECT data FROM answers WHERE execution = ?", (booked.execution,))
    if row is not None:
        return answers.unpack(row[0], booked.execution, booked, largest)
    return Refused(
        f"this Idempotency-Key belongs to the execution {booked.execution}, a success whose answer is not kept",
        code="answer_not_kept",
        status=409,
    )


def sum_answers(connection: apsw.Connection) -> int:
    """Return the bytes of all kept answers."""
    row = select_one(connection, "SELECT coalesce(sum(size), 0) FROM answers")
    return 0 if row is None else int(row[0])


def drop_oldest(connection: apsw.Connection, excess: int) -> int:
    """Delete answers, the oldest first, until ``excess`` bytes are gone; return how many went."""
    gone = 0
    while gone < excess:
        rows = select(connection, "SELECT execution, size FROM answers ORDER BY expires, execution LIMIT 100")
        if not rows:
            break
        for execution, size in rows:
            if gone < excess:
                connection.execute("DELETE FROM answers WHERE execution = ?", (execution,))
                gone += size
    return gone


def delete_expired(connection: apsw.Connection, now: int) -> int:
    """Delete claims and answers that are too old at ``now``; return how many bytes of answers went."""
    connection.execute("DELETE FROM claims WHERE expires <= ? AND done = 1", (now,))
    return sum(size for (size,) in select(connection, "DELETE FROM answers WHERE expires <= ? RETURNING size", (now,)))
