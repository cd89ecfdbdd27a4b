"""Shows 3 and 4: budgets under concurrency, and what is billed at every ending."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
import pytest

pytestmark = pytest.mark.slow

BODY = {"model": "gpt.plain", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}


def post(url, token, body=BODY, path="/v1/chat/completions", **headers):
    return httpx.post(url + path, json=body, headers={"authorization": f"Bearer {token}", **headers}, timeout=30)


def settled(program, agent="alice", seconds=10):
    """Wait until nothing of the agent is held, and return it."""
    end = time.monotonic() + seconds
    while True:
        found = program.inspect(agent)
        if found["reserved"] == "0.00" or time.monotonic() > end:
            return found


def hold_of_one_call(program, body=BODY):
    """Return the nano-dollars that a call is held at: its bytes as input, 20 tokens of output."""
    token = program.agent("probe")
    execution = post(program.url, token, body).headers["x-aexl-execution-id"]
    return program.json("ledger", "show", execution)["hold_nanos"]


def test_fifty_calls_against_a_budget_for_exactly_ten(served):
    cost = Decimal("0.00005")
    hold = Decimal(hold_of_one_call(served)) / 10**9
    budget = cost * 9 + hold  # nine that were settled, and one that is held
    token = served.agent("alice", f"{budget:f}")
    before = len(served.upstream.requests)

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(lambda _: post(served.url, token).status_code, range(50)))
    # a call that arrived while others were held may have been refused; later ones may fit
    while post(served.url, token).status_code == 200:
        statuses.append(200)

    assert statuses.count(200) == 10
    assert set(statuses) == {200, 402}
    assert len(served.upstream.requests) - before == 10
    found = settled(served)
    assert Decimal(found["spent"]) == cost * 10 <= budget
    served.run("ledger", "verify")


def test_fifty_at_once_with_a_budget_for_ten_holds(program):
    """Every call is held at the same time, so exactly ten holds fit and forty are refused."""
    program.start()
    slow = {**BODY, "model": "gpt.slow"}
    hold = Decimal(hold_of_one_call(program, slow)) / 10**9
    token = program.agent("alice", f"{hold * 10:f}")
    program.upstream.hold.clear()
    with ThreadPoolExecutor(50) as pool:
        calls = [pool.submit(post, program.url, token, slow) for _ in range(50)]
        while sum(call.done() for call in calls) < 40:
            time.sleep(0.02)
        reserved = Decimal(program.inspect()["reserved"])
        program.upstream.hold.set()
        statuses = [call.result().status_code for call in calls]

    assert (statuses.count(200), statuses.count(402)) == (10, 40)
    assert reserved == hold * 10
    assert Decimal(settled(program)["spent"]) == Decimal("0.00005") * 10
    program.run("ledger", "verify")


def test_a_stream_that_the_client_cuts_half_way_is_billed_by_its_usage(served):
    token = served.agent()
    body = {**BODY, "model": "gpt.paced", "stream": True}
    headers = {"authorization": f"Bearer {token}"}
    with httpx.stream("POST", served.url + "/v1/chat/completions", json=body, headers=headers) as answer:
        next(answer.iter_raw())
    found = settled(served)

    assert found["spent"] == "0.00005"
    [execution] = served.json("ledger", "show")
    assert (execution["state"], execution["estimated"]) == ("committed", False)


def test_a_stream_without_usage_is_billed_and_marked(served):
    token = served.agent()
    answer = post(served.url, token, {**BODY, "model": "gpt.no-usage", "stream": True})

    shown = served.json("ledger", "show", answer.headers["x-aexl-execution-id"])
    assert shown["estimated"] is True
    assert shown["cost_nanos"] > 0
    assert shown["reason"] == "no_usage"


@pytest.mark.parametrize(("path", "model"), [("/v1/chat/completions", "gpt.plain"), ("/v1/messages", "claude.plain")])
def test_a_tool_call_stream_is_billed(served, path, model):
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    if model.startswith("claude"):
        tool = {"name": "add", "input_schema": {"type": "object"}}
    body = {**BODY, "model": model, "stream": True, "tools": [tool]}
    answer = post(served.url, served.agent(), body, path)

    assert "add" in answer.text
    assert settled(served)["spent"] == "0.00005"


def test_a_cost_above_the_hold_is_booked_whole_and_freezes_the_agent(served):
    token = served.agent()
    answer = post(served.url, token, {**BODY, "model": "gpt.out-5000"})
    again = post(served.url, token)

    assert answer.status_code == 200
    assert answer.headers["x-aexl-cost-usd"] == "0.01001"  # 10 in, 5,000 out
    found = served.inspect()
    assert (found["state"], found["spent"]) == ("frozen", "0.01001")
    assert again.status_code == 423
    served.run("ledger", "verify")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_an_upstream_that_cuts_a_stream_cuts_it_for_the_client_and_is_billed(served, path):
    body = {**BODY, "model": "claude.cut" if "messages" in path else "gpt.cut", "stream": True}
    with pytest.raises(httpx.RemoteProtocolError):
        post(served.url, served.agent(), body, path)

    settled(served)
    [execution] = served.json("ledger", "show")
    assert (execution["reason"], execution["estimated"], execution["cost_nanos"]) == (
        "cut",
        True,
        execution["hold_nanos"],
    )


def test_a_parents_budget_binds_its_children(served):
    served.agent("parent", "0.0003")
    token = served.agent("child", "5", "--parent", "parent")
    statuses = [post(served.url, token).status_code for _ in range(20)]

    assert statuses[0] == 200
    assert statuses[-1] == 402
    assert Decimal(served.inspect("parent")["spent"]) <= Decimal("0.0003")
    assert served.inspect("parent")["spent"] == served.inspect("child")["spent"]
