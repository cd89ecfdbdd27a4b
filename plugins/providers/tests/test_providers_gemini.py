"""Gemini: what is sent, and what its answers are believed to say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from genai_prices import extract_usage
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import Usage
from aexl.testing.factories import make_call, make_target
from aexl.testing.provider import EVENTS, FakeReply, read_all
from aexl_providers.gemini import GeminiReader, GeminiUsage, from_gemini, read_whole
from aexl_providers.usage import Implausible

PATH = "/models/mine:generateContent"


def event(**values: Any) -> bytes:
    return b"data: " + msgspec.json.encode(values) + b"\r\n\r\n"


def chunk(reason: str | None = None, given: int = 10, made: int = 1, index: int = 0, **more: Any) -> bytes:
    candidate = {"content": {"parts": [{"text": "x"}]}, "index": index}
    if reason:
        candidate["finishReason"] = reason
    usage = {"promptTokenCount": given, "candidatesTokenCount": made, "totalTokenCount": given + made}
    return event(candidates=[candidate], usageMetadata=usage, responseId="r1", **more)


def call(body: bytes | dict[str, object], **changes: Any) -> Any:
    values = {"surface": "gemini", "path": PATH, "model": "mine", "output_key": "generationConfig.maxOutputTokens"}
    return make_call(body, **{**values, **changes})


async def sent(make_provider: Any, asked: Any, **target: Any) -> tuple[str, bytes]:
    async with make_provider(None, "gemini", base_url="https://g.example/v1beta").open(
        asked, make_target(**target)
    ) as reply:
        await read_all(reply)
    return str(make_provider.upstream.requests[0].url), make_provider.upstream.bodies[0]


async def test_the_model_stands_in_the_path_and_the_body_keeps_its_bytes(make_provider: Any) -> None:
    body = b'{"contents": [{"parts" : [ ]}],"generationConfig":{"topP":1e-1}}'
    url, data = await sent(make_provider, call(body, query="alt=sse"), model="real-1")
    assert url == "https://g.example/v1beta/models/real-1:generateContent?alt=sse"
    assert data == b'{"contents":[{"parts" : [ ]}],"generationConfig":{"topP":1e-1}}'


@pytest.mark.parametrize(
    ("body", "key", "expected"),
    [
        (b'{"generationConfig":{"topP":1e0,"maxOutputTokens":900}}', "generationConfig.maxOutputTokens",
         b'{"generationConfig":{"topP":1e0,"maxOutputTokens":50}}'),
        (b'{"generation_config":{"max_output_tokens":900}}', "generation_config.max_output_tokens",
         b'{"generation_config":{"max_output_tokens":50}}'),
        (b'{"contents":[]}', "generationConfig.maxOutputTokens",
         b'{"contents":[],"generationConfig":{"maxOutputTokens":50}}'),
        (b'{"generationConfig":null}', "generationConfig.maxOutputTokens", b'{"generationConfig":{"maxOutputTokens":50}}'),
    ],
)  # fmt: skip
async def test_a_limit_is_set_where_the_caller_has_it(
    make_provider: Any, body: bytes, key: str, expected: bytes
) -> None:
    _, data = await sent(make_provider, call(body, output_key=key), output_limit=50)
    assert data == expected


async def test_every_name_of_the_model_is_the_providers(make_provider: Any) -> None:
    body = {"requests": [{"model": "models/mine", "content": {}}, {"content": {}}]}
    asked = call(body, surface="gemini_embeddings", path="/models/mine:batchEmbedContents")
    url, data = await sent(make_provider, asked, model="real")
    assert url.endswith("/models/real:batchEmbedContents")
    assert msgspec.json.decode(data) == {"requests": [{"model": "models/real", "content": {}}, {"content": {}}]}
    _, data = await sent(make_provider, call({"model": "models/mine", "contents": []}), model="real")
    assert msgspec.json.decode(data)["model"] == "models/real"


async def test_a_models_name_cannot_lead_elsewhere(make_provider: Any) -> None:
    url, _ = await sent(make_provider, call({}), model="a%2e%2e/b?c#d e")
    assert url == "https://g.example/v1beta/models/a%252e%252e/b%3Fc%23d%20e:generateContent"
    url, _ = await sent(make_provider, call({}), model="tunedModels/t1")
    assert url == "https://g.example/v1beta/tunedModels/t1:generateContent"
    for name in ("../x", "a/../../x"):
        with pytest.raises(Exception, match="not one of an API"):
            await sent(make_provider, call({}), model=name)


async def test_the_key_has_a_header_of_its_own(make_provider: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("GEMINI_KEY", "AIza")
    provider = make_provider(None, "gemini", api_key_env="GEMINI_KEY")
    async with provider.open(call({}), make_target()) as reply:
        await read_all(reply)
    headers = make_provider.upstream.requests[0].headers
    assert headers["x-goog-api-key"] == "AIza"
    assert "authorization" not in headers


async def test_another_dialects_provider_does_not_take_geminis_paths(make_provider: Any) -> None:
    asked = make_call({}, surface="count", path="/models/a:countTokens")
    with pytest.raises(Exception, match="path of Gemini's API"):
        async with make_provider().open(asked, make_target()):
            pass


async def test_a_stream_is_read_to_its_usage(make_provider: Any) -> None:
    chunks = (chunk(), chunk("STOP", made=20))
    provider = make_provider(FakeReply(chunks=chunks, headers=EVENTS), "gemini")
    async with provider.open(call({}, stream=True), make_target()) as reply:
        assert await read_all(reply) == b"".join(chunks)
        assert (reply.usage, reply.finished, reply.upstream_id) == (
            Usage(input_tokens=10, output_tokens=20),
            True,
            "r1",
        )


def read(*events: bytes) -> GeminiReader:
    reader = GeminiReader()
    for piece in events:
        reader.feed(piece)
    reader.close()
    return reader


def test_a_stream_without_a_finish_is_cut() -> None:
    reader = read(chunk(), chunk())
    assert (reader.finished, reader.usage) == (False, None)


def test_usage_is_known_while_the_stream_runs() -> None:
    reader = GeminiReader()
    reader.feed(chunk(given=7))
    assert reader.usage == Usage(input_tokens=7, output_tokens=1)


def test_every_candidate_must_finish() -> None:
    assert not read(chunk("STOP"), chunk(index=1)).finished
    assert read(chunk("STOP"), chunk(index=1), chunk("MAX_TOKENS", index=1)).finished


def test_usage_may_come_after_the_finish() -> None:
    reader = read(chunk("STOP"), event(usageMetadata={"promptTokenCount": 10, "candidatesTokenCount": 99}))
    assert reader.finished
    assert reader.usage == Usage(input_tokens=10, output_tokens=99)


def test_a_blocked_prompt_is_an_answer() -> None:
    reader = read(event(promptFeedback={"blockReason": "SAFETY"}, usageMetadata={"promptTokenCount": 4}))
    assert (reader.finished, reader.usage) == (True, Usage(input_tokens=4))


def test_an_error_in_a_stream_is_no_answer() -> None:
    assert not read(chunk(), event(error={"code": 500, "message": "x", "status": "INTERNAL"})).finished


def test_an_array_is_read_as_its_chunks() -> None:
    body = b"[%b,%b]" % (chunk()[6:].strip(), chunk("STOP", made=5)[6:].strip())
    progress = read_whole(body)
    assert (progress.ended, progress.usage) == (True, Usage(input_tokens=10, output_tokens=5))


def test_searches_are_counted_by_query_and_in_older_models_by_prompt() -> None:
    grounding = {"groundingMetadata": {"webSearchQueries": ["a", "b", "a", ""]}, "finishReason": "STOP"}
    for version, count in (("gemini-3.8-flash", 2), ("gemini-2.5-pro", 1)):
        body = {"candidates": [grounding], "usageMetadata": {"promptTokenCount": 1}, "modelVersion": version}
        usage = read_whole(msgspec.json.encode(body)).usage
        assert usage is not None
        assert usage.tool_uses == {"web_search": count}


COUNT = st.integers(0, 100_000)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, st.booleans())
def test_usage_is_what_the_source_of_prices_extracts(
    text: int, audio: int, cached: int, made: int, thought: int, tools: int, total: bool
) -> None:
    cached = min(cached, text + audio)
    told: dict[str, Any] = {
        "promptTokenCount": text + audio,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": made,
        "thoughtsTokenCount": thought,
        "toolUsePromptTokenCount": tools,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": text}, {"modality": "AUDIO", "tokenCount": audio}],
        "cacheTokensDetails": [
            {"modality": "TEXT", "tokenCount": min(cached, text)},
            {"modality": "AUDIO", "tokenCount": max(0, cached - text)},
        ],
    }
    if total:
        told["totalTokenCount"] = text + audio + made + thought + tools
    ours = from_gemini(msgspec.convert(told, GeminiUsage))
    theirs = extract_usage({"usageMetadata": told, "modelVersion": "gemini-2.5-flash"}, provider_id="google").usage
    assert ours.input_total == theirs.input_tokens
    assert ours.cached_input_tokens == (theirs.cache_read_tokens or 0)
    assert ours.output_tokens == (theirs.output_tokens or 0)
    assert ours.reasoning_tokens == thought
    assert sum(ours.parts.get(f"{kind}_audio", 0) for kind in ("input", "cached")) == audio


@pytest.mark.parametrize(
    "wrong",
    [
        {"promptTokenCount": 1, "cachedContentTokenCount": 2},
        {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 9},
        {"candidatesTokenCount": 1, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 2}]},
    ],
)
def test_counts_that_contradict_each_other_are_not_believed(wrong: dict[str, Any]) -> None:
    with pytest.raises(Implausible):
        from_gemini(msgspec.convert(wrong, GeminiUsage))


def test_a_total_with_more_than_its_parts_has_hidden_thoughts() -> None:
    told = {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 20, "serviceTier": "PRIORITY"}
    assert from_gemini(msgspec.convert(told, GeminiUsage)) == Usage(
        input_tokens=5, output_tokens=15, reasoning_tokens=10, tier="priority"
    )


def test_pictures_that_were_made_are_told_apart() -> None:
    told = {"promptTokenCount": 5, "candidatesTokenCount": 1300, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]}  # fmt: skip
    assert from_gemini(msgspec.convert(told, GeminiUsage)).parts == {"output_image": 1290}
