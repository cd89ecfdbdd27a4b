"""What readers get out of the tables: executions and events as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import apsw
import msgspec

from aexl.api.records import Bill, Booked, Execution, Receipt
from aexl.errors import NotFound
from aexl_ledger.chain import STREAM, Event, decode
from aexl_ledger.outcomes import read_usage
from aexl_ledger.tables import select, select_one
from aexl_ledger.windows import MICROS

MOST: Final = 1000
"""Rows of one answer: longer reads are made of several, so that they never hold up a checkpoint for long."""

_SELECT: Final = """
SELECT x.id, x.agent, x.state, x.hold, x.cost, x.corrected, b.seq, b.body, b.hash, e.seq, e.body, e.hash
FROM executions x
JOIN events b ON b.stream = 1 AND b.seq = x.began
LEFT JOIN events e ON e.stream = 1 AND e.seq = x.ended
"""


def read_execution(connection: apsw.Connection, execution: str, agent: str | None = None) -> Execution:
    """Return one execution; with ``agent``, only if it is that agent's.

    Raises:
        NotFound: If there is none.
    """
    row = select_one(connection, f"{_SELECT} WHERE x.id = ?", (execution,))
    if row is None or (agent is not None and row[1] != agent):
        raise NotFound(f"there is no execution {execution!r}")
    return _execution(connection, row)


def read_recent(connection: apsw.Connection, agents: Sequence[str] | None, limit: int) -> list[Execution]:
    """Return the latest executions, of all or of these agents, newest first."""
    count = max(0, min(limit, MOST))
    if agents is None:
        rows = select(connection, f"{_SELECT} ORDER BY x.id DESC LIMIT ?", (count,))
    else:
        latest = f"{_SELECT} WHERE x.agent = ? ORDER BY x.id DESC LIMIT ?"
        found = [row for agent in agents for row in select(connection, latest, (agent, count))]
        rows = sorted(found, key=itemgetter(0), reverse=True)[:count]
    return [_execution(connection, row) for row in rows]


_FAMILY: Final = """
WITH RECURSIVE family (name) AS (
    SELECT name FROM agents WHERE name = ?
    UNION SELECT agents.name FROM agents JOIN family ON agents.parent = family.name
)
SELECT name FROM family
"""


def read_family(connection: apsw.Connection, agent: str) -> list[str]:
    """Return the names of an agent, of its children, and so on: each run has a child of its own.

    Raises:
        NotFound: If there has never been such an agent.
    """
    names = [name for (name,) in select(connection, _FAMILY, (agent,))]
    if not names:
        raise NotFound(f"there is no agent {agent!r}: 'aexl agent list' shows all")
    return names


_BILL: Final = """
SELECT
    count(*) FILTER (WHERE x.state <> 'denied'),
    count(*) FILTER (WHERE x.state = 'denied'),
    count(*) FILTER (WHERE x.ended IS NULL),
    coalesce(sum(coalesce(x.corrected, x.cost)), 0),
    coalesce(max(x.corrected IS NULL AND e.body IS NOT NULL AND json_extract(CAST(e.body AS TEXT), '$.data.estimated')), 0)
