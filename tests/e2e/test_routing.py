"""A primary target that fails in every way of the fault list: the call survives, is booked once, and the breaker follows."""

from __future__ import annotations

import json
import re
import time

import httpx
import pytest

pytestmark = pytest.mark.slow

ROUTES = """
[providers.closed]
type = "openai"
base_url = "http://127.0.0.1:9/v1"
private = true

[providers.hasty]
type = "openai"
base_url = "{upstream}/v1"
private = true
timeouts = {{ first_byte = 0.3 }}

[catalog]
breaker_failures = 2
breaker_seconds = {seconds}
"""

PRIMARY = """
[models.{name}]
provider = "{provider}"
provider_model = "{model}"
price = {{ input = "1", output = "2" }}
limits = {{ context = 100000, output = 1000 }}
fallbacks = ["gpt.plain"]
"""

WAYS = {
    "refuse": ("closed", "gpt.plain"),
    "reset": ("openai", "gpt.reset"),
    "hang": ("hasty", "gpt.slow"),
    "429": ("openai", "gpt.status-429"),
    "500": ("openai", "gpt.status-500"),
    "cut": ("openai", "gpt.cut-early"),
}
MAY_BE_CHARGED = {"reset", "hang", "cut"}


@pytest.fixture
def routed(program):
    tables = (PRIMARY.format(name=name, provider=provider, model=model) for name, (provider, model) in WAYS.items())
    program.configure(ROUTES.format(upstream=program.upstream.url, seconds=4.0) + "".join(tables))
    program.start()
    program.upstream.hold.clear()
    yield program
    program.upstream.hold.set()
    program.stop()


def post(program, token, model, stream):
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 20,
        "stream": stream,
        **({"stream_options": {"include_usage": True}} if stream else {}),
    }
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(f"{program.url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def show(program, execution):
    end = time.monotonic() + 10
    while True:
        found = program.json("ledger", "show", execution)
        if found["cost_nanos"] is not None or time.monotonic() > end:
            return found


def measured(program, name, model):
    text = program.run("metrics").stdout
    found = re.search(rf'{name}{{provider="[a-z]+",model="{re.escape(model)}"}} (\d+)', text)
    return None if found is None else int(found[1])


@pytest.mark.parametrize(
    ("way", "stream"),
    [
        *((way, False) for way in WAYS),
        *((way, True) for way in ("cut",)),
        *(pytest.param(way, True, marks=pytest.mark.long) for way in WAYS if way != "cut"),
    ],
)
def test_the_call_succeeds_on_the_fallback_is_booked_once_and_every_attempt_is_in_the_ledger(routed, way, stream):
    token = routed.agent()
    answer = post(routed, token, way, stream)
    assert answer.status_code == 200
    assert "jumps." in answer.text
    found = show(routed, answer.headers["x-aexl-execution-id"])
    extra = found["hold_nanos"] // 2 if way in MAY_BE_CHARGED else 0
    assert (found["state"], found["cost_nanos"], found["estimated"]) == ("committed", 50_000 + extra, bool(extra))
    [attempt] = found["attempts"]
    assert (attempt["provider"], attempt["provider_model"], attempt["number"]) == (*WAYS[way], 1)
    assert attempt["held"] == extra
    assert found["provider_model"] == "gpt.plain"
    assert routed.inspect()["reserved"] == "0.00"
    routed.run("ledger", "verify")


def test_the_breaker_opens_and_closes(routed):
    token = routed.agent()
    asked = lambda: sum(body["model"] == "gpt.slow" for body in routed.upstream.bodies())  # noqa: E731
    for _ in range(4):
        assert post(routed, token, "hang", False).status_code == 200
    assert asked() == 2, "after two failures it is left alone"
    assert measured(routed, "aexl_target_breaker_opened_total", "gpt.slow") == 1
    [listed] = [model for model in routed.json("models", "list") if model["name"] == "hang"]
    assert re.match("left alone for|tried again", listed["health"])
    problems = json.loads(routed.run("models", "check", "hang", "--json", check=False).stdout)
    assert any(listed["health"].split(" after ")[1] in problem["problem"] for problem in problems)

    routed.upstream.hold.set()  # it answers again
    end = time.monotonic() + 20
    while measured(routed, "aexl_target_breaker", "gpt.slow") == 2:
        assert time.monotonic() < end
    assert post(routed, token, "hang", False).status_code == 200
    assert asked() == 3, "one call tried it"
    assert measured(routed, "aexl_target_breaker", "gpt.slow") == 0
    assert post(routed, token, "hang", False).status_code == 200
    assert asked() == 4


def test_a_stream_that_is_cut_after_a_byte_is_cut_for_the_client_and_not_asked_for_again(routed):
    token = routed.agent()
    before = len(routed.upstream.requests)
    with pytest.raises(httpx.RemoteProtocolError):
        post(routed, token, "gpt.cut", True)
    assert len(routed.upstream.requests) == before + 1
