"""The connector ``postgres`` against a real PostgreSQL: what may be read and written, and what never is."""

from __future__ import annotations

import msgspec
import psycopg
import pytest
import trio
from postgres_server import PASSWORD, find_programs, postgres

from aexl.errors import AexlError, ConfigError, Invalid, Refused
from aexl.testing.connectors import ConnectorConformance, make_action, make_settings
from aexl_plane.integrations.postgres import PostgresType

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url():
    programs = find_programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL here: install the package pgserver")
    with postgres(programs) as made:
        yield made


@pytest.fixture
def table(url):
    """A table of the test's own, by its name."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, who text NOT NULL, paid boolean, price numeric(12, 2), "
            "more jsonb, at timestamptz DEFAULT '2026-01-02T03:04:05Z')"
        )
        connection.execute(
            "INSERT INTO orders VALUES (1, 'ann', true, 12.50, '{\"a\": [1]}'), (2, 'o''hara', NULL, 3, NULL)"
        )
    return "orders"


@pytest.fixture
def make(url):
    return lambda **options: PostgresType().build(make_settings(secret=url, **options))


@pytest.fixture
def ask(make):
    async def ask(action, connector=None, **params):
        result = await (connector or make()).invoke(make_action(action, **params))
        return msgspec.json.decode(msgspec.json.encode(result.value))

    return ask


def count(url):
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM orders").fetchone()[0]


class TestItConforms(ConnectorConformance):
    @pytest.fixture(autouse=True)
    def _at(self, url):
        self.secret = url

    def make_type(self):
        return PostgresType()


async def test_rows_come_as_json_with_the_types_of_their_columns(table, ask):
    found = await ask(
        "postgres.query",
        sql="select * from orders where who = :who and id < :most -- ;",
        params={"who": "ann", "most": 9},
    )

    assert found["row_count"] == 1
    assert found["rows"] == [
        {"id": 1, "who": "ann", "paid": True, "price": 12.50, "more": {"a": [1]}, "at": "2026-01-02T03:04:05+00:00"}
    ]  # fmt: skip
    assert found["truncated"] is False


async def test_a_check_runs_its_own_statement_whatever_is_sent_along(table, make, url):
    assert msgspec.json.encode(await make().check({"sql": "delete from orders"})) == (
        b'{"rows":[{"ok":1}],"row_count":1,"truncated":false}'
    )
    assert count(url) == 2


@pytest.mark.parametrize(
    "value", ["'; DROP TABLE orders; --", "ann' OR '1'='1", "$1", "%(x)s", ":who", "\\", "\u2028", "{}", "NULL", "a\nb"]
)
async def test_a_parameter_is_never_a_part_of_the_statement(table, ask, url, value):
    for mark in (":who", "%(who)s"):
        found = await ask(
            "postgres.query",
            sql=f"select {mark}::text as said, count(*) from orders where who = {mark}",
            params={"who": value},
        )
        assert found["rows"] == [{"said": value, "count": 0}]
    await ask("postgres.insert", table="orders", values={"id": 7, "who": value})
    assert (await ask("postgres.query", sql="select who from orders where id = 7"))["rows"] == [{"who": value}]
    assert count(url) == 3


@pytest.mark.parametrize(
    "statement",
    [
        "delete from orders",
        "delete from orders returning id",
        "with gone as (delete from orders returning id) select * from gone",
        "insert into orders (id, who) values (9, 'x') returning id",
        "select 1; delete from orders",
        "select 1) as a; delete from orders; --",
        "select 1) as q union all select 2 from (select 3",
        "select 1) x /*",
        "commit",
        "rollback",
        "begin read write",
        "set transaction read write",
        "set session characteristics as transaction read write",
        "create table mine (id int)",
        "truncate orders",
        "copy orders to program 'id'",
        "do $$ begin delete from orders; end $$",
        "select set_config('transaction_read_only', 'off', false)",
        "select nextval('s'), set_config('transaction_read_only', 'off', true)",
        "select lo_create(0)",
        "select * into stolen from orders",
        "select * from orders for update",
        "explain analyze delete from orders",
        "prepare p as delete from orders",
        "values (1), (2) ; ",
        "",
        " ",
        "select",
        "sel\u0000ect 1",
    ],
)
async def test_a_query_changes_nothing_and_is_one_statement(table, ask, url, statement):
    with pytest.raises((Refused, Invalid)) as refused:
        await ask("postgres.query", sql=statement)
    if isinstance(refused.value, Refused):
        assert refused.value.status == 400, refused.value.reason
    assert PASSWORD not in str(refused.value)
    assert count(url) == 2


async def test_a_setting_ends_with_its_call(table, ask):
    connector_sees = "select current_setting('work_mem') as before, set_config('work_mem', '77MB', false) as now"
    assert (await ask("postgres.query", sql=connector_sees))["rows"][0]["now"] == "77MB"
    assert (await ask("postgres.query", sql="select current_setting('work_mem') as m"))["rows"] != [{"m": "77MB"}]


async def test_rows_are_bounded_at_the_edge(table, make, ask):
    connector = make(max_rows=5)
    whole = await ask("postgres.query", connector, sql="select generate_series(1, 5) as n")
    cut = await ask("postgres.query", connector, sql="select generate_series(1, 6) as n")
    fewer = await ask("postgres.query", connector, sql="select generate_series(1, 6) as n", max_rows=2)
    more = await ask("postgres.query", connector, sql="select generate_series(1, 9) as n", max_rows=100)

    assert ([row["n"] for row in whole["rows"]], whole["truncated"]) == ([1, 2, 3, 4, 5], False)
    assert (cut["row_count"], cut["truncated"]) == (5, True)
    assert (fewer["row_count"], fewer["truncated"]) == (2, True)
    assert (more["row_count"], more["truncated"]) == (5, True)


async def test_bytes_are_bounded_in_the_database_and_at_the_edge(make, ask):
    connector = make(max_bytes=2000)
    most = 2000 - len('{"t":""}')
    assert (await ask("postgres.query", connector, sql="select repeat('x', :n) as t", params={"n": most}))[
        "row_count"
    ] == 1
    for statement in (
        f"select repeat('x', {most + 1}) as t",
        "select repeat('x', 20000000) as t",
        "select repeat('x', 150) as t from generate_series(1, 20)",
        # A column with any name of ours changes nothing of it.
        "select 'x' as json, 'y' as rows, repeat('x', 3000) as q",
    ):
        with pytest.raises(Refused) as refused:
            await ask("postgres.query", connector, sql=statement)
        assert (refused.value.code, refused.value.status) == ("answer_too_large", 400)


async def test_a_statement_that_takes_too_long_is_ended(make, ask):
    with pytest.raises(Refused) as refused, trio.fail_after(30):
        await ask("postgres.query", make(statement_seconds=0.2), sql="select pg_sleep(30)")
    assert (refused.value.status, refused.value.code) == (504, "integration_timeout")


async def test_the_loop_goes_on_while_a_statement_is_parsed_and_run(table, make, ask, url):
    """Somebody holds the table, so that even to parse a query is to wait."""
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await trio.sleep(0.01)
            ticks += 1

    with psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            with pytest.raises(Refused) as refused:
                await ask("postgres.query", make(statement_seconds=0.5), sql="select * from orders")
            nursery.cancel_scope.cancel()
    assert refused.value.status == 504
    assert ticks > 10


async def test_an_insert_gives_back_what_was_asked_for(table, ask, url):
    made = await ask("postgres.insert", table="public.orders", values={"id": 3, "who": "bob", "more": {"b": None}, "paid": False, "price": 1.25}, returning=["id", "paid", "price", "more"])  # fmt: skip
    plain = await ask("postgres.insert", table="orders", values={"id": 4, "who": "eve"})

    assert made == {"inserted": 1, "returning_rows": [{"id": 3, "paid": False, "price": 1.25, "more": {"b": None}}]}
    assert plain == {"inserted": 1, "returning_rows": []}
    assert count(url) == 4


async def test_a_conflict_is_an_error_or_what_was_said(table, ask, url):
    row = {"id": 1, "who": "new"}
    with pytest.raises(Refused) as refused:
        await ask("postgres.insert", table="orders", values=row)
    assert (refused.value.status, refused.value.code) == (409, "statement_failed")
    nothing = await ask(
        "postgres.insert", table="orders", values=row, conflict={"target": ["id"], "action": "do_nothing"}
    )
    kept = (await ask("postgres.query", sql="select who from orders where id = 1"))["rows"]
    update = {"target": ["id"], "action": "do_update", "update_fields": ["who"]}
    changed = await ask("postgres.insert", table="orders", values=row, conflict=update, returning=["who"])

    assert (nothing["inserted"], kept) == (0, [{"who": "ann"}])
    assert changed == {"inserted": 1, "returning_rows": [{"who": "new"}]}
    assert count(url) == 2


@pytest.mark.parametrize(
    "params",
    [
        {"table": 'orders" (id) select 9; --', "values": {"id": 9}},
        {"table": "orders", "values": {'id") values (9); delete from orders; --': 9}},
        {"table": "orders", "values": {"id": 9}, "returning": ['id"; delete from orders; --']},
        {"table": "orders", "values": {}},
        {"table": "orders", "values": {"id": 1, "who": "x"}, "conflict": {"target": ["id"], "action": "do_update"}},
        {"table": "orders", "values": {"id": 1, "who": "x"}, "conflict": {"target": [], "action": "do_nothing"}},
        {"table": "orders", "values": {"id": 9, "who": "a\u0000b"}},
        {"table": "x" * 64, "values": {"id": 9}},
        {"table": "", "values": {"id": 9}},
    ],
)
async def test_a_name_is_never_a_part_of_the_statement(table, ask, url, params):
    with pytest.raises((Refused, Invalid)):
        await ask("postgres.insert", **params)
    assert count(url) == 2


async def test_only_the_tables_that_the_owner_names_are_written_to(table, make, ask, url):
    with pytest.raises(Refused, match="allowed: other"):
        await ask("postgres.insert", make(tables=["other"]), table="orders", values={"id": 9, "who": "x"})
    assert count(url) == 2


async def test_a_database_that_is_not_there_is_told_without_its_address(make, caplog):
    connector = PostgresType().build(make_settings(secret="postgresql://aexl:secret-word@127.0.0.1:9/nothing"))
    with pytest.raises(Refused) as refused:
        await connector.check({})
    assert (refused.value.status, refused.value.reason) == (503, "the database cannot be used now")
    assert "secret-word" not in caplog.text
    assert "127.0.0.1" not in refused.value.reason


async def test_a_wrong_password_is_not_told(url, caplog):
    connector = PostgresType().build(make_settings(secret=url.replace(PASSWORD, "wrong-password")))
    with pytest.raises(AexlError) as refused:
        await connector.check({})
    assert "wrong-password" not in str(refused.value) + caplog.text


def test_what_is_no_url_of_a_database_is_an_error_that_does_not_show_it():
    with pytest.raises(ConfigError) as wrong:
        PostgresType().build(make_settings(secret="postgresql://a:secret-word@host:x/y?nonsense=1"))
    assert "secret-word" not in str(wrong.value)
