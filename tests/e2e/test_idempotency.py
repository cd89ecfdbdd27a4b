"""Show 6: one key, one upstream call, the same bytes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

pytestmark = pytest.mark.slow

BODY = {"model": "gpt.plain", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def served(shared):
    return shared.visit()


def post(program, token, key, body=BODY):
    headers = {"authorization": f"Bearer {token}", "idempotency-key": key}
    return httpx.post(program.url + "/v1/chat/completions", json=body, headers=headers, timeout=30)


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_key_is_replayed_byte_for_byte(served, stream):
    token = served.agent()
    first, second = (post(served, token, "k", {**BODY, "stream": stream}) for _ in range(2))

    assert first.content == second.content
    assert first.headers["content-type"] == second.headers["content-type"]
    assert "x-aexl-replayed" not in first.headers
    assert second.headers["x-aexl-replayed"] == "true"
    assert first.headers["x-aexl-execution-id"] == second.headers["x-aexl-execution-id"]
    assert len(served.upstream.requests) == 1
    assert served.inspect()["spent"] == "0.00005"


def test_the_same_key_survives_a_restart(program):
    program.start()
    token = program.agent()
    first = post(program, token, "k")
    program.stop()
    program.start()
    second = post(program, token, "k")

    assert (second.content, second.headers["x-aexl-replayed"]) == (first.content, "true")


def test_the_same_key_with_another_body_is_422_and_changes_nothing(served):
    token = served.agent()
    post(served, token, "k")
    other = post(served, token, "k", {**BODY, "temperature": 1})

    assert other.status_code == 422
    assert other.json()["error"]["code"] == "idempotency_mismatch"
    assert other.headers["x-should-retry"] == "false"
    assert len(served.upstream.requests) == 1


def test_concurrent_duplicates_make_one_upstream_call(served):
    token = served.agent()
    served.upstream.hold.clear()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(post, served, token, "k", {**BODY, "model": "gpt.slow"}) for _ in range(8)]
        served.upstream.hold.set()
        answers = [call.result() for call in calls]

    assert len({answer.content for answer in answers}) == 1
    assert len(served.upstream.requests) == 1


def test_a_failure_is_never_kept(served):
    token = served.agent()
    answers = [post(served, token, "k", {**BODY, "model": "gpt.status-500"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [500, 500]
    assert len(served.upstream.requests) == 2
    assert served.inspect()["spent"] == "0.00"


def test_keys_of_two_agents_do_not_meet(served):
    answers = [post(served, served.agent(name), "k") for name in ("one", "two")]

    assert all("x-aexl-replayed" not in answer.headers for answer in answers)


def test_without_a_key_nothing_is_deduplicated(served):
    token = served.agent()
    headers = {"authorization": f"Bearer {token}"}
    for _ in range(2):
        httpx.post(served.url + "/v1/chat/completions", json=BODY, headers=headers)

    assert len(served.upstream.requests) == 2


def test_an_sdks_own_retry_after_its_timeout_joins_the_first_attempt(served):
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.agent(), timeout=0.7, max_retries=3)
    served.upstream.hold.clear()
    with client, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.chat.completions.create, model="gpt.slow", messages=BODY["messages"])
        time.sleep(1)  # the client's own time limit passes
        served.upstream.hold.set()
        answer = asked.result()

    assert answer.usage.completion_tokens == 20
    assert len(served.upstream.requests) == 1
    assert served.inspect()["spent"] == "0.00005"
