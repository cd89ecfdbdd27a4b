"""Handlers run over HTTP."""

from __future__ import annotations

import pytest
import trio

from aexl.errors import Unavailable


async def test_a_handler_of_what_an_environment_serves_is_run(deployed, handlers):
    answered, body = await deployed.post(status=200)
    assert body["result"] == {"sum": 2}
    assert (body["status"], body["http_status"], body["error"]) == ("ok", 200, None)
    assert (body["environment"], body["snapshot"], body["mode"]) == ("dev", deployed.snapshot, "sync")
    assert answered.header(b"x-aexl-execution-id") == body["id"].encode()
    [asked] = handlers.invoked
    ids = deployed.client.made
    assert (asked.id, asked.project, asked.repository) == (body["id"], deployed.snapshot, ids.project.id)
    assert asked.identity["tenant_id"] == ids.tenant.id
    assert await deployed.get(body["id"]) == body


async def test_what_a_handler_raises_is_in_the_answer(deployed):
    _, body = await deployed.post("break", status=200)
    assert (body["status"], body["http_status"], body["code"]) == ("failed", 500, "USER_CODE_ERROR")
    assert body["error"]["message"] == "broken"
    assert "result" not in body


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"handler": "add"}, "needs a kind"),
        ({"kind": "tool"}, "needs the name"),
        ({"kind": "http"}, "needs http"),
        ({"kind": "tool", "handler": "add", "mcp": {"server": "s", "tool": "t"}}, "neither of them"),
        ({"kind": "tool", "handler": "add", "timeout_seconds": 601}, "0.001 to 600"),
        ({"kind": "tool", "handler": "add", "timeout_seconds": 0}, "timeout_seconds"),
        ({"kind": "tool", "handler": "x" * 1001}, "1 to 1000"),
        ({"kind": "tool", "handler": "add", "colour": 1}, "colour"),
        ({"kind": "tool", "handler": "add", "event": [1]}, "event"),
        ({"kind": "tool", "handler": "add", "timeout_seconds": 86_401, "mode": "async"}, "86400"),
    ],
)
async def test_what_cannot_be_run_is_refused(deployed, handlers, wanted, said):
    answered = await deployed.ask("POST", deployed.invocations, json=wanted)
    assert answered.status == 400
    assert said in answered.body.decode()
    assert handlers.invoked == []


async def test_nothing_is_run_where_nothing_is_deployed(deployed):
    for environment, said in (("staging", "nothing is deployed"), ("moon", "no environment")):
        url = f"{deployed.client.api}/environments/{environment}/invocations"
        answered = await deployed.ask("POST", url, json={"kind": "tool", "handler": "add"})
        assert answered.status == 404
        assert said in answered.body.decode()


async def test_the_same_key_has_the_same_answer_and_runs_once(deployed, handlers):
    first, one = await deployed.post(key="k")
    again, two = await deployed.post(key="k")
    assert two == one
    assert first.header(b"x-aexl-replayed") is None
    assert again.header(b"x-aexl-replayed") == b"true"
    assert len(handlers.invoked) == 1
    _, refused = await deployed.post(event={"a": 2}, key="k", status=422)
    assert refused["error"]["code"] == "idempotency_mismatch"
    _, other = await deployed.post(key="other")
    assert other["id"] != one["id"]


async def test_a_failure_is_answered_again_too(deployed, handlers):
    _, one = await deployed.post("break", key="k")
    _, two = await deployed.post("break", key="k")
    assert (one["id"], one["error"]) == (two["id"], two["error"])
    assert handlers.begun["break"] == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
async def test_what_is_no_key_is_refused(deployed, key):
    _, body = await deployed.post(key=key, status=400)
    assert body["error"]["code"] == "invalid_idempotency_key"


async def test_equal_requests_at_the_same_time_are_one_run(deployed, handlers):
    handlers.gates["add"] = gate = trio.Event()
    bodies = []

    async def ask():
        bodies.append((await deployed.post(key="k", status=200))[1])

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
        while not handlers.begun:
            await trio.sleep(0.001)
        gate.set()
    assert handlers.begun["add"] == 1
    assert len({body["id"] for body in bodies}) == 1
    assert [body["result"] for body in bodies] == [{"sum": 2}] * 5


async def test_a_run_goes_on_when_its_client_leaves(deployed, handlers):
    handlers.gates["add"] = gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: deployed.post(key="k"))
        while not handlers.begun:
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    gate.set()
    _, body = await deployed.post(key="k", status=200)
    assert body["result"] == {"sum": 2}
    assert handlers.begun["add"] == 1


