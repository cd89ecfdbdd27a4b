"""What agent CLIs do to a server beside their calls, and the answers at which they go on or stop."""

from __future__ import annotations

import httpx
import pytest
from desk import Desk

pytestmark = pytest.mark.slow

UPGRADE = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAA"}
CALLS = {
    "/v1/messages": {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/responses": {"model": "gpt-5.5", "input": "Hi"},
    "/v1/chat/completions": {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Hi"}]},
}


def test_knocks_are_answered_without_a_token(desk: Desk) -> None:
    for path in ("/", "/api/hello"):
        answer = httpx.head(desk.url + path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_a_websocket_is_refused_with_426(desk: Desk) -> None:
    headers = {**UPGRADE, "authorization": f"Bearer {desk.agent()}"}
    assert httpx.get(desk.url + "/v1/responses", headers=headers).status_code == 426


def test_a_spent_budget_has_the_status_at_which_each_surfaces_clients_stop(desk: Desk) -> None:
    headers = {"authorization": f"Bearer {desk.agent('alice', '0.0001')}"}
    answers = {path: httpx.post(desk.url + path, json=body, headers=headers) for path, body in CALLS.items()}

    assert [answer.status_code for answer in answers.values()] == [402, 400, 402]
    assert {answer.headers["x-should-retry"] for answer in answers.values()} == {"false"}
    assert all("budget of alice" in answer.json()["error"]["message"] for answer in answers.values())
