"""``aiel-sdk`` 1.8.0: memory and integrations, as programs use them."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

pytestmark = pytest.mark.slow

FACADES = dedent(
    """
    import json, os
    from aiel_sdk import AielClient
    from aiel_sdk.errors import ApiError
    from aiel_sdk.integrations.openai import (
        OpenAIChatCompletionsCreateRequest, OpenAIEmbeddingsCreateRequest, OpenAIResponsesCreateJsonRequest,
        OpenAIResponsesCreateRequest, RemoteOpenAI,
    )
    from aiel_sdk.integrations.postgres import PostgresInsertRequest, PostgresQueryRequest, RemotePostgres

    scope = dict(workspace_id=os.environ["WORKSPACE"], project_id=os.environ["PROJECT"])
    client = AielClient(base_url=os.environ["URL"], **scope)
    openai = RemoteOpenAI(client, connection_id=os.environ["OPENAI"], **scope)
    postgres = RemotePostgres(client, connection_id=os.environ["POSTGRES"], **scope)
    messages = [{"role": "user", "content": "hi"}]
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    found = {
        "ping": openai.ping().ok,
        "response": openai.responses_create(OpenAIResponsesCreateRequest(input="hi", max_output_tokens=50)).raw["object"],
        "json": "output_json" in openai.responses_create_json(
            OpenAIResponsesCreateJsonRequest(input="hi", json_schema=schema)
        ).raw,
        "chat": openai.chat_completions_create(OpenAIChatCompletionsCreateRequest(messages=messages, max_tokens=50))
            .raw["choices"][0]["message"]["content"],
        "embeddings": len(openai.embeddings_create(OpenAIEmbeddingsCreateRequest(input=["a"])).raw["data"]),
    }
    insert = PostgresInsertRequest(
        table="orders", values={"id": 7, "who": "o'hara"}, returning=["id"], idempotency_key="once",
        conflict={"target": ["id"], "action": "do_nothing"},
    )
    found["inserted"] = [(made.inserted, made.returning_rows) for made in (postgres.insert(insert), postgres.insert(insert))]
    rows = postgres.query(PostgresQueryRequest(sql="select id, who from orders where id = :id", params={"id": 7}, max_rows=5))
    found["rows"] = [rows.rows, rows.row_count]
    try:
        postgres.query(PostgresQueryRequest(sql="delete from orders"))
    except ApiError as error:
        found["refused"] = [error.status, error.code]
    print(json.dumps(found))
    """
)

MEMORY = dedent(
    """
    import json, os
    from aiel_sdk import AielClient
    from aiel_sdk.memory import RecallQuery, RemoteSaver, ThreadMessage

    client = AielClient(base_url=os.environ["URL"], workspace_id=os.environ["WORKSPACE"], project_id=os.environ["PROJECT"])
    saver = RemoteSaver(client)
    key = "user:42/session  é?#%"
    none = saver.checkpoint_read_latest(thread_key=key)
    saver.thread_write(thread_key=key, messages=[ThreadMessage(role="human", content="one")], ttl_seconds=3600)
    wrote = saver.thread_write(thread_key=key, messages=[ThreadMessage(role="ai", content="two", meta={"m": 1})])
    read = saver.thread_read(thread_key=key, limit=1)
    saver.state_patch(thread_key=key, patch={"a": 1})
    state = saver.state_patch(thread_key=key, patch={"b": 2})
    point = saver.checkpoint_write(thread_key=key, state={"n": 1}, metadata={"node": "x"}, ttl_seconds=60)
    latest = saver.checkpoint_read_latest(thread_key=key)
    put = saver.recall_put(namespace=["users", "42"], key="tone", value={"v": "dry"}, tags={"t": 1})
    item = saver.recall_get(namespace=["users", "42"], key="tone")
    missing = saver.recall_get(namespace=["users", "42"], key="nothing")
    found = saver.recall_search(query=RecallQuery(namespace=["users"], query={"t": 1}, limit=20))
    saver.recall_forget(namespace=["users", "42"], selector={"key": "tone"})
    gone = saver.recall_get(namespace=["users", "42"], key="tone")
    print(json.dumps({
        "none": none, "wrote": [m.content for m in wrote.messages], "same": wrote.thread_id == read.thread_id,
        "read": [(m.role, m.content, m.meta) for m in read.messages], "state": saver.state_read(thread_key=key).state,
        "point": latest.checkpoint_id == point.checkpoint_id, "latest": [latest.state, latest.metadata],
        "put": put["ok"], "item": [item.namespace, item.key, item.value, item.tags], "missing": missing,
        "found": [i.key for i in found], "gone": gone,
    }))
    """
)

ACTIONS = dedent(
    """
    import json, os
    from aiel_sdk import AielClient
    from aiel_sdk.errors import ApiError

    scope = os.environ["WORKSPACE"], os.environ["PROJECT"]
    client = AielClient(base_url=os.environ["URL"], workspace_id=scope[0], project_id=scope[1], use_x_api_token_fallback=True)
    listed = client.integrations.list(*scope)
    one = client.integrations.get(*scope, listed[0].connection_id)
    refused = []
    for connection, action in ((one.connection_id, "myself"), (one.connection_id, "create_issue"), ("ic_none", "myself")):
        try:
            client.integrations.invoke_action(*scope, connection, action, {"params": {}})
        except ApiError as error:
            refused.append([error.status, error.code])
    print(json.dumps({"provider": one.provider, "status": one.status, "refused": refused}))
    """
)


def scope(person, tenant):
    return {
        "URL": person.url,
        "AIEL_TOKEN": person.token,
        "WORKSPACE": tenant["workspace"]["id"],
        "PROJECT": tenant["project"]["id"],
    }


def test_memory_is_kept_as_the_sdk_expects_it(person, tenant):
    found = json.loads(person.python(MEMORY, **scope(person, tenant)))

    assert found == {
        "none": None, "wrote": ["one", "two"], "same": True, "read": [["ai", "two", {"m": 1}]],
        "state": {"a": 1, "b": 2}, "point": True, "latest": [{"n": 1}, {"node": "x"}], "put": True,
        "item": [["users", "42"], "tone", {"v": "dry"}, {"t": 1}], "missing": None, "found": ["tone"], "gone": None,
    }  # fmt: skip


def test_an_action_that_cannot_be_run_is_an_error_at_once_that_says_why(person, program, tenant, add_integration):
    add_integration()
    found = json.loads(person.python(ACTIONS, **scope(person, tenant)))

    assert (found["provider"], found["status"]) == ("jira", "unavailable")
    assert found["refused"] == [[501, "integration_unavailable"], [403, "action_not_granted"], [404, "not_found"]]


def test_the_facades_ask_models_that_are_paid_for_and_a_real_database(equipped):
    program, person, tenant = equipped
    actions = [f"openai.{name}" for name in ("responses.create", "responses.create_json", "chat.completions.create")]
    grants = {
        "OPENAI": ("models", [*actions, "openai.embeddings.create", "openai.ping"]),
        "POSTGRES": ("orders", ["postgres.query", "postgres.insert"]),
    }
    ids = {}
    for variable, (name, granted) in grants.items():
        options = [word for action in granted for word in ("--grant", action)]
        ids[variable] = program.json("integrations", "add", name, *options)["connection_id"]
    found = json.loads(person.python(FACADES, **scope(person, tenant), **ids))

    assert found == {
        "ping": True, "response": "response", "json": True, "chat": "The quick brown fox jumps.", "embeddings": 1,
        "inserted": [[1, [{"id": 7}]], [1, [{"id": 7}]]], "rows": [[{"id": 7, "who": "o'hara"}], 1],
        "refused": [400, "statement_failed"],
    }  # fmt: skip
    calls = program.run("ledger", "export").stdout
    assert calls.count('"plane.action_ended"') == 8  # the second insert was answered from the first
    assert float(program.inspect("payer")["spent"]) > 0


def test_the_client_checks_a_database_and_a_model(equipped):
    program, person, _ = equipped
    person.aiel("init")
    for name in ("orders", "models"):
        program.run("integrations", "add", name)
    person.aiel("init", at="two")
    for provider in ("postgres", "openai"):
        shown = person.aiel("integrations", "check", "-p", provider, at="two")
        assert "unavailable" not in shown
