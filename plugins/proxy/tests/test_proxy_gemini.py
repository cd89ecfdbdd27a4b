"""Gemini's surface: its paths, what its bodies say, and how it says no."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import Body
from aexl.errors import Refused
from aexl.testing.answers import FakeAnswer
from aexl.testing.factories import make_principal
from aexl_proxy.dialects import path_dialect
from aexl_proxy.gemini import clean_query, find_route, read_generate
from aexl_proxy.surfaces import Wish

SSE = ((b"content-type", b"text/event-stream"),)
BODY = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


@pytest.mark.parametrize("prefix", ["/v1beta", "/v1alpha", "/v1", "", "/gemini", "/gemini/v1beta", "/openai/v1"])
async def test_every_spelling_makes_the_same_call(proxy: Any, prefix: str) -> None:
    proxy.script(FakeAnswer(b"{}"))
    got = await proxy.post(f"{prefix}/models/gemini-a:generateContent", BODY)
    assert got.status == 200
    call = proxy.call
    assert (call.surface, call.path, call.model) == ("gemini", "/models/gemini-a:generateContent", "gemini-a")
    assert (call.stream, call.output_limit, call.output_key) == (False, None, "generationConfig.maxOutputTokens")


@pytest.mark.parametrize(
    ("verb", "surface", "stream"),
    [
        ("generateContent", "gemini", False),
        ("streamGenerateContent", "gemini", True),
        ("countTokens", "count", False),
        ("embedContent", "gemini_embeddings", False),
    ],
)
async def test_the_verb_says_what_is_asked(proxy: Any, verb: str, surface: str, stream: bool) -> None:
    proxy.script(FakeAnswer(b"{}"))
    await proxy.post(f"/v1beta/models/org/m:x:{verb}", BODY, query="alt=sse")
    assert (proxy.call.surface, proxy.call.stream, proxy.call.model) == (surface, stream, "org/m:x")
    assert proxy.call.query == "alt=sse"


@pytest.mark.parametrize(
    ("body", "limit", "key", "floor", "choices"),
    [
        ({}, None, "generationConfig.maxOutputTokens", 1024, 1),
        ({"generationConfig": None}, None, "generationConfig.maxOutputTokens", 1024, 1),
        ({"generationConfig": {"maxOutputTokens": 5}}, 5, "generationConfig.maxOutputTokens", 1024, 1),
        ({"generationConfig": {"max_output_tokens": 5}}, 5, "generationConfig.max_output_tokens", 1024, 1),
        ({"generation_config": {"candidate_count": 3}}, None, "generation_config.maxOutputTokens", 1024, 3),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 5000}}}, None, "generationConfig.maxOutputTokens", 5001, 1),
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": -1}}}, None, "generationConfig.maxOutputTokens", 1024, 1),
        ({"model": "models/m"}, None, "generationConfig.maxOutputTokens", 1024, 1),
    ],
)  # fmt: skip
def test_what_governance_reads(body: dict[str, Any], limit: int | None, key: str, floor: int, choices: int) -> None:
    wish = read_generate("m", Body(msgspec.json.encode(body)), stream=False)
    assert wish == Wish("m", False, limit, key, floor, choices)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "models/other"}, "model"),
        ({"cachedContent": "cachedContents/x"}, "cachedContent"),
        ({"cached_content": "cachedContents/x"}, "cached_content"),
        ({"generationConfig": [], "contents": []}, "generationConfig"),
        ({"generationConfig": {}, "generation_config": {}}, "generation_config"),
        ({"generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 9}}, "generationConfig.max_output_tokens"),
        ({"generationConfig": {"maxOutputTokens": "5"}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "generationConfig.maxOutputTokens"),
        ({"generationConfig": {"candidateCount": 129}}, "generationConfig.candidateCount"),
    ],
)
def test_what_is_not_plainly_acceptable_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as caught:
        read_generate("m", Body(msgspec.json.encode(body)), stream=False)
    assert (caught.value.status, caught.value.param) == (400, param)


async def test_a_batch_may_name_no_other_model(proxy: Any) -> None:
    path = "/v1beta/models/m:batchEmbedContents"
    proxy.script(FakeAnswer(b"{}"))
    assert (await proxy.post(path, {"requests": [{"model": "models/m"}, {}]})).status == 200
    for requests in ([{"model": "models/dear"}], {}, ["x"]):
        got = await proxy.post(path, {"requests": requests})
        assert (got.status, got.error["status"]) == (400, "INVALID_ARGUMENT")


async def test_a_count_of_another_request_is_refused(proxy: Any) -> None:
    got = await proxy.post("/v1beta/models/m:countTokens", {"generateContentRequest": {"model": "models/x"}})
    assert got.status == 400
    assert proxy.host.calls == []


@pytest.mark.parametrize("name", ["..", "a/../b", "a//b", "", "/", "x" * 257, "a\x00b"])
async def test_a_path_names_a_model(proxy: Any, name: str) -> None:
    got = await proxy.post(f"/v1beta/models/{name}:generateContent", BODY)
    assert (got.status, got.error["status"]) == (400, "INVALID_ARGUMENT")
    assert proxy.host.calls == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ""),
        ("alt=sse", "alt=sse"),
        ("alt=sse&key=secret", "alt=sse"),
        ("%6bey=s&access_token=s&oauth_token=s&$alt=json;enum-encoding%3Dint", "$alt=json;enum-encoding%3Dint"),
        ("pageSize=5&&x=", "pageSize=5&x="),
    ],
)
def test_credentials_leave_the_query(query: str, expected: str) -> None:
    assert clean_query(query) == expected


@pytest.mark.parametrize("query", ["alt=proto", "$alt=media", "fields=candidates", "callback=x", "%66ields=x"])
def test_a_query_may_not_hide_the_usage(query: str) -> None:
    with pytest.raises(Refused) as caught:
        clean_query(query)
    assert caught.value.code == "not_governed"


@given(st.text(max_size=80))
def test_any_path_is_a_route_or_none(path: str) -> None:
    try:
        route = find_route(path, "")
    except Refused as error:
        assert error.status == 400  # noqa: PT017 - any path is one or the other
    else:
        assert route is None or route.dialect == "gemini"


async def test_the_query_makes_another_request_of_it(proxy: Any) -> None:
    proxy.script(FakeAnswer(b"{}"), FakeAnswer(b"{}"))
    for query in ("alt=sse", ""):
        await proxy.post("/v1beta/models/m:streamGenerateContent", BODY, query=query)
    one, two = proxy.host.calls
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize(
    ("status", "shown", "word"),
    [
        (400, 400, "INVALID_ARGUMENT"),
        (401, 401, "UNAUTHENTICATED"),
        (402, 403, "PERMISSION_DENIED"),
        (403, 403, "PERMISSION_DENIED"),
        (404, 404, "NOT_FOUND"),
        (409, 409, "ABORTED"),
        (422, 422, "INVALID_ARGUMENT"),
        (423, 403, "PERMISSION_DENIED"),
        (429, 429, "RESOURCE_EXHAUSTED"),
        (502, 502, "UNAVAILABLE"),
        (504, 504, "DEADLINE_EXCEEDED"),
    ],
)
async def test_errors_have_geminis_shape(proxy: Any, make_refused: Any, status: int, shown: int, word: str) -> None:
    proxy.script(FakeAnswer(error=make_refused(status)))
    got = await proxy.post("/v1beta/models/m:generateContent", BODY)
    assert got.status == shown
    assert (got.error["code"], got.error["status"], got.error["message"]) == (shown, word, "No. Do something else.")
    assert got.error["details"][0]["reason"] == "some_rule"
    assert (got.header("x-should-retry") == "false") is (shown not in (409, 429, 502, 504))


async def test_a_rate_says_when_to_ask_again(proxy: Any, make_refused: Any) -> None:
    proxy.script(FakeAnswer(error=make_refused(429, retry_after=6.2)))
    got = await proxy.post("/v1beta/models/m:generateContent", BODY)
    assert got.header("retry-after") == "7"
    assert got.error["details"][1]["retryDelay"] == "7s"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1beta/models", "gemini"),
        ("/models/m:generateContent", "gemini"),
        ("/v1/models/m:batchEmbedContents", "gemini"),
        ("/v1/models/m", "openai"),
        ("/gemini/v1/models", "gemini"),
    ],
)
def test_the_host_refuses_in_the_dialect_of_the_path(path: str, dialect: str) -> None:
    assert path_dialect(path) == dialect


async def test_models_are_listed_in_pages(proxy: Any, host: Any) -> None:
    from aexl.api import Models

    known = host.services[Models].models
    host.services[Models].models = [msgspec.structs.replace(model, surfaces=("gemini",)) for model in known]
    first = (await proxy.get("/v1beta/models", query="pageSize=3")).json()
    assert [model["name"] for model in first["models"]] == [f"models/{model.name}" for model in known[:3]]
    rest = (await proxy.get("/v1beta/models", query=f"pageToken={first['nextPageToken']}")).json()
    assert [model["name"] for model in rest["models"]] == [f"models/{model.name}" for model in known[3:]]
    assert "nextPageToken" not in rest
    one = (await proxy.get("/v1beta/models/openai/gpt-oss")).json()
    assert (one["name"], one["inputTokenLimit"], one["outputTokenLimit"]) == ("models/openai/gpt-oss", 1000, 100)
    assert (await proxy.get("/v1beta/models/nothing")).error["status"] == "NOT_FOUND"
    assert (await proxy.get("/v1beta/models", query="pageSize=x")).status == 400


async def test_v1_lists_models_in_geminis_shape_for_its_clients(proxy: Any) -> None:
    assert "models" in (await proxy.get("/v1/models", headers=((b"x-goog-api-key", b"t"),))).json()
    assert "data" in (await proxy.get("/v1/models")).json()


async def test_reading_models_needs_no_more_than_a_read_token(proxy: Any) -> None:
    reader = make_principal(scope="read")
    assert (await proxy.get("/v1beta/models", principal=reader)).status == 200
    got = await proxy.post("/v1beta/models/m:countTokens", BODY, principal=reader)
    assert (got.status, got.error["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    "path",
    ["/v1beta/files", "/v1beta/cachedContents/c", "/v1beta/models/m:predict", "/v1beta/models/m", "/v1beta/openai/x",
     "/v1beta/tunedModels/m:generateContent", "/v1beta/models/m:batchGenerateContent", "/v1beta"],
)  # fmt: skip
async def test_what_is_not_governed_is_not_passed_on(proxy: Any, path: str) -> None:
    got = await proxy.post(path, BODY)
    assert (got.status, got.error["status"]) == (404, "NOT_FOUND")
    assert "not governed" in got.error["message"]
    assert proxy.host.calls == []


async def test_a_wrong_method_is_told_the_right_one(proxy: Any) -> None:
    for method, path, allowed in (
        ("GET", "/v1beta/models/m:generateContent", "POST"),
        ("DELETE", "/v1beta/models", "GET"),
    ):
        got = await proxy.request(method, path, b"{}")
        assert (got.status, got.header("allow")) == (405, allowed)


async def test_a_verdict_cuts_a_stream_and_is_remembered(proxy: Any, make_refused: Any) -> None:
    event = b'data: {"candidates":[]}\n\n'
    proxy.script(FakeAnswer(event, make_refused(403), stream=True, headers=SSE))
    got = await proxy.post("/v1beta/models/m:streamGenerateContent", BODY, query="alt=sse")
    assert got.body == event
    assert got.cut is not None
    again = await proxy.post("/v1beta/models/m:generateContent", BODY)
    assert (again.status, again.error["status"]) == (403, "PERMISSION_DENIED")
