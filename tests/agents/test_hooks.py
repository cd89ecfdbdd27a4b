"""The pipeline's gates in sessions of the real CLIs, through hooks that the program has installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from agent_model import AgentModel
from desk import Desk, answer_cost, needs

pytestmark = pytest.mark.slow

COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "claude": ("claude", "-p", "--output-format", "json", "--permission-mode", "bypassPermissions", "--model"),
    "codex": (
        "codex", "--disable", "plugins", "exec", "--json", "--skip-git-repo-check", "-s", "danger-full-access",
        "--dangerously-bypass-hook-trust", "-m",
    ),
    "gemini": ("gemini", "--output-format", "json", "--approval-mode", "yolo", "-m"),
}  # fmt: skip
"""Codex runs hooks that a person has looked at, and nobody is here who could."""

MODELS: Final = {"claude": "claude-opus-4-8", "codex": "gpt-5.5", "gemini": "gpt-5.5"}
TOOLS: Final = {"claude": "Bash", "codex": "Bash", "gemini": "run_shell_command"}
CLIS: Final = [
    pytest.param("claude", marks=needs("claude")),
    *(pytest.param(cli, marks=[needs(cli), pytest.mark.long]) for cli in ("codex", "gemini")),
]
EVERYWHERE: Final = [
    pytest.param("claude", "--project", marks=needs("claude")),
    *(pytest.param(cli, "--project", marks=[needs(cli), pytest.mark.long]) for cli in ("codex", "gemini")),
    *(pytest.param(cli, "--user", marks=[needs(cli), pytest.mark.long]) for cli in COMMANDS),
]

PIPELINE: Final = """\
version: "1"
defaults:
  tools: {{deny: ["{tool}(touch forbidden*)"]}}
pipeline:
  - id: tests
    if: if_code_changed
    context: {{shell: "test -e tried || {{ touch tried; echo 1 failed; exit 3; }}"}}
    on_result:
      - exit_code: any
        action: abort_pipeline
        message: "The tests fail."
"""


def prepare(desk: Desk, cli: str) -> None:
    """Make a project with a pipeline, and a person's settings as the CLI needs them."""
    (desk.work / ".git").mkdir()
    (desk.work / ".aexl.yaml").write_text(PIPELINE.format(tool=TOOLS[cli]))
    home = Path(desk.environ["HOME"])
    if cli == "gemini":
        (home / ".gemini").mkdir()
        settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
        (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
        (home / ".gemini" / "trustedFolders.json").write_text(json.dumps({str(desk.work): "TRUST_FOLDER"}))
    if cli == "codex":
        trusted = f'[projects."{desk.work}"]\ntrust_level = "trusted"\n'
        (Path(desk.environ["CODEX_HOME"]) / "config.toml").write_text(trusted)


def ask(desk: Desk, cli: str) -> str:
    """Ask the CLI to do its work; return all that it printed."""
    words = ("-p", "Do it.") if cli == "gemini" else ("Do it.",)
    done = desk.govern(*COMMANDS[cli], MODELS[cli], *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("cli", "scope"), EVERYWHERE)
def test_tools_are_denied_and_the_agent_is_sent_back_until_the_steps_pass(
    desk: Desk, model: AgentModel, cli: str, scope: str
) -> None:
    desk.agent()
    prepare(desk, cli)
    named = () if scope == "--project" else ("--pipeline", str(desk.work / ".aexl.yaml"))
    desk.run("pipeline", "hook", "install", cli, scope, *named, cwd=desk.work)
    model.commands = ["touch forbidden.txt", "touch made.txt"]
    ask(desk, cli)

    assert sorted(path.name for path in desk.work.iterdir() if path.name[0] != ".") == ["made.txt", "tried"]
    bodies = [body.decode() for _, _, _, body in model.requests if b"Do it." in body]
    assert len(bodies) == 4
    assert f"The pipeline denies {TOOLS[cli]} here" in bodies[1]
    assert "The tests fail." in bodies[3]
    assert "1 failed" in bodies[3]
    runs = json.loads(desk.run("pipeline", "runs", "--json", cwd=desk.work).stdout)
    assert [run["state"] for run in runs] == ["completed", "aborted"]
    assert desk.spent() == answer_cost() * 4

    desk.run("pipeline", "hook", "remove", cli, scope, cwd=desk.work)
    assert {
        each["state"] for each in json.loads(desk.run("pipeline", "hook", "status", "--json", cwd=desk.work).stdout)
    } == {"off"}
    ask(desk, cli)
    assert (desk.work / "forbidden.txt").exists()


@pytest.mark.parametrize("cli", CLIS)
def test_a_gate_without_an_answer_ends_the_turn_with_its_question(desk: Desk, model: AgentModel, cli: str) -> None:
    desk.agent()
    prepare(desk, cli)
    text = 'version: "1"\npipeline:\n  - id: look\n    action: pause_for_human\n    message: "Shall this go out?"\n'
    (desk.work / ".aexl.yaml").write_text(text)
    desk.run("pipeline", "hook", "install", cli, cwd=desk.work)
    ask(desk, cli)
    assert len([body for _, _, _, body in model.requests if b"Do it." in body]) == 1
    assert list((desk.home / "runs").iterdir())