async def test_a_run_that_found_no_worker_has_not_used_its_key(deployed, handlers):
    handlers.busy = [Unavailable("64 runs wait for a worker already")]
    answered, body = await deployed.post(key="k", status=503)
    assert answered.header(b"retry-after") == b"1"
    assert body["error"]["code"] == "unavailable"
    _, again = await deployed.post(key="k", status=200)
    assert again["result"] == {"sum": 2}
    listed = (await deployed.json("GET", deployed.executions))["executions"]
    assert [(each["status"], each["code"]) for each in listed] == [("ok", None), ("failed", "UNAVAILABLE")]


async def test_what_breaks_in_the_runtime_is_an_answer_and_breaks_nothing_else(deployed, handlers):
    handlers.busy = [ZeroDivisionError("a bug")]
    _, body = await deployed.post(status=500)
    assert "a bug" not in body["error"]["message"]
    await deployed.post(status=200)


async def test_texts_that_are_none_are_a_failure_of_the_handler(deployed, handlers):
    handlers.tools["bad"] = lambda event: {"text": "\ud800"}
    _, body = await deployed.post("bad", status=200)
    assert (body["status"], body["code"]) == ("failed", "USER_CODE_ERROR")


async def test_a_record_of_the_log_that_is_no_text_breaks_nothing(deployed, handlers):
    handlers.said = {"event": "x\ud800", "level": "INFO", "request_id": "r", "fields": {"deep": "\ud800"}}
    _, body = await deployed.post(status=200)
    page = await deployed.json("GET", f"{deployed.executions}/{body['id']}/logs")
    assert [each["event"] for each in page["records"]] == ["runner.unreadable", "runner.start"]


async def test_no_more_than_so_many_are_waited_for(run_deployed, handlers):
    async with run_deployed("[plane]\nsync_running = 2\n") as deployed:
        handlers.gates["add"] = gate = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deployed.post)
            nursery.start_soon(deployed.post)
            while handlers.begun.get("add") != 2:
                await trio.sleep(0.001)
            answered, body = await deployed.post(status=429)
            assert answered.header(b"retry-after") == b"1"
            assert body["error"]["code"] == "too_many_executions"
            gate.set()
        await deployed.post(status=200)


async def test_a_snapshot_is_run_without_being_deployed(deployed, handlers):
    snapshot = (await deployed.client.put("other.txt", b"x"))["snapshot"]
    wanted = {"kind": "tool", "handler": "add", "event": {"a": 1}}
    for name in (snapshot, "main"):
        url = f"{deployed.client.api}/snapshots/{name}/invocations"
        body = await deployed.json("POST", url, json=wanted)
        assert (body["snapshot"], body["environment"], body["deployment"]) == (snapshot, None, None)
    url = f"{deployed.client.api}/snapshots/{'0' * 64}/invocations"
    assert (await deployed.ask("POST", url, json=wanted)).status == 404


async def test_a_token_that_may_only_read_runs_nothing(deployed, handlers):
    wanted = {"name": "r", "scopes": ["read"], "service": True}
    token = (await deployed.json("POST", "/api/v1/tokens", json=wanted, status=201))["token"]
    answered = await deployed.plane.ask("POST", deployed.invocations, token, json={"kind": "tool", "handler": "add"})
    assert answered.status == 403
    assert handlers.invoked == []


async def test_executions_are_listed_newest_first_and_page_by_page(deployed):
    ids = [(await deployed.post(name))[1]["id"] for name in ("add", "break", "add")]
    listed = (await deployed.json("GET", deployed.executions))["executions"]
    assert [each["id"] for each in listed] == ids[::-1]
    assert all("result" not in each for each in listed)
    assert {each["runtime"] for each in listed} == {"builtin"}
    for query, expected in (
        ("limit=1", ids[2:]),
        (f"before={ids[2]}&limit=1", ids[1:2]),
        ("status=failed", ids[1:2]),
        ("environment=staging", []),
    ):
        found = (await deployed.json("GET", f"{deployed.executions}?{query}"))["executions"]
        assert [each["id"] for each in found] == expected
    for query in ("limit=0", "limit=1001", "status=x"):
        assert (await deployed.ask("GET", f"{deployed.executions}?{query}")).status == 400
    for query in ("before=x", "environment=nosuch"):
        assert (await deployed.ask("GET", f"{deployed.executions}?{query}")).status == 404
