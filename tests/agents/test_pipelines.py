"""Whole pipelines around the real CLIs: a repository, a server, a model that works, and a ledger that adds up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from agent_model import AgentModel
from alone import CANNOT
from desk import FOLDERS, KEYS, Desk, answer_cost, needs, wait_until
from program import AEXL

pytestmark = pytest.mark.slow

MODELS: Final = {
    "claude": "claude-opus-4-8",
    "codex": "gpt-5.5",
    "gemini": "gpt-5.5",
    "opencode": "gpt-5.5",
    "aider": "gpt-4o-mini",
    "llm": "gpt-4o-mini",
}

SHELLS: Final = {"claude": "Bash", "gemini": "run_shell_command", "opencode": "bash"}
"""What an agent may use without a question; Codex has a sandbox instead, aider edits, and llm only talks."""

MADE: Final = "made by an agent"

PIPELINE: Final = """\
version: "1"
defaults:
  runner: {cli}
  model: {model}
  idle_timeout: 90
{tools}
budget: {{usd: 4, time: 5m}}
pipeline:
  - id: invocation
    prompt: "{{{{ step.invocation.prompt }}}}"
{write}
  - id: test_writer
    if: if_code_changed
    prompt: "Write tests-4712."
  - id: tests
    context: {{shell: "sh run_tests.sh"}}
    on_result:
      - exit_code: any
        action: abort_pipeline
        message: "The tests fail: {{{{ step.tests.result }}}}"
  - id: audit
    skill: ail/security_audit
    on_result:
      - contains: VULNERABILITY
        action: abort_pipeline
      - contains: NO FINDINGS
        action: continue
  - id: ship
    action: pause_for_human
    message: "Ship it?"
    timeout: 2m
"""

ALONE: Final = "AEXL_TEST_ALONE"
"""Set where there is no network but the loopback."""

WRITE: Final = """\
  - id: write
    context: {shell: "printf %s {{ step.invocation.response | quote }} > made.txt"}
