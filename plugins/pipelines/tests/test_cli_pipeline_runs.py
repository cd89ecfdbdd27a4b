"""``aexl pipeline run|resume|fork|runs|log``, as a stranger uses them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession, run_command
from aexl_pipelines.cli.app import app
from aexl_pipelines.runners.table import runners

AEXL = Path(sys.executable).with_name("aexl")
TEXT = """
inputs: {level: {type: integer, default: 1}}
outputs: {said: "{{ step.b.stdout }}"}
pipeline:
  - {id: a, prompt: "level {{ inputs.level }} {{ step.invocation.prompt }}"}
  - {id: b, context: {shell: 'echo "$WORD" | tee -a ran'}, env: {WORD: "{{ step.a.response }}"}}
  - {id: c, action: pause_for_human, message: "Go on?"}
  - {id: d, prompt: done}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "project"
    made.mkdir()
    (made / ".git").mkdir()
    (made / ".aexl.yaml").write_text(TEXT)
    monkeypatch.chdir(made)
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    monkeypatch.setenv("AEXL_HOME", str(tmp_path / "home"))
    return made


@pytest.fixture
def run(folder, tmp_path):
    host = FakeHost(data_dir=tmp_path / "home")
    host.offered_runners = {runner.name: runner for runner in runners()}
    session = FakeSession(host)

    def run_it(*arguments):
        return run_command(app, session, *arguments)

    return run_it


def lines(done):
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_run_prints_the_answer_and_what_happened_beside_it(run):
    done = run("run", "hello", "--runner", "stub", "--on-gate", "approve")
    assert (done.code, done.out) == (0, "stub response\n")
    assert "aexl: b: shell" in done.err
    assert run("run", "--runner", "stub", "--on-gate", "approve", "-q").err == ""


def test_a_run_in_json_is_a_line_for_each_record_and_a_summary(run):
    done = run("run", "--runner", "stub", "--on-gate", "approve", "--input", "level=4", "--json")
    told = lines(done)
    assert (told[0]["type"], told[0]["inputs"]) == ("run_begun", {"level": 4})
    assert {"step_begun", "step_ended", "gate_opened", "gate_decided", "progress", "run_ended"} <= {
        t["type"] for t in told
    }
    assert len({line["run"] for line in told}) == 1
    summary = told[-1]
    assert (summary["type"], summary["status"], summary["outputs"]) == (
        "summary",
        "completed",
        {"said": "stub response"},
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--on-gate", "reject"], 5, "rejected"),
        ([], 5, "nobody"),
        (["--headless"], 5, "nobody"),
        (["--on-gate", "perhaps"], 2, "approve, reject or fail"),
        (["--timeout", "soon"], 2, "90, 90s, 5m"),
        (["--input", "level"], 2, "NAME=VALUE"),
        (["--input", "level=x"], 2, "type integer"),
        (["--input", "levle=1"], 2, "level"),
        (["--runner", "nobody"], 2, "no runner 'nobody'"),
        (["--name", "nobody"], 2, "no pipeline 'nobody'"),
        (["-p", "nobody.yaml"], 2, "nobody.yaml"),
        (["--budget", "-1"], 2, "--budget"),
    ],
)
def test_each_way_to_end_has_its_code(run, arguments, code, said):
    given = arguments if "--runner" in arguments else [*arguments, "--runner", "stub"]
    done = run("run", *given)
    assert done.code == code
    assert said in done.err


def test_an_invalid_pipeline_ends_with_3_and_nothing_has_run(run, folder):
    (folder / ".aexl.yaml").write_text("pipeline: [{id: a, promt: x}]")
    done = run("run", "x", "--runner", "stub")
    assert (done.code, "prompt" in done.err) == (3, True)
    assert run("runs").out == "There are no runs here.\n"


def test_without_a_file_the_prompt_goes_to_the_agent_alone(run, folder):
    (folder / ".aexl.yaml").unlink()
    assert run("run", "hello", "--runner", "stub").out == "stub response\n"
    done = run("run", "--runner", "stub")
    assert (done.code, "WHAT TO DO" in done.err) == (2, True)
    assert "(passthrough)" in run("runs").out
    assert run("resume", "last").code == 0


def test_a_rejected_run_goes_on_and_nothing_is_done_twice(run, folder):
    assert run("run", "--runner", "stub").code == 5
    done = run("resume", "last", "--on-gate", "approve", "--json")
    assert done.code == 0
    assert (folder / "ran").read_text() == "stub response\n"
    listed = json.loads(run("runs", "--json").out)
    assert [(each["state"], each["steps"]) for each in listed] == [("completed", 5)]
    assert run("resume", "last", "--from", "b", "--on-gate", "approve").code == 0
    assert (folder / "ran").read_text() == "stub response\n" * 2
    again = run("resume", "last")
    assert (again.code, "has completed; --from STEP" in again.err) == (0, True)
    assert run("resume", "last", "-q").err == ""
    done = run("resume", "last", "--from", "nothing")
    assert (done.code, "a, b, c, d" in done.err) == (2, True)
    assert run("resume", "nobody").code == 2


