"""What the host is asked to call."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
import trio

from aexl.testing.answers import FakeAnswer
from aexl.testing.factories import make_principal
from aexl.testing.host import FakeConfig
from aexl_proxy.settings import ProxyConfig

JSON = (b"content-type", b"application/json")


@pytest.fixture(autouse=True)
def answers(proxy) -> None:
    proxy.script(FakeAnswer(b"{}"))


@pytest.mark.parametrize(
    ("path", "surface", "key"),
    [
        ("/chat/completions", "chat", "max_completion_tokens"),
        ("/responses", "responses", "max_output_tokens"),
        ("/messages", "messages", "max_tokens"),
        ("/messages/count_tokens", "count", "max_tokens"),
        ("/responses/input_tokens", "count", "max_output_tokens"),
    ],
)
@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/anthropic/v1"])
async def test_each_surface_is_served_under_each_prefix(proxy, path: str, surface: str, key: str, prefix: str) -> None:
    got = await proxy.post(prefix + path, query="beta=true")
    assert got.status == 200
    call = proxy.call
    assert (call.surface, call.method, call.path, call.query) == (surface, "POST", path, "beta=true")
    assert (call.model, call.stream, call.output_key, call.choices) == ("m", False, key, 1)
    assert call.principal is proxy.principal
    assert call.output_floor == 1024


async def test_a_body_reaches_the_call_byte_for_byte_however_it_was_cut(proxy) -> None:
    data = b' {"model" : "m", "unknown_to_us": {"b": 1.50, "a": "\\u00e4"}, "messages":[ ]} '
    await proxy.request("POST", "/v1/chat/completions", [data[:7], b"", data[7:20], data[20:]])
    assert proxy.call.body.data == data
    assert proxy.call.fingerprint == hashlib.sha256(b"POST /chat/completions " + data).digest()


async def test_the_fingerprint_does_not_know_the_prefix_and_knows_the_path(proxy) -> None:
    proxy.script(FakeAnswer(b"{}"), FakeAnswer(b"{}"))
    for path in ("/v1/responses", "/openai/v1/responses", "/v1/chat/completions"):
        await proxy.post(path, b'{"model":"m","input":"x"}')
    first, second, third = (call.fingerprint for call in proxy.host.calls)
    assert first == second != third


async def test_a_large_body_has_the_same_fingerprint(proxy) -> None:
    data = msgspec.json.encode({"model": "m", "input": "x" * 1_100_000})
    await proxy.post("/v1/responses", data)
    assert proxy.call.fingerprint == hashlib.sha256(b"POST /responses " + data).digest()


@pytest.mark.parametrize("name", [b"idempotency-key", b"x-aexl-execution-id"])
@pytest.mark.parametrize("key", [b"k", b"k" * 255, b"stainless-python-retry-1 2~"])
async def test_the_caller_may_choose_the_execution_id(proxy, name: bytes, key: bytes) -> None:
    await proxy.post("/v1/responses", headers=(JSON, (name, key)))
    assert proxy.call.id == key.decode()
    assert proxy.call.keyed


async def test_else_every_call_has_a_fresh_id(proxy) -> None:
    proxy.script(FakeAnswer(b"{}"))
    await proxy.post("/v1/responses")
    await proxy.post("/v1/responses")
    first, second = proxy.host.calls
    assert not first.keyed
    assert first.id != second.id
    assert first.id[14] == "7"


async def test_credentials_end_at_the_proxy_and_everything_else_passes(proxy) -> None:
    passing = (
        JSON,
        (b"anthropic-beta", b"a,b"),
        (b"openai-organization", b"org"),
        (b"x-stainless-retry-count", b"2"),
        (b"user-agent", b"x"),
        (b"x-claude-code-session-id", b"s"),
    )
    secret = (
        (b"authorization", b"Bearer aexl_1_2"),
        (b"x-api-key", b"aexl_1_2"),
        (b"x-goog-api-key", b"aexl_1_2"),
        (b"x-api-token", b"aexl_1_2"),
        (b"cookie", b"a=b"),
        (b"x-aexl-provider-key", b"sk-mine"),
        (b"x-aexl-execution-id", b"mine"),
    )
    await proxy.post("/v1/messages", headers=(*secret, *passing, *secret))
    assert tuple(proxy.call.headers) == passing
    assert proxy.call.provider_key == "sk-mine"
    assert proxy.call.retry_count == 2


@pytest.mark.parametrize(
    ("value", "count"), [(b"0", 0), (b"1", 1), (b"9999", 9999), (b"10000", 0), (b"-1", 0), (b"x", 0), (b"", 0)]
)
async def test_a_retry_count_that_is_no_number_is_no_retry(proxy, value: bytes, count: int) -> None:
    await proxy.post("/v1/responses", headers=(JSON, (b"x-stainless-retry-count", value)))
    assert proxy.call.retry_count == count


async def test_the_old_name_of_the_chat_limit_is_kept(proxy, bodies) -> None:
    await proxy.post("/v1/chat/completions", {**bodies["/chat/completions"], "max_tokens": 7, "n": 3, "stream": True})
    call = proxy.call
    assert (call.output_limit, call.output_key, call.choices, call.stream) == (7, "max_tokens", 3, True)


async def test_null_is_the_same_as_absent(proxy, bodies) -> None:
    nothing = dict.fromkeys(("stream", "stream_options", "n", "max_tokens", "max_completion_tokens"))
    await proxy.post("/v1/chat/completions", {**bodies["/chat/completions"], **nothing})
    call = proxy.call
    assert (call.output_limit, call.output_key, call.choices, call.stream) == (None, "max_completion_tokens", 1, False)


@pytest.mark.parametrize(
    ("thinking", "floor"),
    [
        (None, 1024),
        ({"type": "adaptive"}, 1024),
        ({"type": "enabled", "budget_tokens": 1024}, 1025),
        ({"type": "enabled", "budget_tokens": 10}, 1024),
        ({"type": "enabled", "budget_tokens": 32000}, 32001),
    ],
)
async def test_a_call_that_thinks_is_never_clamped_below_its_thoughts(
    proxy, bodies, thinking: object, floor: int
) -> None:
    await proxy.post("/v1/messages", {**bodies["/messages"], "thinking": thinking})
    assert proxy.call.output_floor == floor


async def test_the_deadline_follows_the_configuration_in_force(proxy, autojump_clock) -> None:
    proxy.script(FakeAnswer(b"{}"))
    await proxy.post("/v1/responses")
    proxy.host.current = FakeConfig(ProxyConfig(timeout=5.0))
    await proxy.post("/v1/responses")
    first, second = proxy.host.calls
    assert first.deadline - first.received == 3600
    assert second.deadline - second.received == 5
    assert second.received <= trio.current_time()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/messages/count_tokens"])
async def test_a_token_that_may_only_read_cannot_call(proxy, path: str) -> None:
    got = await proxy.post(path, principal=make_principal(scope="read"))
    assert got.status == (400 if path == "/v1/responses" else 403)
    assert (got.error.get("code") or got.error["details"]["error_code"]) == "read_only_token"
    assert proxy.host.calls == []


async def test_a_client_that_leaves_before_its_body_ends_makes_no_call(proxy) -> None:
    got = await proxy.request("POST", "/v1/responses", [])
    assert got.status == 0
    assert proxy.host.calls == []
