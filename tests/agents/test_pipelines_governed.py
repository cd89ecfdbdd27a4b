"""Pipelines under the ledger's budgets, with a server and without one; no CLI is needed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from decimal import Decimal
from typing import Any

import pytest
from agent_model import AgentModel
from desk import KEYS, Desk, answer_cost, wait_until
from program import AEXL

pytestmark = pytest.mark.slow

HEAD = 'version: "1"\ndefaults: {runner: http, model: gpt-4o-mini}\n'
THREE = HEAD + "pipeline:\n" + "".join(f"  - {{id: {name}, prompt: {name}}}\n" for name in "abc")


def write(desk: Desk, text: str, name: str = ".aexl.yaml") -> None:
    (desk.work / name).write_text(text)


def run(
    desk: Desk, *options: str, command: tuple[str, ...] = ("run",)
) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """Run ``aexl pipeline``; return its exit code, its summary, and all lines before that."""
    done = desk.run("pipeline", *command, "--json", *options, check=False, cwd=desk.work)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return done.returncode, lines[-1], lines[:-1]


def agents(desk: Desk) -> list[str]:
    return [agent["name"] for agent in desk.json("agent", "list")]


def kinds(desk: Desk) -> list[str]:
    lines = desk.run("ledger", "export").stdout.splitlines()
    return [kind for line in lines if (kind := json.loads(line)["event"]["kind"]).startswith("pipelines.")]


def test_a_spent_budget_ends_the_step_with_7_and_says_what_to_do_and_a_resume_has_the_rest(desk: Desk) -> None:
    desk.agent()
    write(desk, THREE)
    done = desk.run("pipeline", "run", "--budget", "0.12", check=False, cwd=desk.work)
    assert done.returncode == 7
    assert "has 0.069875 USD left" in done.stderr
    run_id = json.loads(desk.run("pipeline", "runs", "--json", cwd=desk.work).stdout)[0]["run"]
    assert f"to go on: aexl pipeline resume {run_id} --budget USD" in done.stderr
    assert agents(desk) == ["alice"]

    code, summary, lines = run(desk, "--budget", "0.25", command=("resume", "last"))
    assert (code, summary["booked_usd"]) == (0, 0.150375)
    assert [line["step"] for line in lines if line["type"] == "step_begun"] == ["b", "c"]
    assert desk.states() == ["committed", "denied", "committed", "committed"]
    assert desk.spent() == answer_cost() * 3
    assert kinds(desk) == ["pipelines.begin", "pipelines.end", "pipelines.resume", "pipelines.end"]


def test_a_steps_own_budget_holds_for_that_step(desk: Desk) -> None:
    desk.agent()
    write(
        desk,
        HEAD
        + "pipeline:\n  - {id: a, prompt: a}\n  - {id: b, prompt: b, budget: 0.05, on_error: continue}\n  - {id: c, prompt: c}\n",
    )
    _, _, lines = run(desk)
    booked = {line["step"]: line.get("booked") for line in lines if line["type"] == "step_ended"}
    assert booked["a"] == answer_cost() * 10**9
    assert not booked["b"]
    denied = next(execution for execution in desk.executions() if execution["state"] == "denied")
    assert denied["agent"].endswith(".s1")
    assert agents(desk) == ["alice"]


def test_what_child_runs_cost_is_part_of_their_callers(desk: Desk) -> None:
    desk.agent()
    write(desk, HEAD + "budget: 2\npipeline:\n  - {id: a, prompt: a}\n  - {id: call, pipeline: ./child.yaml}\n")
    write(desk, HEAD + "budget: 1\npipeline:\n  - {id: x, prompt: x}\n  - {id: y, prompt: y}\n", "child.yaml")
    code, summary, lines = run(desk)
    assert code == 0
    executions = desk.executions()
    assert len({execution["labels"]["run"] for execution in executions}) == 2
    assert len({execution["agent"] for execution in executions}) == 2
    assert Decimal(str(summary["booked_usd"])) == desk.spent() == answer_cost() * 3
    [call] = [line for line in lines if line["type"] == "step_ended" and line["step"] == "call"]
    assert call["booked"] == answer_cost() * 2 * 10**9


def test_what_a_killed_run_leaves_is_swept_by_the_next_and_nothing_is_paid_twice(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    write(desk, THREE)
    model.hold.clear()
    with subprocess.Popen(
        [AEXL, "pipeline", "run", "--budget", "2", "--quiet"], env=desk.environ, cwd=desk.work,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        wait_until(lambda: bool(model.requests))
        process.send_signal(signal.SIGKILL)
    model.hold.set()
    killed = json.loads(desk.run("pipeline", "runs", "--json", cwd=desk.work).stdout)[0]["run"]
    assert agents(desk) == ["alice", f"alice:run-{killed}"]

    assert run(desk)[0] == 0
    assert agents(desk) == ["alice"]
    spent = desk.spent()
    code, summary, _ = run(desk, command=("resume", killed))
    assert code == 0
    own = [execution for execution in desk.executions() if execution["labels"]["run"] == killed]
    assert Decimal(str(summary["booked_usd"])) == sum(Decimal(execution["cost_usd"]) for execution in own)
    assert desk.spent() == spent + answer_cost() * 3
    assert agents(desk) == ["alice"]


def test_programs_of_a_governed_run_have_a_token_and_no_key_of_the_machine(desk: Desk) -> None:
    desk.agent()
    write(desk, HEAD + 'pipeline:\n  - {id: look, context: {shell: "env | tee seen.txt"}}\n')
    _, _, lines = run(desk)
    seen = (desk.work / "seen.txt").read_text()
    assert "AEXL_TOKEN=aexl_" in seen
    assert not [value for value in KEYS.values() if value in seen]
    assert "aexl_" not in json.dumps(lines), "a token is masked wherever it turns up"


def test_without_a_server_the_ledger_hears_of_runs_gates_and_undos(desk: Desk) -> None:
    desk.stop()
    write(
        desk,
        'version: "1"\npipeline:\n  - {id: make, context: {shell: "echo 1 > made"}}\n  - {id: look, action: pause_for_human}\n',
    )
    code, _, lines = run(desk, "--on-gate", "approve")
    assert (code, lines[0]["agent"]) in {(0, ""), (0, None)}
    desk.run("pipeline", "undo", "last", cwd=desk.work)
    assert not (desk.work / "made").exists()
    assert kinds(desk) == ["pipelines.begin", "pipelines.gate", "pipelines.end", "pipelines.undo"]
    desk.run("ledger", "verify")


def test_govern_starts_a_server_where_none_runs(desk: Desk) -> None:
    desk.agent()
    desk.stop()
    write(desk, THREE)
    try:
        code, summary, _ = run(desk, "--govern")
        assert (code, summary["booked_usd"]) == (0, 0.150375)
    finally:
        desk.run("daemon", "stop")


def test_a_connection_that_nobody_accepts_ends_its_step_in_the_time_that_its_provider_has(desk: Desk) -> None:
    desk.agent()
    with socket.socket() as silent, socket.socket() as first, socket.socket() as second:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for fill in (first, second):  # a full backlog: further connects get no answer
            fill.setblocking(False)
            fill.connect_ex(silent.getsockname())
        own = f"{{base_url: http://127.0.0.1:{silent.getsockname()[1]}/v1, connect_timeout_seconds: 1.5}}"
        write(desk, HEAD + f"pipeline:\n  - {{id: a, prompt: a}}\n  - {{id: b, prompt: b, provider: {own}}}\n")
        code, summary, lines = run(desk, "--budget", "1")
    ended = {line["step"]: line for line in lines if line["type"] == "step_ended"}
    assert (code, ended["a"]["status"], ended["b"]["status"]) == (1, "completed", "failed")
    assert "could not be reached" in ended["b"]["error"]["message"]
    assert 1.5 <= ended["b"]["duration"] < 5  # and not the ten seconds that count where nothing is said
    assert Decimal(str(summary["booked_usd"])) == answer_cost()


def test_without_governing_the_machines_own_login_is_used(desk: Desk) -> None:
    desk.agent()
    write(desk, 'version: "1"\npipeline:\n  - {id: look, context: {shell: "env"}}\n')
    _, summary, lines = run(desk, "--no-govern")
    assert summary["booked_usd"] is None
    [look] = [line for line in lines if line["type"] == "step_ended"]
    assert KEYS["OPENAI_API_KEY"] in look["stdout"]
