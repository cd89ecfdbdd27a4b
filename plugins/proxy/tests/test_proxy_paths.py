"""Which paths there are, for whom, and what the others answer."""

from __future__ import annotations

import pytest

from aexl.testing.factories import make_principal


@pytest.mark.parametrize("path", ["/", "/api/hello"])
async def test_the_root_says_hello_to_anybody(proxy, path: str) -> None:
    assert proxy.mounts[path].auth == "none"
    for method in ("GET", "HEAD"):
        got = await proxy.request(method, path)
        assert got.status == 200
        assert got.header("content-length") == "11"
    got = await proxy.request("POST", path)
    assert (got.status, got.header("allow")) == (405, "GET, HEAD")


async def test_nothing_else_is_at_the_root(proxy) -> None:
    got = await proxy.get("/favicon.ico")
    assert (got.status, got.error["code"]) == (404, "unknown_path")


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/anthropic/v1"])
def test_a_token_that_may_read_reaches_what_is_to_be_read(proxy, prefix: str) -> None:
    assert proxy.mounts[prefix].auth == "read"


@pytest.mark.parametrize(
    "path",
    [
        "files",
        "files/f_1",
        "batches",
        "realtime",
        "audio/voices",
        "images/i_1",
        "messages/batches",
        "complete",
        "chat/completions/c_1",
        "responses/compact",
        "vector_stores/v/search",
        "fine_tuning/jobs",
        "conversations",
        "threads",
        "videos",
        "uploads",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_is_not_governed_yet_says_so_and_is_not_passed_on(proxy, method: str, path: str) -> None:
    got = await proxy.request(method, f"/v1/{path}", b"{}")
    assert got.status == 404
    assert "not governed yet" in got.error["message"]
    assert got.header("x-should-retry") == "false"
    assert proxy.host.calls == []


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1/nothing", "/v1/chat", "/v1/chat/completions/", "/v1//chat/completions", "/anthropic/v1/x"],
)
async def test_a_path_that_does_not_exist_is_a_404_of_the_dialect(proxy, path: str) -> None:
    got = await proxy.post(path, b"{}")
    assert got.status == 404
    assert got.error["type"] == ("not_found_error" if "anthropic" in path else "invalid_request_error")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("GET", "/v1/messages", "POST"),
        ("PUT", "/v1/responses", "POST"),
        ("GET", "/v1/responses", "POST"),
        ("DELETE", "/v1/messages/count_tokens", "POST"),
        ("GET", "/v1/responses/input_tokens", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/gpt-a", "GET"),
        ("POST", "/v1/responses/resp_1", "GET, DELETE"),
        ("GET", "/v1/responses/resp_1/cancel", "POST"),
        ("POST", "/v1/responses/resp_1/input_items", "GET"),
    ],
)
async def test_a_wrong_method_is_told_the_right_one(proxy, method: str, path: str, allow: str) -> None:
    got = await proxy.request(method, path, b"{}")
    assert (got.status, got.header("allow")) == (405, allow)
    assert proxy.host.calls == []


async def test_a_websocket_on_responses_is_told_to_use_http(proxy) -> None:
    got = await proxy.get("/v1/responses", headers=((b"connection", b"Upgrade"), (b"upgrade", b"websocket")))
    assert got.status == 426
    assert got.error["code"] == "websocket_not_supported"


async def test_an_unknown_path_has_the_callers_dialect(proxy) -> None:
    got = await proxy.get("/v1/nothing", headers=((b"anthropic-version", b"2023-06-01"),))
    assert got.json()["type"] == "error"
    got = await proxy.get("/openai/v1/nothing", headers=((b"anthropic-version", b"2023-06-01"),))
    assert set(got.json()) == {"error"}


async def test_reading_needs_no_more_than_a_read_token(proxy, executions) -> None:
    reader = make_principal(scope="read")
    executions.add("resp_1", "alice")
    assert (await proxy.get("/v1/models", principal=reader)).status == 200
    with pytest.raises(IndexError):
        await proxy.get("/v1/responses/resp_1", principal=reader)
    got = await proxy.request("DELETE", "/v1/responses/resp_1", principal=reader)
    assert (got.status, got.error["code"]) == (403, "read_only_token")
