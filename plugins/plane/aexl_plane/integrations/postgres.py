"""The connector ``postgres``: queries that read, and inserts, in a database that the server's owner names.

Each call has a connection of its own, so that nothing that it sets is there for another
one. A query runs in a transaction that can only read; how many rows and bytes it gives
is bounded in the database, before anything is sent.
"""

from __future__ import annotations

import importlib.util
import logging
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec
import trio

from aexl.api import ActionCall, ActionResult, ConnectorSettings, Credential
from aexl.api.connectors import read_params
from aexl.errors import ConfigError, Invalid, Problem, Refused
from aexl_plane.integrations.sql import Statement, number_parameters, quote_name, quote_table, write_value

logger = logging.getLogger("aexl.plane")

CONNECT_SECONDS: Final = 10
STATEMENT_CHARACTERS: Final = 100_000
THREADS: Final = 16
"""Statements at a time, over all connections of one integration."""

Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=STATEMENT_CHARACTERS)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class PostgresTable(msgspec.Struct, frozen=True, kw_only=True):
    """The connector's own keys.

    Attributes:
        max_rows: Rows of one answer; a caller may ask for fewer.
        max_bytes: Bytes of one answer, and of each of its rows.
        statement_seconds: How long one statement may take in the database.
        tables: What may be inserted into; every table that the database's role may, if empty.
    """

    max_rows: Count = 1000
    max_bytes: Annotated[int, msgspec.Meta(ge=1024, le=4_000_000)] = 1_000_000
    statement_seconds: Annotated[float, msgspec.Meta(gt=0, le=300)] = 10.0
    tables: tuple[str, ...] = ()


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``postgres.query`` takes."""

    sql: Text
    params: Mapping[str, Any] = {}
    max_rows: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Conflict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do where a row is there already."""

    target: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=32)]
    action: Literal["do_nothing", "do_update"]
    update_fields: tuple[Name, ...] | None = None

    def __post_init__(self) -> None:
        if bool(self.update_fields) != (self.action == "do_update"):
            raise ValueError("update_fields goes with the action do_update, and must name something there")