FROM executions x
JOIN events b ON b.stream = 1 AND b.seq = x.began
LEFT JOIN events e ON e.stream = 1 AND e.seq = x.ended
WHERE x.agent IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (
    SELECT 1 FROM json_each(?2) AS wanted WHERE NOT EXISTS (
        SELECT 1 FROM json_each(CAST(b.body AS TEXT), '$.data.labels') AS had
        WHERE had.key = wanted.key AND had.value = wanted.value
    )
)
"""


def read_bill(connection: apsw.Connection, agents: Sequence[str], labels: Mapping[str, str]) -> Bill:
    """Return what executions of these agents with these labels cost together."""
    given = (msgspec.json.encode(agents).decode(), msgspec.json.encode(labels).decode())
    row = select_one(connection, _BILL, given)
    assert row is not None  # an aggregate always has a row
    calls, refused, running, cost, estimated = row
    return Bill(calls=calls, refused=refused, running=running, cost=cost, estimated=bool(estimated))


def read_owner(connection: apsw.Connection, upstream_id: str) -> Execution | None:
    """Return the latest execution whose answer the provider knows by this id."""
    row = select_one(connection, f"{_SELECT} WHERE x.upstream_id = ? ORDER BY x.id DESC LIMIT 1", (upstream_id,))
    return None if row is None else _execution(connection, row)


def read_booking(connection: apsw.Connection, execution: str) -> Booked:
    """Return what a settlement answered.

    Raises:
        NotFound: If there is no settlement of that execution.
    """
    row = select_one(
        connection,
        "SELECT e.seq, e.hash, e.body FROM executions x JOIN events e ON e.stream = ? AND e.seq = x.ended"
        " WHERE x.id = ? AND x.state <> 'denied'",
        (STREAM, execution),
    )
    if row is None:
        raise NotFound(f"there is no execution {execution!r} that was settled")
    seq, digest, body = row
    data = decode(body).data
    return Booked(
        execution=execution,
        receipt=Receipt(seq=seq, hash=digest.hex()),
        amount=data.get("amount", 0),
        estimated=bool(data["estimated"]),
        remaining=data.get("remaining"),
        overrun=bool(data.get("overrun", 0)),
    )


def read_events(connection: apsw.Connection, after: int, limit: int) -> list[tuple[int, bytes, bytes]]:
    """Return number, body and hash of the events after ``after``."""
    rows = select(
        connection,
        "SELECT seq, body, hash FROM events WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (STREAM, after, limit),
    )
    return [(seq, body, digest) for seq, body, digest in rows]


def read_head(connection: apsw.Connection) -> int:
    """Return the number of the last event, 0 in an empty ledger."""
    row = select_one(connection, "SELECT max(seq) FROM events WHERE stream = ?", (STREAM,))
    return 0 if row is None or row[0] is None else int(row[0])


def read_life(connection: apsw.Connection, execution: str) -> list[tuple[Event, str]]:
    """Return the events of one execution and their hashes, in order.

    Raises:
        NotFound: If there is no such execution.
    """
    row = select_one(connection, "SELECT began, ended FROM executions WHERE id = ?", (execution,))
    if row is None:
        raise NotFound(f"there is no execution {execution!r}: `aexl ledger show` lists the latest ones")
    events = select(
        connection,
        "SELECT body, hash FROM events WHERE stream = ?1 AND seq IN (?2, ?3)"
        " UNION ALL SELECT body, hash FROM events"
        " WHERE subject = ?4 AND kind = 'execution.corrected' AND stream = ?1"
        " UNION ALL SELECT body, hash FROM events"
        " WHERE subject = ?4 AND kind = 'execution.attempted' AND stream = ?1",
        (STREAM, *row, execution),
    )
    return sorted(((decode(body), digest.hex()) for body, digest in events), key=lambda pair: pair[0].seq)


def read_attempts(connection: apsw.Connection, execution: str) -> list[Mapping[str, str | int | float | None]]:
    """Return the attempts of an execution that failed and were followed by another."""
    rows = select(
        connection,
        "SELECT body FROM events WHERE subject = ? AND kind = 'execution.attempted' AND stream = ? ORDER BY seq",
        (execution, STREAM),
    )
    return [_attempt(decode(body)) for (body,) in rows]


def _attempt(event: Event) -> Mapping[str, str | int | float | None]:
    data = event.data
    return {
        "number": data["number"],
        "provider": data["provider"],
        "provider_model": data["provider_model"],
        "ending": data["ending"],
        "code": data["code"],
        "status": data.get("status"),
        "seconds": data["micros"] / MICROS,
        "held": data["hold"],
        "at": event.time / MICROS,
    }


def event_mapping(body: bytes, digest: bytes) -> Mapping[str, object]:
    """Return an event for programs; ``time`` is Unix seconds."""
    event = decode(body)
    return {
        "seq": event.seq,
        "time": event.time / MICROS,
        "kind": event.kind,
        "subject": event.subject,
        "data": event.data,
        "hash": digest.hex(),
    }


def _execution(connection: apsw.Connection, row: Sequence[Any]) -> Execution:
    (
        execution,
        agent,
        state,
        hold,
        cost,
        corrected,
        began_seq,
        began_body,
        began_hash,
        ended_seq,
        ended_body,
        ended_hash,
    ) = row
    began = decode(began_body)
    ended = decode(ended_body) if ended_body is not None else None
    data: Mapping[str, Any] = began.data
    end: Mapping[str, Any] = ended.data if ended is not None else {}
    receipts = [Receipt(seq=began_seq, hash=began_hash.hex())]
    if state == "denied":
        states = [("denied", began.time / MICROS)]
    else:
        states = [(name, began.time / MICROS) for name in ("reserving", "reserved", "dispatched")]
        if ended is not None:
            states.append((state, ended.time / MICROS))
            receipts.append(Receipt(seq=ended_seq, hash=ended_hash.hex()))
    if corrected is not None:
        receipts.extend(
            Receipt(seq=event.seq, hash=digest)
            for event, digest in read_life(connection, execution)
            if event.kind == "execution.corrected"
        )
    usage = end.get("usage")
    return Execution(
        id=execution,
        agent=agent,
        state=state,
        states=tuple(states),
        surface=data["surface"],
        model=data["model"],
        provider=end.get("provider", data.get("provider")),
        provider_model=end.get("provider_model"),
        price_version=end.get("price_version", data.get("price_version")),
        hold=hold,
        cost=cost if corrected is None else corrected,
        estimated=bool(end.get("estimated", 0)) and corrected is None,
        overrun=bool(end.get("overrun", 0)),
        reason=end.get("reason", data.get("code")),
        status=end.get("status"),
        usage=None if usage is None else read_usage(usage),
        labels=data.get("labels", {}),
        receipts=tuple(receipts),
        attempts=tuple(read_attempts(connection, execution)) if state != "denied" else (),
    )
