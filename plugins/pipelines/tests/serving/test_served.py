"""The API, gates and stdio as a stranger uses them: a real server, real processes, a real terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time

import httpx
import pytest
from model_server import ModelServer
from program import AEXL, Program

pytestmark = pytest.mark.slow


@pytest.fixture
def program(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with ModelServer() as upstream:
        made = Program(home, upstream)
        yield made
        if made.process is not None:
            made.stop(signal.SIGKILL)


@pytest.fixture
def project(tmp_path, texts):
    folder = tmp_path / "work" / "project"
    folder.mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".aexl.yaml").write_text(texts.gated)
    return folder


@pytest.fixture
def served(program, project):
    program.configure(f'[pipelines]\nfolders = ["{project.parent}"]\n')
    program.start()
    return program


@pytest.fixture
def http(served):
    with httpx.Client(base_url=served.url, timeout=30) as client:
        client.headers["authorization"] = f"Bearer {served.agent()}"
        yield client


def state_of(http, run, *wanted):
    """Wait until a run is in one of these states."""
    end = time.monotonic() + 20
    while (found := http.get(f"/api/v1/runs/{run}").json())["status"] not in wanted:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def test_a_gate_of_a_run_over_http_is_answered_from_the_command_line(served, http, project):
    made = http.post("/api/v1/runs", json={"folder": str(project), "prompt": "go", "wait": True}).json()
    assert made["status"] == "waiting"
    gate = made["pending_gates"][0]["gate_id"]
    [listed] = served.json("pipeline", "gates")
    assert listed["gate"]["id"] == gate
    served.run("pipeline", "approve", gate[:4], "--reason", "fine")

    lost = http.post(f"/api/v1/gates/{gate}", json={"choice": "reject"})
    assert (lost.status_code, lost.json()["error"]["code"]) == (409, "gate_decided")
    assert "approved by cli:" in lost.json()["error"]["message"]
    ended = state_of(http, made["run_id"], "completed")
    assert [step["status"] for step in ended["steps"]] == ["completed"] * 4
    with http.stream("GET", f"/api/v1/runs/{made['run_id']}/events") as stream:
        names = [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: ")]
    assert (names[0], names[-1]) == ("run_begun", "run_ended")


def test_a_token_is_required_and_every_refusal_has_one_shape(served, project):
    for path in ("sessions", "runs", "gates", "pipelines/validate"):
        answer = httpx.get(f"{served.url}/api/v1/{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "missing_token")


def test_a_server_that_stops_cancels_its_runs_and_the_next_one_resumes_them(served, http, project):
    body = {"folder": str(project), "prompt": "go", "wait": True}
    made = http.post("/api/v1/runs", json=body).json()
    began = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - began < 10
    [listed] = [each for each in served.json("pipeline", "runs", "--all") if each["run"] == made["run_id"]]
    assert listed["state"] == "cancelled"

    url = served.start()
    resumed = httpx.post(f"{url}/api/v1/runs/{made['run_id']}/resume", json={"wait": True}, headers=http.headers)
    assert resumed.json()["status"] == "waiting"
    gate = resumed.json()["pending_gates"][0]["gate_id"]
    assert gate == made["pending_gates"][0]["gate_id"]
    served.run("pipeline", "approve", gate)
    with httpx.Client(base_url=url, headers=http.headers) as again:
        state_of(again, made["run_id"], "completed")


def test_a_decision_that_is_given_while_the_killed_server_is_down_counts(served, http, project):
    made = http.post("/api/v1/runs", json={"folder": str(project), "prompt": "go", "wait": True}).json()
    gate = made["pending_gates"][0]["gate_id"]
    served.stop(signal.SIGKILL)
    served.run("pipeline", "approve", gate)
    url = served.start()
    resumed = httpx.post(f"{url}/api/v1/runs/{made['run_id']}/resume", json={"wait": True}, headers=http.headers).json()
    assert resumed["status"] == "completed"
    assert [step["status"] for step in resumed["steps"]] == ["completed"] * 4


class Peer:
    """The other end of ``aexl pipeline stdio``."""

    def __init__(self, process):
        self.process = process
        self.told = []

    def until(self, kind):
        for line in self.process.stdout:
            self.told.append(json.loads(line))
            if self.told[-1]["type"] == kind:
                return self.told[-1]
        raise AssertionError((self.told, self.process.stderr.read()))

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()


def test_stdio_is_a_conversation_of_two_programs(program, project):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [AEXL, "pipeline", "stdio"]
    with subprocess.Popen(command, cwd=project, env=program.environ, text=True, **pipes) as process:
        talk = Peer(process)
        talk.until("ready")
        talk.say("do it")
        gate = talk.until("hitl_gate_reached")
        talk.say(json.dumps({"type": "hitl_response", "gate_id": gate["gate_id"], "choice": "approve"}))
        assert talk.until("turn_completed")["status"] == "completed"
        talk.say("{")
        talk.until("error")
        talk.say("again")
        talk.until("hitl_gate_reached")
        process.stdin.close()
        assert talk.until("turn_completed")["status"] == "rejected"
        talk.until("chat_ended")
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


class TerminalRun:
    """``aexl pipeline run`` at a terminal of its own."""

    def __init__(self, program, project, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(project)
            os.execve(AEXL, [str(AEXL), "pipeline", "run", *arguments], {**program.environ, "TERM": "xterm"})
        self.screen = ""

    def until(self, text):
        end = time.monotonic() + 20
        while text not in self.screen:
            assert time.monotonic() < end, self.screen
            self.read()

    def read(self):
        if select.select([self.fd], [], [], 0.1)[0]:
            try:
                self.screen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                return False
        return True

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        end = time.monotonic() + 20
        while True:
            self.read()
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < end, self.screen


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("r not now\n", 5)])
def test_a_gate_is_answered_at_the_runs_own_terminal(program, project, typed, code):
    run = TerminalRun(program, project, "go")
    run.until("> ")
    assert "Go on?" in run.screen
    run.type(typed)
    assert run.wait() == code


def test_another_process_may_be_quicker_than_the_runs_own_terminal(program, project):
    run = TerminalRun(program, project, "go")
    run.until("> ")
    [listed] = program.json("pipeline", "gates")
    program.run("pipeline", "reject", listed["gate"]["id"], "--reason", "better not")
    assert run.wait() == 5
    assert "was rejected by cli:" in run.screen
    assert "better not" in run.screen


def test_without_a_terminal_a_gate_is_closed_unless_an_option_says_otherwise(program, project):
    for options, code in [((), 5), (("--on-gate", "approve"), 0), (("--on-gate", "reject"), 5)]:
        done = program.run("pipeline", "run", "go", *options, check=False, cwd=project)
        assert done.returncode == code, done.stderr


def test_a_gate_of_a_killed_run_is_asked_again_by_its_resume(program, project):
    run = TerminalRun(program, project, "go")
    run.until("> ")
    [listed] = program.json("pipeline", "gates")
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    program.run("pipeline", "approve", listed["gate"]["id"])
    done = program.run("pipeline", "resume", listed["gate"]["run"], cwd=project)
    assert done.returncode == 0
