"""Every bad body, on every endpoint: refused in the dialect, with the field's name, before any call is made."""

from __future__ import annotations

import msgspec
import pytest

POSTS = ("/chat/completions", "/responses", "/messages", "/messages/count_tokens", "/responses/input_tokens")
PREFIXES = ("/v1", "/openai/v1", "/anthropic/v1")

LIMIT_KEYS = [
    ("/chat/completions", "max_tokens"),
    ("/chat/completions", "max_completion_tokens"),
    ("/responses", "max_output_tokens"),
    ("/messages", "max_tokens"),
]

BROKEN = {
    "empty": (b"", "the body is empty"),
    "invalid UTF-8": (b'{"model": "\xff"}', "not UTF-8: byte 11 is 0xff"),
    "NaN": (b'{"model": "m", "max_tokens": NaN}', "not valid JSON"),
    "Infinity": (b'{"model": "m", "temperature": Infinity}', "not valid JSON"),
    "half an object": (b'{"model": "m"', "not valid JSON"),
    "trailing data": (b'{"model": "m"} {}', "not valid JSON"),
    "single quotes": (b"{'model': 'm'}", "not valid JSON"),
    "lone surrogate": (b'{"\\ud800": 1}', "not valid JSON"),
    "list": (b"[]", "must be a JSON object"),
    "text": (b'"model"', "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "deep": (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deep"),
}


def is_error(got, path: str, status: int, code: str, param: str | None = None) -> None:
    assert got.status == status
    assert got.ended
    assert got.header("content-type") == "application/json"
    assert got.header("content-length") == str(len(got.body))
    assert got.header("x-should-retry") == "false"
    if "/messages" in path:
        assert got.json()["type"] == "error"
        assert got.json()["request_id"] == got.header("request-id")
        assert got.error["details"] == {"error_code": code}
        assert got.error["type"] == "invalid_request_error"
    else:
        assert set(got.json()) == {"error"}
        assert got.header("x-request-id")
        assert got.error["code"] == code
        assert got.error["param"] == param
        assert got.error["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("broken", BROKEN)
async def test_a_body_that_is_no_strict_json_object_is_refused(proxy, path: str, broken: str) -> None:
    data, message = BROKEN[broken]
    for prefix in PREFIXES:
        got = await proxy.post(prefix + path, data)
        is_error(got, path, 400, "invalid_json")
        assert message in got.error["message"]
    assert proxy.host.calls == []


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "model", [b"", b'"model":"",', b'"model":7,', b'"model":null,', b'"model":["m"],', b'"model":true,']
)
async def test_a_model_that_is_no_name_is_refused(proxy, path: str, model: bytes) -> None:
    got = await proxy.post("/v1" + path, b"{" + model + b'"x":1,"max_tokens":1}')
    code = got.error.get("code") or got.error["details"]["error_code"]
    assert code in ("missing_required_parameter", "invalid_type", "invalid_value")
    is_error(got, path, 400, code, "model")
    assert "non-empty string" in got.error["message"]
    assert proxy.host.calls == []


@pytest.mark.parametrize("path", POSTS)
async def test_the_longest_model_name_passes_and_one_more_is_refused(proxy, bodies, path: str) -> None:
    got = await proxy.post("/v1" + path, {**bodies[path], "model": "m" * 257})
    is_error(got, path, 400, "invalid_value", "model")
    with pytest.raises(IndexError):  # no answer is scripted: the call was made
        await proxy.post("/v1" + path, {**bodies[path], "model": "m" * 256})


@pytest.mark.parametrize(("path", "key"), LIMIT_KEYS)
@pytest.mark.parametrize(
    "value",
    [
        b"-5",
        b"0",
        b'"abc"',
        b'"5"',
        b"1.5",
        b"1.0",
        b"1e3",
        b"true",
        b"false",
        b"[]",
        b"{}",
        b"2147483649",
        b"9223372036854775808",
        b"99999999999999999999999",
        b"-9223372036854775809",
        b"1e400",
    ],
)
async def test_an_output_limit_that_is_no_sensible_number_is_refused(
    proxy, bodies, path: str, key: str, value: bytes
) -> None:
    body = {**bodies[path]}
    body.pop(key, None)
    got = await proxy.post("/v1" + path, msgspec.json.encode({**body, key: msgspec.Raw(value)}))
    code = got.error.get("code") or got.error["details"]["error_code"]
    assert code in ("invalid_type", "invalid_value")
    is_error(got, path, 400, code, key)
    assert key in got.error["message"]
    assert proxy.host.calls == []


@pytest.mark.parametrize(("path", "key"), LIMIT_KEYS)
@pytest.mark.parametrize("value", [1, 2**31])
async def test_an_output_limit_passes_at_both_edges(proxy, bodies, path: str, key: str, value: int) -> None:
    with pytest.raises(IndexError):
        await proxy.post("/v1" + path, {**bodies[path], key: value})
    assert proxy.call.output_limit == value
    assert proxy.call.output_key == key


@pytest.mark.parametrize("path", ["/chat/completions", "/responses", "/messages"])
@pytest.mark.parametrize("value", ["true", 1, 0, "", [], {}])
async def test_a_stream_that_is_no_boolean_is_refused(proxy, bodies, path: str, value: object) -> None:
    got = await proxy.post("/v1" + path, {**bodies[path], "stream": value})
    is_error(got, path, 400, "invalid_type", "stream")


@pytest.mark.parametrize("value", [0, -1, 129, 2**63, "2", 1.5, True])
async def test_a_number_of_choices_out_of_range_is_refused(proxy, bodies, value: object) -> None:
    got = await proxy.post("/v1/chat/completions", {**bodies["/chat/completions"], "n": value})
    assert got.status == 400
    assert got.error["param"] == "n"
    assert "from 1 to 128" in got.error["message"]


