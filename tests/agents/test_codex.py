"""Codex under ``aexl run``, which gives it its base URL by arguments."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import Any

import pytest
from agent_model import FINAL, AgentModel
from desk import KEYS, Desk, answer_cost, needs, running_with, wait_until

pytestmark = [pytest.mark.slow, needs("codex")]

CODEX = ("codex", "--disable", "plugins", "exec", "--json", "--skip-git-repo-check", "-s", "danger-full-access")
MODEL = ("-m", "gpt-5.5")
ASKED = "POST /v1/responses"


def events(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return the events that a run has printed."""
    assert done.stdout, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """Return why a run has failed; it must have."""
    last = events(done)[-1]
    assert (done.returncode, last["type"]) == (1, "turn.failed")
    return str(last["error"]["message"])


@pytest.mark.parametrize("name", ["gpt-5.5", pytest.param("gpt-6-sol", marks=pytest.mark.long)])
def test_a_run_with_tools_works_and_is_all_in_the_ledger_under_its_label(
    desk: Desk, model: AgentModel, name: str
) -> None:
    desk.agent()
    model.commands = ["printf 'made by an agent' > made.txt", "env > env.txt"]
    done = desk.govern(*CODEX, "-m", name, "Do it.", options=("--label", "task=42"))
    told = [event["item"]["text"] for event in events(done) if event.get("item", {}).get("type") == "agent_message"]

    assert (done.returncode, told) == (0, [FINAL])
    assert events(done)[-1]["type"] == "turn.completed"
    assert (desk.work / "made.txt").read_text() == "made by an agent"
    assert model.paths() == [ASKED] * 3
    assert not [body for _, _, _, body in model.requests if b'"type":"web_search"' in body]
    executions = desk.executions()
    assert [execution["state"] for execution in executions] == ["committed"] * 3
    assert {execution["labels"]["task"] for execution in executions} == {"42"}
    assert len({execution["labels"]["run"] for execution in executions}) == 1
    assert desk.spent() == answer_cost() * 3
    assert f"3 calls, {desk.inspect()['spent']} USD" in done.stderr
    desk.run("ledger", "verify")


def test_neither_it_nor_its_tools_see_a_key_of_the_machine(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    model.commands = ["env > env.txt"]
    desk.govern(*CODEX, *MODEL, "Do it.")

    seen = (desk.work / "env.txt").read_text()
    assert "AEXL_TOKEN=aexl_" in seen
    assert not [value for value in (*KEYS.values(), desk.environ["UPSTREAM_KEY"]) if value in seen]


@pytest.mark.long  # claude keeps the same promise in `make test`
def test_it_stops_when_the_budget_is_spent_and_says_why(desk: Desk, model: AgentModel) -> None:
    desk.agent("alice", "0.29")
    model.commands = ["true"] * 20
    done = desk.govern(*CODEX, *MODEL, "Do it.")

    assert "the total budget of alice has 0.0895 USD left" in failure(done)
    assert model.paths() == [ASKED] * 4
    assert desk.states() == ["committed"] * 4 + ["denied"]
    assert desk.spent() == answer_cost() * 4


@pytest.mark.parametrize(
    ("options", "state", "sentence"),
    [
        pytest.param(("--no-tools",), "ready", "This agent may not use tools", marks=pytest.mark.long),
        ((), "paused", "paused"),
        pytest.param(("--models", "claude-*"), "ready", "gpt-5.5", marks=pytest.mark.long),
    ],
)
def test_a_denial_reaches_it_with_one_request(
    desk: Desk, model: AgentModel, options: tuple[str, ...], state: str, sentence: str
) -> None:
    desk.agent("alice", "5", *options)
    if state == "paused":
        desk.run("agent", "pause", "alice")
    done = desk.govern(*CODEX, *MODEL, "Do it.")

    assert sentence in failure(done)
    assert (model.paths(), desk.states()) == ([], ["denied"])


@pytest.mark.long  # claude keeps the same promise in `make test`
def test_an_unknown_model_is_named_with_one_request(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    done = desk.govern(*CODEX, "-m", "gpt-none-9", "Do it.")

    assert "there is no model 'gpt-none-9'" in failure(done)
    assert (model.paths(), desk.states()) == ([], ["denied"])


@pytest.mark.long  # claude keeps the same promise in `make test`
def test_a_verdict_in_the_middle_of_a_stream_ends_it(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    model.hold.clear()
    with desk.running(*CODEX, *MODEL, "Do it.") as process:
        wait_until(lambda: bool(model.requests))
        desk.run("agent", "quarantine", "alice", "--reason", "it went astray")
        output, _ = process.communicate(timeout=20)
    model.hold.set()

    assert process.returncode == 1
    assert "it went astray" in output
    assert model.paths() == [ASKED]


def test_its_built_in_provider_goes_on_without_a_websocket(desk: Desk, model: AgentModel) -> None:
    token = desk.agent()
    desk.environ["CODEX_API_KEY"] = token
    done = subprocess.run(
        [*CODEX, *MODEL, "-c", f'openai_base_url="{desk.url}/v1"', "-c", 'web_search="disabled"', "Do it."],
        check=False,
        cwd=desk.work,
        env=desk.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 0, done.stderr
    assert events(done)[-1]["type"] == "turn.completed"
    assert model.paths() == [ASKED]
    assert done.stderr.count("failed to connect to Responses WebSocket") == 1


@pytest.mark.long  # claude keeps the same promise in `make test`
def test_sigterm_ends_it_and_its_tools_and_settles(desk: Desk, model: AgentModel) -> None:
    """Codex itself leaves its tools behind when it gets this signal."""
    desk.agent()
    model.commands = ["touch started; sleep 98765.375"]
    with desk.running(*CODEX, *MODEL, "Do it.") as process:
        wait_until((desk.work / "started").exists)
        assert running_with("sleep 98765.375")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)

    assert process.returncode == 128 + signal.SIGTERM
    assert running_with("sleep 98765.375") == []
    assert desk.states() == ["committed"]
    assert desk.spent() == answer_cost()
    desk.run("ledger", "verify")
