"""HTTP handlers of what an environment serves."""

from __future__ import annotations

import msgspec
import pytest


@pytest.fixture
async def app(handlers, run_deployed):
    """Asks the application of ``dev``."""
    handlers.pages = {
        "GET /": lambda _: {"root": True},
        "GET /show": lambda asked: asked,
        "POST /show": lambda asked: {"http_status": 201, "body": asked["body"], "headers": {"X-Mine": "1"}},
        "DELETE /show": lambda _: {"http_status": 204, "body": None},
        "GET /bad": lambda _: {"http_status": 100},
    }
    async with run_deployed() as deployed:

        async def ask(method, path, token=None, **more):
            headers = more.pop("headers", {})
            return await deployed.plane.ask(
                method, f"/apps/main/demo/dev{path}", token or deployed.client.token, headers=headers, **more
            )

        ask.deployed = deployed
        yield ask


async def test_the_root_has_a_slash_or_not(app):
    for path in ("", "/"):
        answered = await app("GET", path)
        assert (answered.status, answered.body) == (200, b'{"root":true}')


async def test_a_handler_gets_the_request_and_not_the_token(app):
    answered = await app("GET", "/show?a=1&a=2&b=x%20y", headers={"x-thing": "7", "cookie": "session=1"})
    asked = msgspec.json.decode(answered.body)
    assert (asked["method"], asked["path"], asked["query"]) == ("GET", "/show", {"a": ["1", "2"], "b": "x y"})
    assert asked["headers"] == {"host": "127.0.0.1", "x-thing": "7"}
    assert app.deployed.client.token not in answered.body.decode()


async def test_each_answer_is_an_execution(app):
    answered = await app("POST", "/show", json={"a": [1]})
    assert (answered.status, answered.body, answered.header(b"x-mine")) == (201, b'{"a":[1]}', b"1")
    assert answered.header(b"content-security-policy") == b"sandbox"
    found = await app.deployed.get(answered.header(b"x-aexl-execution-id").decode())
    assert (found["kind"], found["handler"], found["http_status"]) == ("http", "POST /show", 201)
    replayed = await app.deployed.json("POST", f"{app.deployed.executions}/{found['id']}:replay", json={})
    assert replayed["same"] is True


async def test_head_is_get_and_options_are_answered_here(app):
    assert (await app("HEAD", "/show")).status == 200
    before = len((await app.deployed.json("GET", app.deployed.executions))["executions"])
    answered = await app("OPTIONS", "/show")
    assert (answered.status, answered.header(b"allow")) == (204, b"GET, POST, DELETE, HEAD, OPTIONS")
    assert (await app("OPTIONS", "/nothing")).status == 404
    refused = await app("PATCH", "/show")
    assert (refused.status, refused.header(b"allow")) == (405, b"GET, POST, DELETE, HEAD, OPTIONS")
    assert len((await app.deployed.json("GET", app.deployed.executions))["executions"]) == before


async def test_nothing_is_answered_without_a_token_that_may_execute(app):
    url = "/apps/main/demo/dev/show"
    assert (await app.deployed.plane.ask("GET", url)).status == 401
    wanted = {"name": "r", "scopes": ["read"], "service": True}
    token = (await app.deployed.json("POST", "/api/v1/tokens", json=wanted, status=201))["token"]
    assert (await app("GET", "/show", token)).status == 403


async def test_a_body_has_an_end(app):
    kind = {"content-type": "application/octet-stream"}
    for size, status in ((2 * 1024 * 1024, 201), (2 * 1024 * 1024 + 1, 413)):
        assert (await app("POST", "/show", body=b"x" * size, headers=kind)).status == status
    assert (await app("POST", "/show", body=b"{", headers={"content-type": "application/json"})).status == 400


async def test_an_answer_that_cannot_be_sent_is_the_handlers_failure(app):
    answered = await app("GET", "/bad")
    assert answered.status == 500
    assert msgspec.json.decode(answered.body)["error"]["code"] == "BAD_ANSWER"
    assert answered.header(b"x-content-type-options") == b"nosniff"


async def test_no_content_is_no_content(app):
    answered = await app("DELETE", "/show")
    assert (answered.status, answered.body) == (204, b"")
