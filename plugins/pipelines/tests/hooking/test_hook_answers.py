"""After an answer: the pipeline's steps run, and the agent or the person hears of it."""

from __future__ import annotations

import json
import threading
import time

import pytest

from aexl.api import Snapshots
from aexl.testing.snapshots import FakeSnapshots
from aexl_pipelines.cli.opening import load
from aexl_pipelines.gates.files import GateFiles
from aexl_pipelines.hooking.checking import check_answer
from aexl_pipelines.hooking.dialects import DIALECTS, HookCall
from aexl_pipelines.hooking.entries import HookOptions
from aexl_pipelines.hooking.transcripts import last_prompt
from aexl_pipelines.journal.folders import list_runs, read_records
from aexl_pipelines.journal.records import RunBegun, StepEnded, Verdict

pytestmark = pytest.mark.slow

STOP = {"claude": "Stop", "codex": "Stop", "gemini": "AfterAgent"}

TESTS = """\
version: "1"
pipeline:
  - id: tests
    context: {shell: "test -e done || { echo 2 failed; exit 3; }"}
    on_result:
      - exit_code: any
        action: abort_pipeline
        message: "The tests fail."
"""

GATE = """\
version: "1"
pipeline:
  - id: look
    action: pause_for_human
    message: "Shall this go out?"
"""

CHANGED = """\
version: "1"
pipeline:
  - id: note
    if: if_code_changed
    context: {shell: "echo changed > noted"}
"""


def stop(hooks, cli="claude", *options, said="All of it is done.", **more):
    field = "prompt_response" if cli == "gemini" else "last_assistant_message"
    return hooks.tell(cli, STOP[cli], *options, **{field: said, **more})


def records(session, kind):
    [summary, *_] = list_runs(session.home)
    return [each.record for each in read_records(session.home / "runs" / summary.run) if isinstance(each.record, kind)]


@pytest.mark.parametrize("cli", STOP)
def test_a_step_that_fails_sends_the_agent_back_with_what_it_said(hooks, project, cli):
    (project / ".aexl.yaml").write_text(TESTS)
    answer = stop(hooks, cli)
    assert answer["decision"] == ("deny" if cli == "gemini" else "block")
    for text in ("The tests fail.", "at the step tests", "2 failed", "checked anew"):
        assert text in answer["reason"]

    (project / "done").touch()
    answer = stop(hooks, cli, stop_hook_active=True)
    assert set(answer) == {"systemMessage"}
    assert "has passed: 1 step" in answer["systemMessage"]


def test_the_answer_is_the_invocations_and_the_prompt_the_persons(hooks, project, session):
    (project / ".aexl.yaml").write_text(
        'version: "1"\npipeline:\n  - id: keep\n    env: {SAID: "{{ step.invocation.response }}", ASKED: "{{ step.invocation.prompt }}"}\n'
        '    context: {shell: \'printf "%s|%s" "$ASKED" "$SAID" > kept\'}\n'
    )
    hooks.tell("claude", "UserPromptSubmit", prompt="Mend it.")
    assert "has passed" in stop(hooks)["systemMessage"]
    assert (project / "kept").read_text() == "Mend it.|All of it is done."
    [begun] = records(session, RunBegun)
    assert (begun.prompt, begun.project) == ("Mend it.", str(project))
    assert next((step.step, step.runner) for step in records(session, StepEnded)) == ("invocation", "session")


def test_after_so_many_rounds_the_person_is_told_and_the_next_prompt_begins_anew(hooks, project):
    (project / ".aexl.yaml").write_text(TESTS)
    answers = [stop(hooks, "claude", "--rounds", "2", stop_hook_active=number > 0) for number in range(3)]
    assert [set(answer) for answer in answers] == [{"decision", "reason"}, {"decision", "reason"}, {"systemMessage"}]
    assert "after 2 rounds" in answers[2]["systemMessage"]
    assert "decision" in stop(hooks, "claude", "--rounds", "2")
    assert set(stop(hooks, "claude", "--rounds", "0")) == {"systemMessage"}


def test_a_gate_that_nobody_answers_is_the_persons_turn(hooks, project):
    (project / ".aexl.yaml").write_text(GATE)
    assert stop(hooks) == {"systemMessage": "The pipeline stops at look and asks you: Shall this go out?"}


@pytest.mark.parametrize(("option", "key"), [("approve", "systemMessage"), ("reject", "decision")])
def test_an_option_answers_gates(hooks, project, option, key):
    (project / ".aexl.yaml").write_text(GATE)
    assert key in stop(hooks, "claude", "--on-gate", option)


def test_a_person_elsewhere_rejects_with_a_reason_for_the_agent(hooks, project, session):
    (project / ".aexl.yaml").write_text(GATE)
    files = GateFiles(session.home / "runs")

    def person():
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for standing in files.listed():
                files.decide(standing.gate, Verdict(choice="reject", reason="Not on a Friday.", by="cli"), time.time())
                return

    asking = threading.Thread(target=person)
    asking.start()
    answer = stop(hooks, "claude", "--wait", "30")
    asking.join()
    assert "Not on a Friday." in answer["reason"]


def test_what_changed_is_what_changed_since_the_person_asked(hooks, project, session):
    (project / ".aexl.yaml").write_text(CHANGED)
    session.host.services[Snapshots] = FakeSnapshots()
    hooks.tell("claude", "UserPromptSubmit", prompt="Say hello.")
    stop(hooks)
    assert not (project / "noted").exists()

    hooks.tell("claude", "UserPromptSubmit", prompt="Write it.")
    (project / "written").write_text("by the agent")
    stop(hooks)
    assert (project / "noted").exists()
    [ended] = [step for step in records(session, StepEnded) if step.step == "invocation"]
    assert "written" in ended.changed


def test_a_chain_that_takes_too_long_has_failed(session, project):
    (project / ".aexl.yaml").write_text('version: "1"\npipeline:\n  - id: slow\n    context: {shell: "sleep 60"}\n')
    options, call = HookOptions(timeout=0.3), HookCall(session="s1", answer="Done.")
    answer = check_answer(session, DIALECTS["claude"], call, load(session, project / ".aexl.yaml"), options, project)
    assert "took longer than 0.3 seconds" in str(answer["reason"])


def test_a_run_that_cannot_begin_is_told_to_the_person(hooks, project):
    (project / ".aexl.yaml").write_text(
        'version: "1"\ninputs: {word: {}}\npipeline:\n  - id: a\n    context: {shell: "true"}\n'
    )
    assert "could not be asked" in stop(hooks)["systemMessage"]


@pytest.mark.parametrize(
    "lines",
    [
        [
            {"type": "user", "message": {"content": "Mend it."}},
            {"type": "user", "isMeta": True, "message": {"content": "x"}},
        ],
        [{"type": "user", "message": {"content": [{"type": "text", "text": "Mend it."}]}}],
        [{"type": "event_msg", "payload": {"type": "user_message", "message": "Mend it."}}, {"type": "response_item"}],
        [
            {"type": "user", "message": {"content": "Mend it."}},
            {"type": "user", "message": {"content": "Stop hook feedback: no"}},
        ],
    ],
)
def test_the_prompt_is_found_in_the_transcript(tmp_path, lines):
    path = tmp_path / "t.jsonl"
    path.write_text("torn\n" + "".join(json.dumps(line) + "\n" for line in lines))
    assert last_prompt(str(path)) == "Mend it."
    assert last_prompt(str(tmp_path / "none")) == last_prompt(None) == ""
