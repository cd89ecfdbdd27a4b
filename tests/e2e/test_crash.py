"""Show 5: `kill -9` under load, again and again."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter

import httpx
import pytest

ENDS = {"execution.committed", "execution.released", "execution.failed"}
CLIENTS = 32


class Load:
    """Clients that call until they are told to stop, and the executions they were given answers for."""

    def __init__(self, url: str, token: str) -> None:
        self.acknowledged: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(url, token, n)) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _client(self, url: str, token: str, number: int) -> None:
        body = {"model": "gpt.plain", "messages": [{"role": "user", "content": "x"}], "stream": number % 4 == 0}
        with httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=10) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post(f"{url}/v1/chat/completions", json=body)
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    self.acknowledged.append(answer.headers["x-aexl-execution-id"])

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def events(program):
    lines = program.run("ledger", "export").stdout.splitlines()
    return [json.loads(line)["event"] for line in lines]


def crash_again_and_again(program, times, seed):
    print("seed", seed)
    chance = random.Random(seed)
    program.start()
    token = program.agent("alice", "1000")
    acknowledged: list[str] = []
    for _ in range(times):
        load = Load(program.url, token)
        time.sleep(chance.uniform(0.1, 0.6))
        program.stop(signal.SIGKILL)
        load.stop()
        acknowledged += load.acknowledged
        program.start()
        assert program.inspect()["reserved"] == "0.00"
    program.run("ledger", "verify")
    ended = Counter(event["subject"] for event in events(program) if event["kind"] in ENDS)
    assert len(acknowledged) > times
    assert [execution for execution in acknowledged if execution not in ended] == []
    assert [execution for execution, count in ended.items() if count != 1] == []


@pytest.mark.slow
def test_ten_kills_lose_nothing_leave_no_hold_and_settle_nothing_twice(program):
    crash_again_and_again(program, 10, random.randrange(10**9))


@pytest.mark.long
def test_two_hundred_kills_lose_nothing_leave_no_hold_and_settle_nothing_twice(program):
    crash_again_and_again(program, 200, random.randrange(10**9))


def sigterm_during(program, call):
    """Send SIGTERM while the upstream holds a call, and give the server a moment to hear it."""
    thread = threading.Thread(target=call)
    thread.start()
    while not program.upstream.requests:
        time.sleep(0.01)
    assert program.process is not None
    program.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    return thread


@pytest.mark.slow
def test_sigterm_finishes_what_runs_and_exits_0(program):
    program.start()
    token = program.agent()
    program.upstream.hold.clear()
    answers: list[httpx.Response] = []

    def call() -> None:
        body = {"model": "gpt.slow", "messages": []}
        headers = {"authorization": f"Bearer {token}"}
        answers.append(httpx.post(f"{program.url}/v1/chat/completions", json=body, headers=headers, timeout=30))

    thread = sigterm_during(program, call)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{program.url}/health")
    program.upstream.hold.set()
    thread.join()

    assert program.wait() == 0
    assert answers[0].status_code == 200
    assert program.inspect()["spent"] == "0.00005"


@pytest.mark.slow
def test_a_second_sigterm_ends_at_once_and_the_ledger_recovers(program):
    program.start()
    token = program.agent()
    program.upstream.hold.clear()

    def call() -> None:
        with pytest.raises(httpx.HTTPError):
            httpx.post(
                f"{program.url}/v1/chat/completions",
                json={"model": "gpt.slow", "messages": []},
                headers={"authorization": f"Bearer {token}"},
                timeout=30,
            )

    thread = sigterm_during(program, call)
    assert program.stop() == 128 + signal.SIGTERM
    thread.join()
    program.start()
    [execution] = program.json("ledger", "show")

    assert (execution["reason"], execution["estimated"]) == ("recovered", True)
    assert execution["cost_nanos"] == execution["hold_nanos"]
    program.run("ledger", "verify")
