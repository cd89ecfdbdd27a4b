"""Claude Code under ``aexl run``."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from agent_model import FINAL, AgentModel
from desk import KEYS, Desk, answer_cost, needs, running_with, wait_until

pytestmark = [pytest.mark.slow, needs("claude")]

CLAUDE = ("claude", "-p", "--output-format", "json", "--permission-mode", "bypassPermissions")
MODEL = ("--model", "claude-opus-4-8")
ASKED = "POST /v1/messages"


def ask(desk: Desk, *options: str) -> tuple[int, dict[str, Any]]:
    """Run Claude Code with a task; return its exit code and what it reports."""
    done = desk.govern(*CLAUDE, *(options or MODEL), "Do it.")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_run_with_tools_works_and_is_all_in_the_ledger_under_its_label(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    model.commands = ["printf 'made by an agent' > made.txt", "env > env.txt"]
    done = desk.govern(*CLAUDE, *MODEL, "Do it.", options=("--label", "task=42"))
    report = json.loads(done.stdout)

    assert (done.returncode, report["is_error"], report["result"]) == (0, False, FINAL)
    assert (desk.work / "made.txt").read_text() == "made by an agent"
    assert model.paths() == [ASKED] * 3
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
    ask(desk)

    seen = (desk.work / "env.txt").read_text()
    assert "AEXL_TOKEN=aexl_" in seen
    assert not [value for value in (*KEYS.values(), desk.environ["UPSTREAM_KEY"]) if value in seen]


def test_it_stops_when_the_budget_is_spent_and_says_why(desk: Desk, model: AgentModel) -> None:
    desk.agent("alice", "0.29")
    model.commands = ["true"] * 20
    code, report = ask(desk)

    assert (code, report["is_error"]) == (1, True)
    assert "the total budget of alice has 0.0895 USD left" in report["result"]
    assert model.paths() == [ASKED] * 4
    assert desk.states() == ["committed"] * 4 + ["denied"]
    assert desk.spent() == answer_cost() * 4


@pytest.mark.long  # llm keeps the same promise in `make test`
def test_a_policy_denies_it_with_one_request(desk: Desk, model: AgentModel) -> None:
    desk.agent("alice", "5", "--no-tools")
    code, report = ask(desk)

    assert code == 1
    assert "This agent may not use tools" in report["result"]
    assert (model.paths(), desk.states()) == ([], ["denied"])


@pytest.mark.long  # codex keeps the same promise in `make test`
def test_a_paused_agent_is_told_so_with_one_request(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    desk.run("agent", "pause", "alice")
    code, report = ask(desk)

    assert code == 1
    assert "paused" in report["result"]
    assert (model.paths(), desk.states()) == ([], ["denied"])


def test_an_unknown_model_is_named_and_never_asked(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    code, report = ask(desk, "--model", "claude-none-9")

    assert code == 1
    assert "claude-none-9" in report["result"]
    assert model.paths() == []
    assert len(desk.states()) <= 2  # it asks again without a stream


def test_a_token_that_is_revoked_in_the_middle_ends_it_at_once(desk: Desk, model: AgentModel, tmp_path: Path) -> None:
    desk.agent()
    model.commands = ["touch started; until [ -e go ]; do sleep 0.05; done"]
    with desk.running(*CLAUDE, *MODEL, "Do it.") as process:
        wait_until((desk.work / "started").exists)
        desk.run("agent", "rotate-token", "alice")
        (desk.work / "go").touch()
        output, _ = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "token" in output
    assert model.paths() == [ASKED]


def test_a_verdict_in_the_middle_of_a_stream_meets_the_re_ask_too(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    model.hold.clear()
    with desk.running(*CLAUDE, *MODEL, "Do it.") as process:
        wait_until(lambda: bool(model.requests))
        desk.run("agent", "quarantine", "alice", "--reason", "it went astray")
        output, _ = process.communicate(timeout=20)
    model.hold.set()

    assert process.returncode == 1
    assert "it went astray" in output
    assert model.paths() == [ASKED]


def test_sigterm_ends_it_and_its_tools_and_settles(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    model.commands = ["touch started; sleep 98765.125"]
    with desk.running(*CLAUDE, *MODEL, "Do it.") as process:
        wait_until((desk.work / "started").exists)
        assert running_with("sleep 98765.125")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)

    assert process.returncode == 128 + signal.SIGTERM
    assert running_with("sleep 98765.125") == []
    assert desk.states() == ["committed"]
    assert desk.spent() == answer_cost()
    desk.run("ledger", "verify")