@pytest.mark.parametrize("value", [1, 128])
async def test_a_number_of_choices_passes_at_both_edges(proxy, bodies, value: int) -> None:
    with pytest.raises(IndexError):
        await proxy.post("/v1/chat/completions", {**bodies["/chat/completions"], "n": value})
    assert proxy.call.choices == value


async def test_two_names_for_one_limit_are_refused(proxy, bodies) -> None:
    body = {**bodies["/chat/completions"], "max_tokens": 5, "max_completion_tokens": 5}
    got = await proxy.post("/v1/chat/completions", body)
    is_error(got, "/chat/completions", 400, "invalid_value", "max_tokens")


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
@pytest.mark.parametrize("stream", [{}, {"stream": False}, {"stream": None}])
async def test_stream_options_without_a_stream_are_refused(proxy, bodies, path: str, stream: dict[str, object]) -> None:
    got = await proxy.post("/v1" + path, {**bodies[path], **stream, "stream_options": {"include_usage": True}})
    is_error(got, path, 400, "invalid_value", "stream_options")


@pytest.mark.parametrize("value", [True, "x", [], 1])
async def test_stream_options_that_are_no_object_are_refused(proxy, bodies, value: object) -> None:
    body = {**bodies["/chat/completions"], "stream": True, "stream_options": value}
    got = await proxy.post("/v1/chat/completions", body)
    is_error(got, "/chat/completions", 400, "invalid_type", "stream_options")


async def test_messages_need_an_output_limit(proxy, bodies) -> None:
    for body in ({"model": "m"}, {"model": "m", "max_tokens": None}):
        got = await proxy.post("/v1/messages", body)
        is_error(got, "/messages", 400, "missing_required_parameter")
        assert "max_tokens" in got.error["message"]


@pytest.mark.parametrize("value", [0, -1, "5", 1.5, True, 2**63])
async def test_a_thinking_budget_that_is_no_sensible_number_is_refused(proxy, bodies, value: object) -> None:
    got = await proxy.post(
        "/v1/messages", {**bodies["/messages"], "thinking": {"type": "enabled", "budget_tokens": value}}
    )
    assert got.status == 400
    assert "thinking.budget_tokens" in got.error["message"]


@pytest.mark.parametrize("path", ["/responses", "/responses/input_tokens"])
@pytest.mark.parametrize("value", ["conv_1", {"id": "conv_1"}, 0, False])
async def test_conversations_are_refused_because_nobody_knows_whose_they_are(
    proxy, bodies, path: str, value: object
) -> None:
    got = await proxy.post("/v1" + path, {**bodies[path], "conversation": value})
    is_error(got, path, 400, "not_governed", "conversation")


async def test_a_background_response_that_nobody_reads_is_refused(proxy, bodies) -> None:
    got = await proxy.post("/v1/responses", {**bodies["/responses"], "background": True})
    is_error(got, "/responses", 400, "not_governed", "background")
    with pytest.raises(IndexError):
        await proxy.post("/v1/responses", {**bodies["/responses"], "background": True, "stream": True})


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "kind",
    [
        None,
        b"",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/jsonp",
        b"application/json; charset=utf-16",
    ],
)
async def test_a_body_of_another_type_is_refused(proxy, path: str, kind: bytes | None) -> None:
    got = await proxy.post("/v1" + path, headers=() if kind is None else ((b"content-type", kind),))
    is_error(got, path, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", [b"application/json; charset=utf-8", b"Application/JSON", b'application/json;charset="UTF-8"']
)
async def test_json_may_be_named_as_the_standard_allows(proxy, kind: bytes) -> None:
    with pytest.raises(IndexError):
        await proxy.post("/v1/chat/completions", headers=((b"content-type", kind),))


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd", b"identity, gzip"])
async def test_a_compressed_body_is_refused(proxy, path: str, coding: bytes) -> None:
    headers = ((b"content-type", b"application/json"), (b"content-encoding", coding))
    got = await proxy.post("/v1" + path, headers=headers)
    is_error(got, path, 415, "unsupported_media_type")


@pytest.mark.parametrize("name", [b"idempotency-key", b"x-aexl-execution-id"])
@pytest.mark.parametrize("key", [b"", b"k" * 256, b"a\x7f", b"a\tb", "schlüssel".encode()])
async def test_an_execution_id_that_cannot_stand_in_a_header_is_refused(proxy, name: bytes, key: bytes) -> None:
    got = await proxy.post("/v1/responses", headers=((b"content-type", b"application/json"), (name, key)))
    is_error(got, "/responses", 400, "invalid_idempotency_key", "idempotency-key")


async def test_two_execution_ids_that_differ_are_refused(proxy) -> None:
    kind = (b"content-type", b"application/json")
    got = await proxy.post("/v1/responses", headers=(kind, (b"idempotency-key", b"a"), (b"x-aexl-execution-id", b"b")))
    is_error(got, "/responses", 400, "invalid_idempotency_key", "idempotency-key")
    got = await proxy.post("/v1/responses", headers=(kind, (b"idempotency-key", b"a"), (b"idempotency-key", b"b")))
    is_error(got, "/responses", 400, "invalid_header")


async def test_of_a_duplicated_key_the_one_that_governs_is_the_one_that_is_sent(proxy) -> None:
    data = b'{"model":"dear","max_tokens":9,"model":"cheap","max_tokens":5,"messages":[]}'
    with pytest.raises(IndexError):
        await proxy.post("/v1/messages", data)
    assert proxy.call.model == "cheap"
    assert proxy.call.output_limit == 5
    assert msgspec.json.decode(proxy.call.body.encode()) == {"model": "cheap", "max_tokens": 5, "messages": []}
    assert proxy.call.body.encode().count(b"model") == 1
