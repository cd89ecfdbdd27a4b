"""``aexl pipeline hook``."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from aexl.api import Journal, Snapshots
from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.gates.files import GateFiles
from aexl_pipelines.hooking.turns import Turn, Turns
from aexl_pipelines.journal.records import Verdict
from aexl_pipelines.runners.environment import WITHIN

BASH = {"tool_name": "Bash", "tool_input": {"command": "make"}}
FILES = {"claude": ".claude/settings.json", "codex": ".codex/hooks.json", "gemini": ".gemini/settings.json"}
TOOL = {"claude": "PreToolUse", "codex": "PreToolUse", "gemini": "BeforeTool"}


def denied(answer):
    return answer.get("reason") or answer["hookSpecificOutput"]["permissionDecisionReason"]


@pytest.mark.parametrize("cli", FILES)
def test_install_status_and_remove(hooks, project, cli):
    path = project / FILES[cli]
    path.parent.mkdir()
    path.write_text('{"mine": 1}\n' if cli != "codex" else '{"description": "mine"}\n')
    before = path.read_text()

    done = hooks("install", cli)
    assert (done.code, f"Hooks installed in {path}" in done.out) == (0, True)
    assert "hook run" in path.read_text()
    states = {(each["cli"], each["scope"]): each["state"] for each in hooks("status", "--json").json()}
    assert states[cli, "project"] == "on"
    assert set(states.values()) == {"on", "off"}
    assert "Nothing to do" in hooks("install", cli).out

    assert f"Hooks removed in {path}" in hooks("remove", cli).out
    assert path.read_text() == before
    assert "Nothing to do" in hooks("remove", cli).out


def test_a_dry_run_shows_the_difference_and_writes_nothing(hooks, project):
    done = hooks("install", "claude", "--dry-run")
    assert '+    "Stop": [' in done.out
    assert not (project / ".claude").exists()
    assert hooks("install", "claude", "--dry-run", "--json").json()["written"] is False


def test_hooks_of_a_person_name_their_pipeline_and_never_the_folders(hooks, project, session, tmp_path):
    done = hooks("install", "claude", "--user")
    assert done.code == 2
    assert "--pipeline" in done.err
    own = session.home / "pipelines" / "default.yaml"
    own.parent.mkdir()
    own.write_text((project / ".aexl.yaml").read_text())
    assert hooks("install", "claude", "--user").code == 0
    settings = (tmp_path / "me" / ".claude" / "settings.json").read_text()
    assert f"--pipeline {own}" in settings


def test_a_pipeline_below_the_project_is_named_from_there(hooks, project):
    (project / "ci").mkdir()
    (project / "ci" / "gates.yaml").write_text((project / ".aexl.yaml").read_text())
    assert hooks("install", "claude", "--pipeline", "ci/gates.yaml").code == 0
    assert "--pipeline ci/gates.yaml" in (project / FILES["claude"]).read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("install", "aider"), 4, "claude, codex, gemini"),
        (("install", "claude", "--on-gate", "yes"), 2, "approve, reject, fail"),
        (("install", "claude", "--project", "--user"), 2, "two places"),
        (("install", "claude", "--pipeline", "./none.yaml"), 4, "none.yaml"),
    ],
)
def test_mistakes_are_sentences(hooks, words, code, said):
    done = hooks(*words)
    assert done.code == code
    assert said in done.err


def test_a_wrong_pipeline_is_not_installed(hooks, project):
    (project / ".aexl.yaml").write_text("version: '1'\npipeline:\n  - id: a\n    promt: hi\n")
    assert hooks("install", "claude").code == 3
    assert not (project / ".claude").exists()


def test_settings_that_are_no_json_are_not_touched(hooks, project):
    path = project / FILES["claude"]
    path.parent.mkdir()
    path.write_text("{nope")
    assert hooks("install", "claude").code == 2
    assert path.read_text() == "{nope"
    assert hooks("status", "--json").json()[0]["state"] == "unreadable"


@pytest.mark.parametrize("cli", FILES)
def test_the_tool_policy_holds_in_the_clis_own_form(hooks, cli):
    assert hooks.tell(cli, TOOL[cli], tool_name="Read", tool_input={}) == {}
    assert hooks.tell(cli, TOOL[cli], tool_name="Bash", tool_input={"command": "git log"}) == {}
    answer = hooks.tell(cli, TOOL[cli], tool_name="Bash", tool_input={"command": "git push"})
    assert "denies Bash" in denied(answer)
    assert ("decision" in answer) == (cli == "gemini")
    assert "it allows Read, Bash(git *)" in denied(hooks.tell(cli, TOOL[cli], **BASH))


def test_without_a_pipeline_nothing_is_held(hooks, project):
    (project / ".aexl.yaml").unlink()
    assert hooks.tell("claude", "PreToolUse", **BASH) == {}
    assert hooks.tell("claude", "Stop", last_assistant_message="Done.") == {}


def test_a_pipeline_that_cannot_be_read_closes(hooks, project):
    (project / ".aexl.yaml").write_text("nonsense: 1")
    assert "cannot be asked" in denied(hooks.tell("claude", "PreToolUse", **BASH))
    assert "could not be asked" in hooks.tell("claude", "Stop", last_assistant_message="Done.")["systemMessage"]


def test_agents_of_a_pipeline_are_left_alone(hooks, monkeypatch):
    monkeypatch.setenv(WITHIN, "1")
    assert hooks.tell("claude", "PreToolUse", **BASH) == {}


def test_the_invocations_policy_counts_before_the_files(hooks, project):
    text = (project / ".aexl.yaml").read_text()
    invocation = '  - id: invocation\n    prompt: "{{ step.invocation.prompt }}"\n    tools: {disabled: true}\n'
    (project / ".aexl.yaml").write_text(text.replace("pipeline:\n", f"pipeline:\n{invocation}", 1))
    assert "no tools" in denied(hooks.tell("claude", "PreToolUse", tool_name="Read", tool_input={}))


@pytest.mark.parametrize(("choice", "code"), [("approve", None), ("reject", "Not that.")])
def test_a_tool_that_is_not_named_can_be_allowed_from_elsewhere(hooks, session, choice, code):
    events = []

    class Ledger:
        async def append(self, kind, subject, data):
            events.append((kind, data["choice"]))

    session.host.services[Journal] = Ledger()
    files = GateFiles(session.home / "runs")

    def person():
        end = time.monotonic() + 20
        while time.monotonic() < end:
            standing = [each.gate for each in files.listed() if each.decided is None]
            if standing:
                assert (standing[0].detail["tool"], standing[0].kind) == ("Bash", "permission")
                files.decide(standing[0], Verdict(choice=choice, reason="Not that.", by="cli"), time.time())
                return

    asking = threading.Thread(target=person)
    asking.start()
    answer = hooks.tell("claude", "PreToolUse", "--wait", "30", **BASH)
    asking.join()
    assert (answer == {}) == (code is None)
    assert code is None or code in denied(answer)
    assert events == [("pipelines.gate", choice)]


@pytest.mark.parametrize(("option", "allowed"), [("approve", True), ("reject", False), ("fail", False)])
def test_an_option_answers_for_the_person(hooks, option, allowed):
    assert (hooks.tell("claude", "PreToolUse", "--on-gate", option, **BASH) == {}) == allowed


def test_a_prompt_is_remembered_with_the_files_as_they_are(hooks, session, project):
    session.host.services[Snapshots] = snapshots = FakeSnapshots()
    Turns(session.home).write("claude", "s1", Turn(rounds=2))
    assert hooks.tell("claude", "UserPromptSubmit", prompt="Mend it.") == {}
    turn = Turns(session.home).read("claude", "s1")
    assert (turn.prompt, turn.rounds) == ("Mend it.", 0)
    assert turn.base is not None
    assert snapshots


def test_without_snapshots_a_prompt_is_remembered_all_the_same(hooks, session):
    assert hooks.tell("gemini", "BeforeAgent", prompt="Mend it.") == {}
    assert Turns(session.home).read("gemini", "s1") == Turn(prompt="Mend it.")
    assert Turns(session.home).read("gemini", "s2") == Turn()


def test_what_a_cli_says_in_another_way_is_an_answer_too(hooks):
    answer = hooks.tell("claude", "PreToolUse", tool_name=7)
    assert "cannot be read" in denied(answer)


def test_a_damaged_memory_is_a_new_one(session):
    turns = Turns(session.home)
    turns.write("claude", "s1", Turn(prompt="x"))
    [path] = (session.home / "hooks").iterdir()
    path.write_text("{")
    assert turns.read("claude", "s1") == Turn()


def test_a_hook_that_is_told_to_end_leaves_nothing_running(hooks, project):
    (project / ".aexl.yaml").write_text(
        "pipeline: [{id: a, context: {shell: 'echo $$ > pid; kill -TERM $PPID; sleep 100'}}]"
    )
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("nobody listened"))
    try:
        said = hooks.tell("claude", "Stop", last_assistant_message="done")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "the run was cancelled" in str(said)
    assert not Path(f"/proc/{(project / 'pid').read_text().strip()}").exists()
