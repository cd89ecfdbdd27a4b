"""The provider as the host sees it: what it sends, what it gives back, how it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from aexl.api import Provider, ProviderType
from aexl.errors import ConfigError, ProviderFailed
from aexl.testing.factories import make_call, make_target
from aexl.testing.host import FakeHost
from aexl.testing.provider import EVENTS, JSON, FakeReply, ProviderConformance, read_all
from aexl_providers.plugin import ProvidersPlugin


class TestOpenAI(ProviderConformance):
    @pytest.fixture(autouse=True)
    def _factory(self, make_provider: Any) -> None:
        self.make = make_provider

    def make_provider(self) -> Provider:
        return self.make()

    def scripted(self, reply: FakeReply) -> Provider:
        return self.make(reply)


class TestAnthropic(TestOpenAI):
    call = make_call(surface="messages", path="/messages")
    message = b'{"type":"message","usage":{"input_tokens":3,"output_tokens":4}}'

    def make_provider(self) -> Provider:
        return self.make(FakeReply(chunks=(self.message,)), "anthropic")

    def scripted(self, reply: FakeReply) -> Provider:
        return self.make(reply, "anthropic")


class TestGemini(TestOpenAI):
    call = make_call(
        {"contents": []},
        surface="gemini",
        path="/models/a:generateContent",
        output_key="generationConfig.maxOutputTokens",
    )
    answer = b'{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}'

    def make_provider(self) -> Provider:
        return self.make(FakeReply(chunks=(self.answer,)), "gemini")

    def scripted(self, reply: FakeReply) -> Provider:
        return self.make(reply, "gemini")


async def ask(provider: Provider, call: Any = None, target: Any = None) -> bytes:
    async with provider.open(call or make_call(), target or make_target()) as reply:
        return await read_all(reply)


async def test_the_body_keeps_every_value_but_the_model(make_provider: Any) -> None:
    body = b'{"model":"a", "temperature": 1.0,  "messages":[{"role" : "user"}], "new_parameter":{"x": 1e3}}'
    await ask(make_provider(), make_call(body), make_target(model="real-name"))
    (sent,) = make_provider.upstream.bodies
    assert sent == b'{"model":"real-name","temperature":1.0,"messages":[{"role" : "user"}],"new_parameter":{"x": 1e3}}'
    request = make_provider.upstream.requests[0]
    assert str(request.url) == "https://models.example/v1/chat/completions"
    assert request.headers["content-length"] == str(len(sent))


async def test_headers_pass_but_for_those_of_the_hop_and_of_aexl(make_provider: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("FAR_KEY", "sk-far")
    sent = [
        (b"host", b"127.0.0.1"),
        (b"authorization", b"Bearer aexl_token"),
        (b"x-api-key", b"aexl_token"),
        (b"x-goog-api-key", b"aexl_token"),
        (b"x-api-token", b"aexl_token"),
        (b"cookie", b"a=b"),
        (b"x-aexl-provider-key", b"sk"),
        (b"accept-encoding", b"gzip, br"),
        (b"expect", b"100-continue"),
        (b"origin", b"http://x"),
        (b"connection", b"keep-alive"),
        (b"content-length", b"9999"),
        (b"content-type", b"application/json"),
        (b"openai-organization", b"org"),
        (b"x-stainless-retry-count", b"0"),
        (b"user-agent", b"OpenAI/Python"),
    ]
    await ask(make_provider(api_key_env="FAR_KEY", headers={"X-Team": "blue"}), make_call(headers=sent))
    headers = make_provider.upstream.requests[0].headers
    assert {name: headers.get_list(name) for name in headers if name != "content-length"} == {
        "host": ["models.example"],
        "accept-encoding": ["identity"],
        "x-team": ["blue"],
        "authorization": ["Bearer sk-far"],
        "content-type": ["application/json"],
        "openai-organization": ["org"],
        "x-stainless-retry-count": ["0"],
        "user-agent": ["OpenAI/Python"],
    }


async def test_the_callers_own_key_is_used_in_place_of_ours(make_provider: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("FAR_KEY", "sk-far")
    await ask(make_provider(api_key_env="FAR_KEY"), make_call(provider_key="sk-mine"))
    assert make_provider.upstream.requests[0].headers["authorization"] == "Bearer sk-mine"


async def test_anthropic_gets_its_key_its_version_and_the_query(make_provider: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("FAR_KEY", "sk-far")
    call = make_call(surface="messages", path="/messages", query="beta=true", headers=[(b"anthropic-beta", b"a,b")])
    await ask(make_provider(dialect="anthropic", api_key_env="FAR_KEY"), call)
    request = make_provider.upstream.requests[0]
    assert str(request.url) == "https://models.example/v1/messages?beta=true"
    assert request.headers["x-api-key"] == "sk-far"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["anthropic-beta"] == "a,b"
    assert "authorization" not in request.headers


async def test_a_given_anthropic_version_stays(make_provider: Any) -> None:
    call = make_call(surface="messages", path="/messages", headers=[(b"anthropic-version", b"2024-01-01")])
    await ask(make_provider(dialect="anthropic"), call)
    assert make_provider.upstream.requests[0].headers.get_list("anthropic-version") == ["2024-01-01"]


async def test_without_a_key_no_key_is_sent(make_provider: Any) -> None:
    await ask(make_provider())
    assert "authorization" not in make_provider.upstream.requests[0].headers


async def test_a_key_that_is_missing_names_its_variable_and_costs_nothing(make_provider: Any) -> None:
    provider = make_provider(base_url=None)
    with pytest.raises(ProviderFailed, match="OPENAI_API_KEY") as caught:
        await ask(provider)
    assert (caught.value.code, caught.value.charged, caught.value.status) == ("provider_key_missing", "no", 502)
    assert make_provider.upstream.requests == []


async def test_a_key_in_the_home_is_found(make_provider: Any, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-home\n")
    (tmp_path / ".env").chmod(0o600)
    await ask(make_provider(base_url=None))
    request = make_provider.upstream.requests[0]
    assert request.headers["authorization"] == "Bearer sk-home"
    assert request.url.host == "api.openai.com"


def test_a_home_that_others_may_read_is_refused(make_provider: Any, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-home\n")
    (tmp_path / ".env").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        make_provider(base_url=None)


async def test_an_output_limit_is_sent_under_the_callers_key(make_provider: Any) -> None:
    call = make_call({"model": "a", "max_tokens": 9000}, output_key="max_tokens")
    await ask(make_provider(output_limit_key="max_completion_tokens"), call, make_target(output_limit=16))
    assert msgspec.json.decode(make_provider.upstream.bodies[0]) == {"model": "test-model", "max_tokens": 16}


async def test_an_output_limit_of_ours_is_sent_under_the_providers_key(make_provider: Any) -> None:
    await ask(make_provider(output_limit_key="max_tokens"), make_call({"model": "a"}), make_target(output_limit=16))
    assert msgspec.json.decode(make_provider.upstream.bodies[0]) == {"model": "test-model", "max_tokens": 16}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (None, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
        ({"include_usage": True, "x": 1}, {"include_usage": True, "x": 1}),
        ("wrong", "wrong"),
    ],
)
async def test_usage_is_asked_for_where_the_caller_does_not(make_provider: Any, options: object, sent: object) -> None:
    body = {"model": "a", "stream": True, "stream_options": options}
    if options is None:
        del body["stream_options"]
    await ask(make_provider(), make_call(body, stream=True))
    assert msgspec.json.decode(make_provider.upstream.bodies[0])["stream_options"] == sent


@pytest.mark.parametrize(
    ("surface", "path", "stream", "table"),
    [
        ("chat", "/chat/completions", False, {}),
        ("responses", "/responses", True, {}),
        ("chat", "/chat/completions", True, {"stream_usage": False}),
    ],
)
async def test_usage_is_not_asked_for_elsewhere(
    make_provider: Any, surface: str, path: str, stream: bool, table: dict[str, object]
) -> None:
    await ask(make_provider(**table), make_call({"model": "a"}, surface=surface, path=path, stream=stream))
    assert b"stream_options" not in make_provider.upstream.bodies[0]


CHUNK = b'data: {"choices":[{"delta":{"content":"Hi"}}],"usage":null}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


async def test_events_that_arrive_together_pass_together_without_what_was_not_asked_for(make_provider: Any) -> None:
    reply_script = FakeReply(headers=EVENTS, chunks=(CHUNK + CHUNK[:9], CHUNK[9:] + CHUNK, USAGE, DONE))
    async with make_provider(reply_script).open(make_call(stream=True), make_target()) as reply:
        plain = CHUNK.replace(b',"usage":null', b"")
        assert await reply.chunks.receive() == plain
        assert await reply.chunks.receive() == plain * 2
        assert await reply.chunks.receive() == DONE
        with pytest.raises(trio.EndOfChannel):
            await reply.chunks.receive()
        assert reply.finished
        assert reply.usage is not None
        assert reply.usage.output_tokens == 2


async def test_half_an_event_is_not_passed_when_the_connection_breaks(make_provider: Any) -> None:
    cut = ProviderFailed("x", code="x", status=502, charged="unknown")
    provider = make_provider(FakeReply(headers=EVENTS, chunks=(DONE + b"data: {",), cut=cut))
    async with provider.open(make_call(stream=True), make_target()) as reply:
        assert await reply.chunks.receive() == DONE
        with pytest.raises(ProviderFailed):
            await reply.chunks.receive()


@pytest.mark.parametrize("content_type", [b"text/html", b"application/json", b""])
async def test_an_answer_to_a_stream_that_is_none_passes_as_what_it_is(make_provider: Any, content_type: bytes) -> None:
    page = b"<html>data: [DONE]</html>"
    provider = make_provider(FakeReply(headers=[(b"content-type", content_type)], chunks=(page,)))
    async with provider.open(make_call(stream=True), make_target()) as reply:
        assert await read_all(reply) == page
        assert reply.usage is None
        assert not reply.finished


async def test_headers_of_the_hop_and_cookies_do_not_come_back(make_provider: Any) -> None:
    headers = [
        *JSON,
        (b"connection", b"close"),
        (b"content-length", b"5"),
        (b"set-cookie", b"a=b"),
        (b"alt-svc", b"h3"),
        (b"x-request-id", b"r1"),
        (b"x-ratelimit-remaining-tokens", b"7"),
    ]
    async with make_provider(FakeReply(headers=headers)).open(make_call(), make_target()) as reply:
        names = [name for name, _ in reply.headers]
    assert names == [b"content-type", b"x-request-id", b"x-ratelimit-remaining-tokens"]


class Unsent(httpx.ReadError):
    sent = False


@pytest.mark.parametrize(
    ("error", "code", "status", "charged"),
    [
        (httpx.ConnectError("refused"), "upstream_unreachable", 502, "no"),
        (httpx.ConnectTimeout("slow"), "upstream_timeout", 504, "no"),
        (httpx.PoolTimeout("busy"), "upstream_timeout", 504, "no"),
        (httpx.ReadTimeout("slow"), "upstream_timeout", 504, "unknown"),
        (httpx.WriteTimeout("slow"), "upstream_timeout", 504, "unknown"),
        (httpx.ReadError("reset"), "upstream_reset", 502, "unknown"),
        (Unsent("stale"), "upstream_reset", 502, "no"),
        (httpx.WriteError("reset"), "upstream_reset", 502, "unknown"),
        (httpx.RemoteProtocolError("nonsense"), "upstream_protocol", 502, "unknown"),
        (httpx.ProxyError("no way"), "upstream_unreachable", 502, "unknown"),
    ],
)
async def test_an_error_of_the_transport_says_whether_it_may_have_cost(
    make_provider: Any, error: Exception, code: str, status: int, charged: str
) -> None:
    with pytest.raises(ProviderFailed, match="'far'") as caught:
        await ask(make_provider(error))
    assert (caught.value.code, caught.value.status, caught.value.charged) == (code, status, charged)


async def test_a_stored_response_is_fetched_without_a_body_and_costs_nothing(make_provider: Any) -> None:
    stored = b'{"id":"resp_1","usage":{"input_tokens":5,"output_tokens":5}}'
    call = make_call(b"", surface="stored", method="GET", path="/responses/resp_1", query="include=x")
    async with make_provider(FakeReply(chunks=(stored,))).open(call, make_target()) as reply:
        assert await read_all(reply) == stored
        assert reply.usage is not None
        assert reply.usage.input_total == 0
    request = make_provider.upstream.requests[0]
    assert (request.method, str(request.url)) == ("GET", "https://models.example/v1/responses/resp_1?include=x")
    assert "content-length" not in request.headers


async def test_a_post_without_a_body_says_so(make_provider: Any) -> None:
    await ask(make_provider(), make_call(b"", surface="stored", method="POST", path="/responses/resp_1/cancel"))
    assert make_provider.upstream.requests[0].headers["content-length"] == "0"


@pytest.mark.parametrize("path", ["/responses/../../admin", "/./x", "responses"])
async def test_a_path_that_climbs_is_not_sent(make_provider: Any, path: str) -> None:
    with pytest.raises(ProviderFailed) as caught:
        await ask(make_provider(), make_call(b"", surface="stored", method="GET", path=path))
    assert caught.value.charged == "no"
    assert make_provider.upstream.requests == []


async def test_a_path_cannot_add_a_query_or_a_host(make_provider: Any) -> None:
    call = make_call(b"", surface="stored", method="GET", path="/responses/a?b#c\r\nx: y")
    await ask(make_provider(), call)
    request = make_provider.upstream.requests[0]
    assert request.url.host == "models.example"
    assert request.url.raw_path == b"/v1/responses/a%3Fb%23c%0D%0Ax:%20y"


async def test_leaving_the_context_closes_the_upstream(make_provider: Any) -> None:
    async with make_provider().open(make_call(), make_target()):
        pass
    assert make_provider.upstream.streams[0].closed


async def test_an_event_without_end_is_a_failure(make_provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aexl_providers.streams.MAX_FRAME", 100)
    provider = make_provider(FakeReply(headers=EVENTS, chunks=(b"data: " + b"x" * 200,)))
    async with provider.open(make_call(stream=True), make_target()) as reply:
        with pytest.raises(ProviderFailed, match="more than 100 bytes"):
            await read_all(reply)


def test_a_pool_is_kept_over_a_reload_while_its_settings_are(tmp_path: Path) -> None:
    made: list[object] = []

    class Host(FakeHost):
        def transport(self, upstream: object) -> httpx.AsyncBaseTransport:
            made.append(upstream)
            return httpx.MockTransport(lambda _: httpx.Response(200))

    kind = ProvidersPlugin().aexl_provider_types(Host(tmp_path))[0]
    table: dict[str, object] = {"type": "openai", "base_url": "http://127.0.0.1:1/v1"}
    kind.build("a", table)
    kind.build("a", {**table, "headers": {"x": "y"}})
    kind.build("a", {**table, "private": True})
    assert len(made) == 2


def test_the_plugin_offers_its_types(tmp_path: Path) -> None:
    types = ProvidersPlugin().aexl_provider_types(FakeHost(tmp_path))
    assert [kind.name for kind in types] == ["openai", "anthropic", "gemini"]
    assert all(isinstance(kind, ProviderType) for kind in types)


@pytest.mark.parametrize(
    ("body", "model"),
    [({"model": "a", "web_search_options": {}}, "gpt-9"), ({"model": "a"}, "gpt-9-search-preview")],
)
async def test_a_chat_that_searches_the_web_is_said_to_have_searched_once(
    make_provider: Any, body: dict[str, object], model: str
) -> None:
    async with make_provider().open(make_call(body), make_target(model=model)) as reply:
        await read_all(reply)
        assert reply.usage.tool_uses == {"web_search": 1}