class Insert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``postgres.insert`` takes; the idempotency key has been looked at before."""

    table: Name
    values: Annotated[Mapping[str, Any], msgspec.Meta(min_length=1, max_length=1000)]
    conflict: Conflict | None = None
    returning: tuple[Name, ...] | None = None
    idempotency_key: str | None = None


class PostgresType:
    """A value of ``provider``: ``postgres``."""

    name = "postgres"
    version = "1.0"
    actions: Mapping[str, str] = {
        "postgres.query": "Read rows with one SELECT, VALUES or WITH; nothing can be changed by it.",
        "postgres.insert": "Insert a row into a table.",
    }

    def build(self, settings: ConnectorSettings) -> PostgresConnector:
        """Make a connector; see ``aexl.api.ConnectorType``."""
        table = settings.read(PostgresTable)
        if importlib.util.find_spec("psycopg") is None:
            raise _problem(settings, "provider", "psycopg is missing: install aexl with the extra 'postgres'")
        if settings.credential is None:
            return PostgresConnector(table, "", settings.name)
        return PostgresConnector(table, _conninfo(settings, settings.credential, table), settings.name)


def _conninfo(settings: ConnectorSettings, credential: Credential, table: PostgresTable) -> str:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    url = credential.reveal()
    credential.also(unquote(urlsplit(url).password or ""))
    try:
        given = conninfo_to_dict(url)
    except ProgrammingError as error:
        message = f"{credential.name} does not have a URL such as postgresql://NAME:PASSWORD@HOST/DATABASE"
        raise _problem(settings, "credential", message) from error
    credential.also(str(given.get("password") or ""))
    milliseconds = round(table.statement_seconds * 1000)
    options = f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={milliseconds}"
    return make_conninfo(
        url,
        connect_timeout=min(CONNECT_SECONDS, max(2, round(settings.timeout))),
        application_name="aexl",
        options=" ".join(part for part in (str(given.get("options") or ""), options) if part),
        tcp_user_timeout=round((table.statement_seconds + CONNECT_SECONDS) * 1000),
    )


def _problem(settings: ConnectorSettings, key: str, message: str) -> ConfigError:
    return ConfigError([Problem(key=f"integrations.{settings.name}.{key}", message=message)])


class PostgresConnector:
    """One database; see ``aexl.api.Connector``.

    A statement that has begun is waited for: at most ``statement_seconds`` in the
    database, and as long to reach it.
    """

    def __init__(self, table: PostgresTable, conninfo: str, name: str) -> None:
        self._table = table
        self._conninfo = conninfo
        self._name = name
        self._threads = trio.CapacityLimiter(THREADS)

    async def check(self, body: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002 - clients send a statement that would be anybody's to choose
        """Run ``select 1 as ok``, whatever the client has sent along."""
        return await self._run(self._query, Statement("select 1 as ok", ()), 1)

    async def invoke(self, call: ActionCall) -> ActionResult:
        """Run an action."""
        if call.action == "postgres.query":
            wanted = read_params(call, Query)
            if not wanted.sql.isprintable() and "\x00" in wanted.sql:
                raise Invalid("a statement must not have a NUL character")
            most = min(wanted.max_rows or self._table.max_rows, self._table.max_rows)
            return ActionResult(value=await self._run(self._query, number_parameters(wanted.sql, wanted.params), most))
        insert = read_params(call, Insert)
        if self._table.tables and insert.table not in self._table.tables:
            allowed = ", ".join(self._table.tables)
            raise Refused(
                f"nothing may be inserted into {insert.table[:80]!r}; allowed: {allowed}",
                code="action_not_granted",
                status=403,
            )
        return ActionResult(value=await self._run(self._insert, insert))

    async def close(self) -> None:
        """Hold nothing."""

    async def _run(self, work: Any, *arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = await trio.to_thread.run_sync(self._connected, work, *arguments, limiter=self._threads)
        return found

    def _connected(self, work: Any, *arguments: Any) -> dict[str, Any]:
        import psycopg

        try:
            with psycopg.connect(self._conninfo, autocommit=True) as connection:
                found: dict[str, Any] = work(connection, *arguments)
                return found
        except psycopg.Error as error:
            raise self._told(error) from None

    def _query(self, connection: Any, statement: Statement, most: int) -> dict[str, Any]:
        from psycopg import RawCursor

        connection.execute("BEGIN READ ONLY")
        _check_alone(connection, statement.text)
        # A name that no column of the caller's can have: it stands for the whole row.
        row = f"row_{secrets.token_hex(8)}"
        size = self._table.max_bytes
        wrapped = (
            f"SELECT CASE WHEN octet_length(json) <= {size} THEN json END FROM (SELECT row_to_json({row})::text AS json "
            f"FROM (\n{statement.text}\n) AS {row} LIMIT {most + 1}) AS rows"
        )
        rows: list[msgspec.Raw] = []
        held = 0
        for (text,) in RawCursor(connection).stream(wrapped, list(statement.values)):
            if text is None:
                raise _too_large(size)
            if len(rows) == most:
                return {"rows": rows, "row_count": most, "truncated": True}
            data = text.encode()
            held += len(data)
            if held > size:
                raise _too_large(size)
            rows.append(msgspec.Raw(data))
        return {"rows": rows, "row_count": len(rows), "truncated": False}

    def _insert(self, connection: Any, wanted: Insert) -> dict[str, Any]:
        from psycopg import RawCursor

        names = ", ".join(quote_name(name) for name in wanted.values)
        marks = ", ".join(f"${number}" for number in range(1, len(wanted.values) + 1))
        text = f"INSERT INTO {quote_table(wanted.table)} ({names}) VALUES ({marks}){_on_conflict(wanted.conflict)}"
        row = f"row_{secrets.token_hex(8)}"
        returning = ", ".join(quote_name(name) for name in wanted.returning or ()) or "1 AS made"
        text = f"WITH {row} AS ({text} RETURNING {returning}) SELECT row_to_json({row})::text FROM {row}"
        values = [write_value(value) for value in wanted.values.values()]
        made = [each for (each,) in RawCursor(connection).execute(text, values).fetchall()]
        if sum(map(len, made)) > self._table.max_bytes:
            raise _too_large(self._table.max_bytes)
        shown = [msgspec.Raw(each.encode()) for each in made] if wanted.returning else []
        return {"inserted": len(made), "returning_rows": shown}

    def _told(self, error: Any) -> Refused:
        """Return what the caller is told: what they did wrong, but nothing of where the database is."""
        state = getattr(error, "sqlstate", None) or ""
        primary = error.diag.message_primary if getattr(error, "diag", None) is not None else None
        if state == "57014":
            seconds = f"{self._table.statement_seconds:g}"
            return Refused(f"the statement took more than {seconds} s", code="integration_timeout", status=504)
        if state[:2] in {"0A", "21", "22", "23", "25", "26", "2F", "42", "44", "54"}:
            # The caller's own: data, constraints, a write in a query, syntax and names, limits.
            status = 409 if state[:2] == "23" else 400
            return Refused(
                f"{primary or 'the statement cannot be run'} ({state})", code="statement_failed", status=status
            )
        logger.warning("[integrations.%s] cannot be used: %s %s", self._name, state, type(error).__name__)
        return Refused("the database cannot be used now", code="integration_failed", status=503)


def _check_alone(connection: Any, text: str) -> None:
    """Refuse what is not one whole statement that gives rows: it will stand in parentheses.

    A text that is one whole statement has no parenthesis that could close ours.
    """
    from psycopg import DataError, errors, pq

    try:
        parsed = connection.pgconn.prepare(b"", text.encode())
    except UnicodeEncodeError as error:
        raise DataError("the statement is not Unicode") from error
    if parsed.status != pq.ExecStatus.COMMAND_OK:
        state = (parsed.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        raise errors.lookup(state or "42601")(info=parsed)
    if not connection.pgconn.describe_prepared(b"").nfields:
        raise Refused("a query must give rows: write a SELECT", code="statement_failed", status=400)


def _on_conflict(conflict: Conflict | None) -> str:
    if conflict is None:
        return ""
    target = ", ".join(quote_name(name) for name in conflict.target)
    if conflict.action == "do_nothing":
        return f" ON CONFLICT ({target}) DO NOTHING"
    fields = ", ".join(f"{quote_name(name)} = EXCLUDED.{quote_name(name)}" for name in conflict.update_fields or ())
    return f" ON CONFLICT ({target}) DO UPDATE SET {fields}"


def _too_large(size: int) -> Refused:
    return Refused(
        f"the rows have more than {size} bytes; ask for fewer rows or columns", code="answer_too_large", status=400
    )
