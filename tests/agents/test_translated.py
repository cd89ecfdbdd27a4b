"""Agent CLIs on models whose provider speaks another dialect than they do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from agent_model import FINAL, AgentModel
from desk import Desk, answer_cost, needs

pytestmark = [pytest.mark.slow]

CLAUDE = ("claude", "-p", "--output-format", "json", "--permission-mode", "bypassPermissions", "--model")
CODEX = ("codex", "--disable", "plugins", "exec", "--json", "--skip-git-repo-check", "-s", "danger-full-access", "-m")

GEMINI = ("gemini", "--skip-trust", "--output-format", "json", "--approval-mode", "yolo", "-p", "Do it.", "-m")

CHAT_ONLY = '\n[translation.speaks]\nopenai = ["chat"]\n'
BY_RESPONSES = '\n[translation.prefer]\nopenai = "responses"\n'

CHAT = "POST /v1/chat/completions"
MESSAGES = "POST /v1/messages"
RESPONSES = "POST /v1/responses"


def configured(desk: Desk, extra: str) -> None:
    """Let the running server follow a configuration with these lines."""
    desk.configure(extra)
    desk.run("models", "reload")


def check_run(desk: Desk, model: AgentModel, done: subprocess.CompletedProcess[str], asked: str) -> None:
    """See that a run used its tools, was asked for in the provider's dialect, and is all in the ledger."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert (desk.work / "made.txt").read_text() == "made by an agent"
    assert model.paths() == [asked] * 3
    assert desk.states() == ["committed"] * 3
    assert desk.spent() == answer_cost() * 3
    desk.run("ledger", "verify")


def report(done: subprocess.CompletedProcess[str]) -> tuple[bool, str]:
    """Return what Claude Code reports: whether it failed, and the last words."""
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found["is_error"], found["result"]


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what Codex was told by the model."""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return [event["item"]["text"] for event in events if event.get("item", {}).get("type") == "agent_message"]


@pytest.fixture
def commands(model: AgentModel) -> None:
    model.commands = ["printf 'made by an agent' > made.txt", "cat made.txt"]


@needs("claude")
@pytest.mark.parametrize(
    ("extra", "asked"), [("", CHAT), pytest.param(BY_RESPONSES, RESPONSES, marks=pytest.mark.long)]
)
@pytest.mark.usefixtures("commands")
def test_claude_code_works_on_a_model_of_openai(desk: Desk, model: AgentModel, extra: str, asked: str) -> None:
    configured(desk, extra)
    desk.agent()
    done = desk.govern(*CLAUDE, "gpt-5.5", "Do it.")

    assert report(done) == (False, FINAL)
    check_run(desk, model, done, asked)


@needs("codex")
@pytest.mark.parametrize("name", ["gpt-5.5", pytest.param("gpt-6-sol", marks=pytest.mark.long)])
@pytest.mark.usefixtures("commands")
def test_codex_works_on_a_server_that_has_chat_completions_alone(desk: Desk, model: AgentModel, name: str) -> None:
    configured(desk, CHAT_ONLY)
    desk.agent()
    done = desk.govern(*CODEX, name, "Do it.")

    check_run(desk, model, done, CHAT)
    assert told(done) == [FINAL]


@needs("codex")
@pytest.mark.usefixtures("commands")
def test_codex_works_on_claude(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    done = desk.govern(*CODEX, "claude-opus-4-8", "Do it.")

    check_run(desk, model, done, MESSAGES)
    assert told(done) == [FINAL]


@needs("gemini")
@pytest.mark.parametrize(
    ("name", "asked"), [("gpt-5.5", CHAT), pytest.param("claude-opus-4-8", MESSAGES, marks=pytest.mark.long)]
)
@pytest.mark.usefixtures("commands")
def test_gemini_cli_works_on_models_of_others(desk: Desk, model: AgentModel, name: str, asked: str) -> None:
    settings = Path(desk.environ["HOME"], ".gemini", "settings.json")
    settings.parent.mkdir()
    settings.write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))
    desk.agent()
    done = desk.govern(*GEMINI, name)

    assert FINAL in done.stdout, done.stdout + done.stderr
    check_run(desk, model, done, asked)
