"""Integrations as a person uses them: the installed commands, a server, a real PostgreSQL, models that are paid for."""

from __future__ import annotations

import json
import sqlite3

import psycopg
import pytest
from postgres_server import PASSWORD, find_programs, postgres

pytestmark = pytest.mark.slow

CONFIG = """
[integrations.orders]
provider = "postgres"
tenants = ["default"]
credential = "ORDERS_URL"

[integrations.models]
provider = "openai"
tenants = ["*"]
agent = "alice"
model = "gpt.plain"

[integrations.site]
provider = "http"
tenants = ["*"]
credential = "SITE_TOKEN"
base_url = "{upstream}/v1"
private = true
"""
SITE = "site-secret-77aa"


@pytest.fixture
def served(program):
    programs = find_programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL here: install the package pgserver")
    with postgres(programs) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, who text)")
            connection.execute("INSERT INTO orders VALUES (1, 'ann')")
        program.configure(CONFIG.format(upstream=program.upstream.url))
        program.environ["ORDERS_URL"] = url
        (program.home / ".env").write_text(f"SITE_TOKEN={SITE}\n")
        (program.home / ".env").chmod(0o600)
        program.start()
        program.agent()
        program.run("auth", "bootstrap")
        yield program


def test_from_what_is_offered_to_rows_and_answers(served):
    offered = {each["name"]: each["actions"] for each in served.json("integrations", "list", "--offered")["offered"]}
    added = served.json("integrations", "add", "orders", "--grant", "postgres.query", "--name", "Orders")
    for name in ("models", "site"):
        served.run("integrations", "add", name)
    listed = served.run("integrations", "list").stdout
    query = '{"sql": "select who from orders where id = :id", "params": {"id": 1}}'
    rows = json.loads(served.run("integrations", "invoke", "Orders", "query", query).stdout)
    denied = served.run("integrations", "invoke", "Orders", "insert", '{"table": "orders"}', check=False)
    wrong = served.run("integrations", "invoke", "Orders", "query", '{"sql": "delete from orders"}', check=False)
    asked = served.json("integrations", "invoke", "models", "responses.create", '{"input": "hi"}')
    fetched = json.loads(served.run("integrations", "invoke", "site", "request", '{"path": "/things"}').stdout)
    checks = [served.json("integrations", "check", name)["ok"] for name in ("Orders", "models", "site")]

    assert set(offered) == {"orders", "models", "site"}
    assert "openai.embeddings.create" in offered["models"]
    assert added["connection_id"] in listed
    assert rows["rows"] == [{"who": "ann"}]
    assert (denied.returncode, "has not been granted" in denied.stderr, "token" in denied.stderr) == (1, True, False)
    assert (wrong.returncode, "statement_failed" not in wrong.stdout) == (2, True)
    assert asked["cost_usd"] is not None
    assert served.json("ledger", "show", asked["execution"])["agent"] == "alice"
    assert fetched["status"] == 200
    assert checks == [True, True, True]
    assert served.run("integrations", "check", "nothing", check=False).returncode == 4
    assert served.run("integrations", "invoke", "site", "request", "[]", check=False).returncode == 2

    served.run("integrations", "remove", "Orders")
    assert [each["display_name"] for each in served.json("integrations", "list")["integrations"]] == ["models", "site"]
    _nothing_is_told(served)


def _nothing_is_told(served):
    """The secrets are in no event, no log, and no file of the server's but the one they were put into."""
    events = served.run("ledger", "export").stdout
    assert events.count('"plane.action_started"') == events.count('"plane.action_ended"') == 7
    assert '"plane.action_refused"' in events
    assert served.run("ledger", "verify").returncode == 0
    sent = [headers for _, path, headers, _ in served.upstream.requests if path.startswith("/v1/things")]
    assert {name.lower(): value for name, value in sent[0].items()}["authorization"] == f"Bearer {SITE}"
    served.stop()
    told = events + "".join(served.log)
    for path in served.home.rglob("*"):
        if path.is_file() and path.name != ".env":
            data = path.read_bytes()
            assert PASSWORD.encode() not in data, path
            assert SITE.encode() not in data, path
    assert PASSWORD not in told
    assert SITE not in told
    assert sqlite3.connect(served.home / "plane.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)
