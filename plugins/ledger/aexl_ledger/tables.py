"""Rows and the state: how what changed is written, and how everything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import apsw
import msgspec

from aexl.errors import Unavailable
from aexl_ledger.chain import GENESIS, STREAM, link
from aexl_ledger.engine import Batch, Engine
from aexl_ledger.state import AgentRow, Claim, ExecutionRow, State, TokenRow, WindowRow
from aexl_ledger.windows import Period

MOST_ROWS: Final = 48
"""Rows of one INSERT. Statements of each length up to this are prepared once; SQLite's limit is far away."""

Row = tuple[Any, ...]

_KEYS: Final = {"events": "", "agents": "name", "tokens": "id", "executions": "id", "claims": "agent, key"}
_FIXED: Final = {
    "agents": {"name"},
    "tokens": {"id"},
    "executions": {"id", "agent", "began"},
    "claims": {"agent", "key"},
}
"""Columns that never change: SQLite writes an index anew when an update names a column of it."""
_COLUMNS: Final = {
    "events": "stream seq kind subject body hash",
    "agents": "name parent state reason budget timezone limits created spent reserved last_active deleted "
    "day_budget day_start day_end day_spent month_budget month_start month_end month_spent",
    "tokens": "id agent digest scope labels created expires revoked",
    "executions": "id agent state hold began cost ended corrected upstream_id",
    "claims": "agent key execution fingerprint expires done",
}


_execution: Final[Callable[[ExecutionRow], Row]] = attrgetter(*_COLUMNS["executions"].split())


@lru_cache(maxsize=1024)
def _insert(table: str, rows: int) -> str:
    """Return one statement for many rows: each step of SQLite gives up the interpreter's lock, so few are best."""
    columns = _COLUMNS[table].split()
    key = _KEYS[table]
    values = ",".join(["(" + ",".join("?" * len(columns)) + ")"] * rows)
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}"  # noqa: S608 - names from this module
    if not key:
        return sql
    changes = ", ".join(f"{column}=excluded.{column}" for column in columns if column not in _FIXED[table])
    return f"{sql} ON CONFLICT ({key}) DO UPDATE SET {changes}"