def test_a_fork_may_have_another_prompt_and_another_pipeline(run, folder):
    run("run", "hello", "--runner", "stub", "--on-gate", "approve")
    (folder / "other.yaml").write_text(TEXT.replace("prompt: done", "context: {shell: 'echo forked >> ran'}"))
    done = run("fork", "last", "--from", "d", "-p", "other.yaml", "--prompt", "else")
    assert done.code == 0
    assert (folder / "ran").read_text() == "stub response\nforked\n"
    assert len(json.loads(run("runs", "--json").out)) == 2


def test_a_dry_run_says_what_would_happen_and_does_nothing(run, folder):
    done = run("run", "x", "--dry-run")
    assert (done.code, done.out) == (0, "[DRY RUN] done\n")
    assert not (folder / "ran").exists()
    run("run", "x", "--dry-run-shell")
    assert (folder / "ran").exists()


def test_a_log_is_for_people_and_for_programs(run, folder):
    run("run", "hello", "--runner", "stub", "--on-gate", "approve")
    whole = run("log").out
    assert "level 1 hello" in whole
    assert "stub response" in whole
    assert "stub response" not in run("log", "last", "--brief").out
    records = lines(run("log", "last", "--json"))
    assert (records[0]["type"], records[-1]["type"]) == ("run_begun", "run_ended")
    assert lines(run("log", "last", "--json", "--follow")) == records
    assert run("log", "nobody").code == 4


def test_runs_of_other_projects_are_shown_when_asked_for(run, tmp_path, monkeypatch):
    run("run", "x", "--runner", "stub", "--on-gate", "approve")
    other = tmp_path / "other"
    (other / ".git").mkdir(parents=True)
    monkeypatch.chdir(other)
    assert run("runs").out == "There are no runs here.\n"
    assert len(json.loads(run("runs", "--all", "--json").out)) == 1


def test_last_is_a_run_of_this_project_and_none_that_it_has_called(run, folder, tmp_path, monkeypatch):
    (folder / "child.yaml").write_text("pipeline: [{id: inner, prompt: x}]")
    (folder / ".aexl.yaml").write_text("pipeline: [{id: outer, pipeline: ./child.yaml}]")
    run("run", "--runner", "stub")
    other = tmp_path / "other"
    (other / ".git").mkdir(parents=True)
    monkeypatch.chdir(other)
    assert run("log").code == 4
    run("run", "x", "--runner", "stub")
    monkeypatch.chdir(folder)
    assert lines(run("log", "last", "--json"))[0]["file"] == ".aexl.yaml"
    assert run("resume", "last").code == 0
    assert run("fork", "last", "--from", "outer").code == 0


def test_the_options_of_a_runner_come_from_the_configuration(folder, tmp_path):
    """Also as a runner of one's own name."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "aexl.toml").write_text('[runners.shout]\ntype = "exec"\ncommand = ["tr", "a-z", "A-Z"]\n')
    words = [AEXL, "pipeline", "run", "hello", "--runner", "shout", "--on-gate", "approve", "-q"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "DONE\n"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGHUP, 130), (signal.SIGKILL, -9)]
)
def test_an_interrupted_run_leaves_nothing_running_and_goes_on_later(folder, number, code):
    (folder / ".aexl.yaml").write_text(
        "pipeline: [{id: a, context: {shell: 'echo a >> ran'}},"
        " {id: b, context: {shell: 'echo $$ >> pid; test -e go || sleep 100; echo b >> ran'}}]"
    )
    words = [AEXL, "pipeline", "run", "--plain"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (folder / "pid").exists() or not (folder / "pid").read_text():
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(10) == code
    pid = int((folder / "pid").read_text().split()[0])
    if number == signal.SIGKILL:
        os.killpg(pid, signal.SIGKILL)  # nobody was left to do it
    else:
        assert not Path(f"/proc/{pid}").exists()
    (folder / "go").touch()
    done = subprocess.run([AEXL, "pipeline", "resume", "last", "--plain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "ran").read_text().split() == ["a", "b"]


@pytest.mark.slow
def test_without_a_server_others_have_the_ledger_while_a_run_goes_on_and_it_hears_of_all_of_them(folder):
    def aexl(*words):
        return subprocess.run([AEXL, *words], capture_output=True, text=True, check=False)

    assert aexl("agent", "create", "alice", "5").returncode == 0
    (folder / ".aexl.yaml").write_text(
        "pipeline: [{id: a, context: {shell: 'touch here; while [ ! -e go ]; do sleep 0.05; done'}}]"
    )
    (folder / "other.yaml").write_text("pipeline: [{id: a, context: {shell: 'true'}}]")
    with subprocess.Popen([AEXL, "pipeline", "run", "-q"], stderr=subprocess.PIPE, text=True) as first:
        while not (folder / "here").exists():
            time.sleep(0.02)
        second = aexl("pipeline", "run", "-q", "-p", "other.yaml")
        topped = aexl("agent", "topup", "alice", "1")
        started = aexl("daemon", "start", "--port", "0")
        (folder / "go").touch()
        assert (first.wait(20), first.stderr.read()) == (0, "")
    events = [json.loads(line)["event"]["kind"] for line in aexl("ledger", "export").stdout.splitlines()]
    stopped = aexl("daemon", "stop")
    assert [(done.returncode, done.stderr) for done in (second, topped, stopped)] == [(0, "")] * 3
    assert started.returncode == 0, started.stderr
    assert [kind for kind in events if kind.startswith("pipelines.")] == [
        "pipelines.begin", "pipelines.begin", "pipelines.end", "pipelines.end"
    ]  # fmt: skip
