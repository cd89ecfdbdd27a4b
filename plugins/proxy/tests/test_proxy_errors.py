"""How refusals and failures look in each dialect."""

from __future__ import annotations

import pytest

from aexl.errors import ProviderFailed, Refused
from aexl.testing.answers import FakeAnswer

OPENAI = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "invalid_request_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    423: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    423: "permission_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
}
FINAL = {400, 401, 402, 403, 404, 413, 422, 423}


@pytest.mark.parametrize("status", OPENAI)
async def test_a_refusal_on_chat_has_openais_shape(proxy, make_refused, status: int) -> None:
    proxy.script(FakeAnswer(error=make_refused(status, param="model")))
    got = await proxy.post("/v1/chat/completions")
    assert got.status == status
    assert got.json() == {
        "error": {"message": "No. Do something else.", "type": OPENAI[status], "param": "model", "code": "some_rule"}
    }
    assert got.header("x-aexl-execution-id") == got.header("x-request-id") == "01890000-0000-7000-8000-0000000000ff"
    assert got.header("x-aexl-receipt") == "9:abc"
    assert got.header("x-should-retry") == ("false" if status in FINAL else None)


@pytest.mark.parametrize("status", ANTHROPIC)
async def test_a_refusal_on_messages_has_anthropics_shape(proxy, make_refused, status: int) -> None:
    proxy.script(FakeAnswer(error=make_refused(status)))
    got = await proxy.post("/v1/messages")
    assert got.status == status
    assert got.json() == {
        "type": "error",
        "error": {
            "type": ANTHROPIC[status],
            "message": "No. Do something else.",
            "details": {"error_code": "some_rule"},
        },
        "request_id": "01890000-0000-7000-8000-0000000000ff",
    }
    assert got.header("request-id") == got.header("x-aexl-execution-id") == "01890000-0000-7000-8000-0000000000ff"
    assert got.header("x-should-retry") == ("false" if status in FINAL else None)


@pytest.mark.parametrize(("status", "shown"), [(402, 400), (403, 400), (423, 400), (429, 429), (404, 404), (422, 422)])
async def test_budget_and_policy_are_a_400_where_an_agent_would_ask_again(
    proxy, make_refused, status: int, shown: int
) -> None:
    proxy.script(FakeAnswer(error=make_refused(status)))
    got = await proxy.post("/openai/v1/responses")
    assert got.status == shown
    assert got.error["type"] == OPENAI[status]
    assert got.header("x-should-retry") == (None if status == 429 else "false")


@pytest.mark.parametrize(
    ("seconds", "whole", "milliseconds"),
    [(0, "1", "1"), (0.2, "1", "200"), (1.0, "1", "1000"), (1.0001, "2", "1001"), (59.5, "60", "59500")],
)
@pytest.mark.parametrize("status", [409, 429, 503])
async def test_when_to_ask_again_is_rounded_up(
    proxy, make_refused, status: int, seconds: float, whole: str, milliseconds: str
) -> None:
    proxy.script(FakeAnswer(error=make_refused(status, retry_after=seconds)))
    got = await proxy.post("/v1/chat/completions")
    assert got.header("retry-after") == whole
    assert got.header("retry-after-ms") == milliseconds


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_an_error_tells_what_was_booked_and_what_is_left(proxy, make_refused, path: str) -> None:
    refused = make_refused(402)
    refused.cost, refused.remaining = 0, 1_500_000
    failed = ProviderFailed("no answer", code="call_timeout", status=504, charged="unknown")
    failed.execution, failed.cost = "e1", 20_043_000
    proxy.script(FakeAnswer(error=refused), FakeAnswer(error=failed))
    got = await proxy.post(path)
    assert (got.header("x-aexl-cost-usd"), got.header("x-aexl-budget-remaining-usd")) == ("0.00", "0.0015")
    got = await proxy.post(path)
    assert (got.header("x-aexl-cost-usd"), got.header("x-aexl-budget-remaining-usd")) == ("0.020043", None)


async def test_a_refusal_that_is_no_execution_tells_no_cost(proxy) -> None:
    got = await proxy.post("/v1/chat/completions", b"{")
    assert got.status == 400
    assert (got.header("x-aexl-execution-id"), got.header("x-aexl-cost-usd")) == (None, None)


async def test_a_refusals_own_headers_are_sent(proxy, make_refused) -> None:
    refused = make_refused(429)
    refused.headers = ((b"x-ratelimit-remaining-requests", b"0"),)
    proxy.script(FakeAnswer(error=refused))
    assert (await proxy.post("/v1/chat/completions")).header("x-ratelimit-remaining-requests") == "0"


@pytest.mark.parametrize(("status", "kind"), [(502, "api_error"), (504, "timeout_error")])
async def test_a_provider_that_failed_is_an_error_of_the_dialect(proxy, status: int, kind: str) -> None:
    failed = ProviderFailed("groq did not answer", code="upstream_timeout", status=status, charged="unknown")
    failed.execution = "e1"
    proxy.script(FakeAnswer(error=failed), FakeAnswer(error=failed))
    got = await proxy.post("/v1/messages")
    assert (got.status, got.error["type"], got.header("request-id")) == (status, kind, "e1")
    got = await proxy.post("/v1/chat/completions")
    assert (got.status, got.error["type"], got.error["code"]) == (status, "server_error", "upstream_timeout")


@pytest.mark.parametrize(
    ("path", "anthropic"),
    [
        ("/v1/chat/completions", False),
        ("/v1/messages", True),
        ("/openai/v1/chat/completions", False),
        ("/anthropic/v1/messages", True),
        ("/anthropic/v1/models", True),
        ("/anthropic/v1/chat/completions", False),
        ("/anthropic/v1/responses/resp_1", False),
        ("/openai/v1/messages", True),
        ("/v1/models", False),
    ],
)
def test_what_the_host_refuses_has_the_dialect_of_the_path(proxy, path: str, anthropic: bool) -> None:
    refuse = proxy.mount(path).refuse
    status, headers, body = refuse(Refused("no token was sent", code="missing_token", status=401), path, "POST")
    names = dict(headers)
    assert status == 401
    assert (b"request-id" in names) == anthropic
    assert (b"x-request-id" in names) != anthropic
    assert (b'"type":"error"' in body) == anthropic
    assert names[b"x-should-retry"] == b"false"
    assert names[b"www-authenticate"] == b"Bearer"
    assert b"x-aexl-execution-id" not in names