def select(connection: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> list[Row]:
    """Return all rows of a query, their columns of the types that the schema says."""
    return connection.execute(sql, tuple(values)).fetchall()


def select_one(connection: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> Row | None:
    """Return the first row of a query, if it has one."""
    return connection.execute(sql, tuple(values)).fetchone()


def write_rows(connection: apsw.Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert rows, or replace those that have the same key."""
    for first in range(0, len(rows), MOST_ROWS):
        some = rows[first : first + MOST_ROWS]
        values: list[Any] = []
        for row in some:
            values.extend(row)
        connection.execute(_insert(table, len(some)), values)


def write_batch(connection: apsw.Connection, state: State, batch: Batch) -> None:
    """Write what a batch changed; the caller has begun a transaction."""
    if batch.events:
        write_rows(connection, "events", batch.events)
    if state.touched_executions:
        write_rows(connection, "executions", [_execution(row) for row in state.touched_executions.values()])
    if state.touched_agents:
        write_rows(connection, "agents", [_agent(row) for row in state.touched_agents.values()])
    if state.touched_tokens:
        write_rows(connection, "tokens", [_token(row) for row in state.touched_tokens.values()])
    if state.touched_claims:
        _write_claims(connection, state.touched_claims.values())
    for answer in batch.answers:
        connection.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)",
            (answer.execution, answer.expires, len(answer.data), answer.data),
        )


def _write_claims(connection: apsw.Connection, claims: Iterable[Claim]) -> None:
    kept = []
    for claim in claims:
        if claim.dropped:
            connection.execute("DELETE FROM claims WHERE agent = ? AND key = ?", (claim.agent, claim.key))
        else:
            row = (claim.agent, claim.key, claim.execution, claim.fingerprint, claim.expires, int(claim.done))
            kept.append(row)
    write_rows(connection, "claims", kept)


def _window(window: WindowRow | None) -> Row:
    return (None, None, None, None) if window is None else (window.budget, window.start, window.end, window.spent)


def _agent(row: AgentRow) -> Row:
    return (
        row.name,
        row.parent.name if row.parent else None,
        row.state,
        row.reason,
        row.budget,
        row.timezone,
        row.limits,
        row.created,
        row.spent,
        row.reserved,
        row.last_active,
        int(row.deleted),
        *_window(row.day),
        *_window(row.month),
    )


def _token(row: TokenRow) -> Row:
    labels = msgspec.json.encode(row.labels, order="sorted").decode()
    return (row.id, row.agent, row.digest, row.scope, labels, row.created, row.expires, int(row.revoked))


def rows_of(state: State) -> dict[str, set[Row]]:
    """Return agents, live tokens and open executions as their tables would have them, to compare."""
    return {
        "agents": {_agent(row) for row in state.agents.values()},
        "tokens": {_token(row) for row in state.tokens.values()},
        "executions": {_execution(row) for row in state.open.values()},
    }


def stored_rows(connection: apsw.Connection) -> dict[str, set[Row]]:
    """Return the same from the tables."""
    live = {"agents": "1", "tokens": "revoked = 0", "executions": "ended IS NULL"}
    return {
        table: set(select(connection, f"SELECT {_columns(table)} FROM {table} WHERE {which}"))  # noqa: S608 - ours
        for table, which in live.items()
    }


def stored_executions(connection: apsw.Connection, ids: Sequence[str]) -> dict[str, Row]:
    """Return rows of executions by id."""
    sql = f"SELECT {_columns('executions')} FROM executions WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
    return {row[0]: row for row in select(connection, sql, (msgspec.json.encode(ids).decode(),))}


def count_executions(connection: apsw.Connection) -> tuple[int, dict[str, int]]:
    """Return how many rows ``executions`` has, and those that were corrected, with what they cost now."""
    total = select_one(connection, "SELECT count(*) FROM executions")
    corrected = select(connection, "SELECT id, corrected FROM executions WHERE corrected IS NOT NULL")
    return 0 if total is None else int(total[0]), dict(corrected)


def execution_rows(rows: Iterable[ExecutionRow]) -> dict[str, Row]:
    """Return executions as their table would have them, by id."""
    return {row.id: _execution(row) for row in rows}


def _columns(table: str) -> str:
    return ", ".join(_COLUMNS[table].split())


def load(connection: apsw.Connection) -> Engine:
    """Return the state and the head that are stored.

    Raises:
        Unavailable: If the last event does not fit the one before it.
    """
    state = State()
    _load_agents(connection, state)
    for token in select(connection, f"SELECT {_columns('tokens')} FROM tokens WHERE revoked = 0"):  # noqa: S608
        token_id, agent, digest, scope, labels, created, expires, _ = token
        state.tokens[token_id] = TokenRow(token_id, agent, digest, scope, msgspec.json.decode(labels), created, expires)
    for row in select(connection, f"SELECT {_columns('executions')} FROM executions WHERE ended IS NULL"):  # noqa: S608
        execution = ExecutionRow(*row)
        state.open[execution.id] = execution
        state.agents[execution.agent].running += 1
    for row in select(connection, f"SELECT {_columns('claims')} FROM claims WHERE done = 0"):  # noqa: S608
        claim = Claim(*row[:5])
        state.claims[claim.agent, claim.key] = claim
    return Engine(state, *_head(connection))


def _load_agents(connection: apsw.Connection, state: State) -> None:
    waiting = {row[0]: row for row in select(connection, f"SELECT {_columns('agents')} FROM agents")}  # noqa: S608
    while waiting:
        ready = [row for row in waiting.values() if row[1] is None or row[1] in state.agents]
        if not ready:
            raise Unavailable(f"the ledger is damaged: the parent of agent {min(waiting)!r} is missing")
        for row in ready:
            del waiting[row[0]]
            agent = AgentRow(row[0], state.agents.get(row[1]), *row[2:11])
            agent.deleted = bool(row[11])
            agent.day = _load_window("day", row[12:16])
            agent.month = _load_window("month", row[16:20])
            state.agents[agent.name] = agent


def _load_window(period: Period, row: Row) -> WindowRow | None:
    return None if row[0] is None else WindowRow(period, *row)


def _head(connection: apsw.Connection) -> tuple[int, bytes]:
    last = select(
        connection, "SELECT seq, body, hash FROM events WHERE stream = ? ORDER BY seq DESC LIMIT 2", (STREAM,)
    )
    if not last:
        return 0, GENESIS
    seq, body, digest = last[0]
    previous = last[1][2] if len(last) == 2 else GENESIS
    if link(previous, body) != digest or (len(last) == 2 and last[1][0] != seq - 1) or (len(last) == 1 and seq != 1):
        raise Unavailable(f"the ledger is damaged at event {seq}: `aexl ledger verify` says where it begins")
    return seq, digest


def find_claim(connection: apsw.Connection, agent: str, key: bytes) -> Claim | None:
    """Return a stored claim."""
    row = select_one(
        connection,
        f"SELECT {_columns('claims')} FROM claims WHERE agent = ? AND key = ?",  # noqa: S608 - names from this module
        (agent, key),
    )
    if row is None:
        return None
    claim = Claim(*row[:5])
    claim.done = bool(row[5])
    return claim


def find_execution(connection: apsw.Connection, execution: str) -> ExecutionRow | None:
    """Return a stored execution."""
    row = select_one(connection, f"SELECT {_columns('executions')} FROM executions WHERE id = ?", (execution,))  # noqa: S608
    return None if row is None else ExecutionRow(*row)