"""

EDIT: Final = "I make it.\n\n{file}\n```\n{text}\n```\n"
"""A whole file, as aider wants it of this model."""


class WorkingModel(AgentModel):
    """Does what each step asks for, by whatever the CLI works with.

    Attributes:
        edits: It answers with changes of files (aider), or with the text itself (llm), and uses no tool.
    """

    def __init__(self) -> None:
        self.cli = ""
        super().__init__()

    @property
    def commands(self) -> Sequence[str]:  # type: ignore[override]  # what the base takes as given depends on the step
        if self.cli in {"aider", "llm"}:
            return ()
        name = self._file()
        return (f"printf '{MADE}' > {name}",) if name else ()

    @commands.setter
    def commands(self, value: Sequence[str]) -> None:
        """The base begins with none."""

    @property
    def final(self) -> str:  # type: ignore[override]  # likewise
        name = self._file()
        if name is None:
            return "NO FINDINGS"
        if self.cli == "aider":
            return EDIT.format(file=name, text=MADE)
        return MADE if self.cli == "llm" else "All of it is done."

    @final.setter
    def final(self, value: str) -> None:
        """The base begins with one."""

    def _file(self) -> str | None:
        body = self.requests[-1][3]
        return "test_made.txt" if b"tests-4712" in body else "made.txt" if b"Make-4711" in body else None


@pytest.fixture
def model() -> Iterator[WorkingModel]:
    with WorkingModel() as server:
        yield server


def make_repository(desk: Desk, cli: str) -> None:
    """Make a git repository with tests and a pipeline in it."""
    allowed = f"  tools: {{allow: [{SHELLS[cli]}]}}" if cli in SHELLS else ""
    write = WRITE if cli == "llm" else ""
    text = PIPELINE.format(cli=cli, model=MODELS[cli], tools=allowed, write=write)
    (desk.work / ".aexl.yaml").write_text(text)
    (desk.work / "run_tests.sh").write_text(
        f"grep -q '{MADE}' made.txt && echo 1 passed || {{ echo 1 failed; exit 1; }}\n"
    )
    git(desk, "init", "-q")
    git(desk, "add", "-A")
    git(desk, "-c", "user.name=me", "-c", "user.email=me@example.org", "commit", "-q", "-m", "begin")


def git(desk: Desk, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=desk.work, env=desk.environ, check=True, capture_output=True, text=True)
    return done.stdout


def run_and_approve(desk: Desk) -> tuple[int, list[dict[str, Any]]]:
    """Run the pipeline as a person does who answers its gate elsewhere; return its exit code and all its lines."""
    with subprocess.Popen(
        [AEXL, "pipeline", "run", "Make-4711.", "--json"],
        env=desk.environ, cwd=desk.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        try:
            found: list[dict[str, Any]] = []

            def waits() -> bool:
                found[:] = desk.json("pipeline", "gates")
                return bool(found) or process.poll() is not None

            wait_until(waits, 150)
            if found:
                assert [each["gate"]["text"] for each in found] == ["Ship it?"]
                desk.run("pipeline", "approve", found[0]["gate"]["id"], cwd=desk.work)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert out, err
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def version_of(cli: str) -> str:
    program = shutil.which(cli, path=os.pathsep.join(map(str, FOLDERS)))
    assert program is not None
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()


def check_whole_pipeline(desk: Desk, model: WorkingModel, cli: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the pipeline with a CLI: it completes, the files are there, and the ledger's sum is what the calls cost."""
    desk.agent()
    model.cli = cli
    make_repository(desk, cli)
    code, lines = run_and_approve(desk)
    summary = lines[-1]
    assert (code, summary["status"]) == (0, "completed"), summary

    assert (desk.work / "made.txt").read_text().strip() == MADE
    changed = {"made.txt"} if cli == "llm" else {"made.txt", "test_made.txt"}
    [ended] = [line for line in lines if line["type"] == "run_ended"]
    assert changed <= set(ended["changed"]), ended["changed"]
    assert "made.txt" in git(desk, "status", "--porcelain")

    executions = desk.executions()
    total = sum(Decimal(execution["cost_usd"]) for execution in executions)
    assert {execution["state"] for execution in executions} == {"committed"}
    assert {execution["labels"]["run"] for execution in executions} == {summary["run"]}
    assert total == desk.spent() == answer_cost() * model.answered > 0
    assert Decimal(str(summary["booked_usd"])) == total
    steps = {line["step"]: line for line in lines if line["type"] == "step_ended"}
    for name in ("invocation", "test_writer", "audit"):
        own = [execution for execution in executions if execution["labels"]["step"] == name]
        assert own
        assert steps[name]["booked"] == sum(execution["cost_nanos"] for execution in own)
    assert steps["tests"]["stdout"].strip() == "1 passed"
    assert [agent["name"] for agent in desk.json("agent", "list")] == ["alice"]
    seen = json.dumps(lines)
    assert not [value for value in (*KEYS.values(), desk.environ["UPSTREAM_KEY"]) if value in seen]
    desk.run("ledger", "verify")
    with capsys.disabled():
        sys.stderr.write(f"\n{cli} ({version_of(cli)}): {len(model.paths())} model requests, {total} USD\n")


@needs("claude")
def test_a_pipeline_around_claude(desk: Desk, model: WorkingModel, capsys: pytest.CaptureFixture[str]) -> None:
    check_whole_pipeline(desk, model, "claude", capsys)


@pytest.mark.long
@pytest.mark.parametrize("cli", MODELS)
def test_a_pipeline_around_each_cli(
    request: pytest.FixtureRequest, cli: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(cli, path=os.pathsep.join(map(str, FOLDERS))) is None:
        pytest.fail(f"{cli} is not in build/agents: run make agents")
    if ALONE in os.environ or not _runs_alone(request.node.nodeid, capsys):
        check_whole_pipeline(request.getfixturevalue("desk"), request.getfixturevalue("model"), cli, capsys)


def _runs_alone(test: str, capsys: pytest.CaptureFixture[str]) -> bool:
    """Run this test again where there is only the loopback; return whether that can be."""
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("alone.py"),
         sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", test],
        cwd=Path(__file__).parents[2], env={**os.environ, ALONE: "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == CANNOT:
        return False
    assert done.returncode == 0, done.stdout + done.stderr
    with capsys.disabled():
        sys.stderr.write("".join(line for line in done.stderr.splitlines(keepends=True) if "model requests" in line))
    return True
