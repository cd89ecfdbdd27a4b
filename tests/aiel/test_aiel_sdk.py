"""``aiel-sdk`` 1.8.0: memory and integrations, as programs use them."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

pytestmark = pytest.mark.slow

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
