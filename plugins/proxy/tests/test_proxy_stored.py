"""Stored responses belong to the agent whose call made them."""

from __future__ import annotations

import pytest

from aexl.api import Executions
from aexl.testing.answers import FakeAnswer
from aexl.testing.factories import make_principal

ACTIONS = [
    ("GET", ""),
    ("DELETE", ""),
    ("POST", "/cancel"),
    ("GET", "/input_items"),
]


@pytest.mark.parametrize(("method", "action"), ACTIONS)
async def test_an_agent_reaches_its_own_responses(proxy, executions, method: str, action: str) -> None:
    executions.add("resp_1", "alice", model="gpt-stored")
    proxy.script(FakeAnswer(b'{"id":"resp_1"}'))
    got = await proxy.request(method, f"/v1/responses/resp_1{action}", query="include=x")
    assert (got.status, got.body) == (200, b'{"id":"resp_1"}')
    call = proxy.call
    assert (call.surface, call.method, call.path, call.query) == (
        "stored",
        method,
        f"/responses/resp_1{action}",
        "include=x",
    )
    assert (call.model, call.stream, call.body.data) == ("gpt-stored", False, b"")


@pytest.mark.parametrize(("method", "action"), ACTIONS)
async def test_another_agents_response_looks_like_none(proxy, executions, method: str, action: str) -> None:
    executions.add("resp_1", "alice")
    mallory = make_principal("mallory")
    theirs = await proxy.request(method, f"/v1/responses/resp_1{action}", principal=mallory)
    nobodys = await proxy.request(method, f"/v1/responses/resp_2{action}", principal=mallory)
    for got in (theirs, nobodys):
        assert (got.status, got.error["code"]) == (404, "response_not_found")
    assert theirs.body == nobodys.body.replace(b"resp_2", b"resp_1")
    assert proxy.host.calls == []


@pytest.mark.parametrize("path", ["/responses", "/responses/input_tokens"])
async def test_a_response_can_only_follow_an_own_one(proxy, executions, bodies, path: str) -> None:
    executions.add("resp_1", "alice")
    body = {**bodies[path], "previous_response_id": "resp_1"}
    got = await proxy.post("/v1" + path, body, principal=make_principal("mallory"))
    assert (got.status, got.error["code"]) == (404, "previous_response_not_found")
    assert got.error["param"] == "previous_response_id"
    assert proxy.host.calls == []
    proxy.script(FakeAnswer(b"{}"))
    assert (await proxy.post("/v1" + path, body)).status == 200


@pytest.mark.parametrize("value", [7, ["resp_1"], True])
async def test_a_previous_response_that_is_no_string_is_refused(proxy, bodies, value: object) -> None:
    got = await proxy.post("/v1/responses", {**bodies["/responses"], "previous_response_id": value})
    assert (got.status, got.error["param"]) == (400, "previous_response_id")


@pytest.mark.parametrize("value", ["", "../models", "resp_1?x", "a" * 257, "resp 1"])
async def test_a_previous_response_that_can_be_no_id_is_not_looked_up(proxy, executions, bodies, value: str) -> None:
    executions.add(value, "alice")
    got = await proxy.post("/v1/responses", {**bodies["/responses"], "previous_response_id": value})
    assert (got.status, got.error["code"]) == (404, "previous_response_not_found")


async def test_no_previous_response_is_no_question(proxy, bodies) -> None:
    proxy.script(FakeAnswer(b"{}"))
    assert (await proxy.post("/v1/responses", {**bodies["/responses"], "previous_response_id": None})).status == 200


@pytest.mark.parametrize(
    "path", ["..", ".", "a/..", "resp_1/", "resp_1/cancel/", "resp_1/x", "re?sp", "r%2e", "resp_ä", ""]
)
async def test_a_path_that_names_no_stored_response_does_not_exist(proxy, path: str) -> None:
    got = await proxy.get(f"/v1/responses/{path}")
    assert (got.status, got.error["code"]) == (404, "unknown_path")
    assert proxy.host.calls == []


async def test_a_stored_response_may_be_read_as_a_stream(proxy, executions) -> None:
    executions.add("resp_1", "alice")
    proxy.script(FakeAnswer(b"data: 1\n\n", stream=True))
    got = await proxy.get("/v1/responses/resp_1", query="stream=true&starting_after=3")
    assert got.body == b"data: 1\n\n"
    assert proxy.call.stream


async def test_a_cancellation_may_have_a_body_and_it_must_be_json(proxy, executions) -> None:
    executions.add("resp_1", "alice")
    got = await proxy.request("POST", "/v1/responses/resp_1/cancel", b"{nonsense")
    assert (got.status, got.error["code"]) == (400, "invalid_json")
    proxy.script(FakeAnswer(b"{}"))
    await proxy.request("POST", "/v1/responses/resp_1/cancel", b"{}")
    assert proxy.call.body.data == b"{}"


async def test_without_a_ledger_nobody_owns_a_stored_response(proxy, executions, bodies) -> None:
    executions.add("resp_1", "alice")
    del proxy.host.services[Executions]
    got = await proxy.get("/v1/responses/resp_1")
    assert (got.status, got.error["code"]) == (404, "no_ledger")
    got = await proxy.post("/v1/responses", {**bodies["/responses"], "previous_response_id": "resp_1"})
    assert (got.status, got.error["code"]) == (404, "no_ledger")


async def test_a_ledger_that_cannot_say_is_asked_again_later(proxy, executions, bodies) -> None:
    executions.broken = True
    body = {**bodies["/responses"], "previous_response_id": "resp_1"}
    for got in (
        await proxy.get("/v1/responses/resp_1"),
        await proxy.post("/v1/responses", body),
    ):
        assert (got.status, got.error["code"], got.header("retry-after")) == (503, "ledger_unavailable", "1")
    assert proxy.host.calls == []
