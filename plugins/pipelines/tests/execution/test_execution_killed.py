"""A real process, killed at its journal's writes: what has ended is not run again, and the run completes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from aexl_pipelines.journal.folders import read_records
from aexl_pipelines.journal.records import StepEnded

DRIVER = Path(__file__).with_name("driver.py")
PIPELINE = """
pipeline:
  - {id: first, context: {shell: "echo first >> ran"}}
  - id: second
    context: {shell: "echo second >> ran; echo yes"}
    before: [{context: {shell: "echo before >> ran"}}]
    then: [{context: {shell: "echo then >> ran"}}]
    on_result: [{contains: "yes", action: "pipeline: named", prompt: "{{ step.second.stdout }}"}]
  - {id: gate, action: pause_for_human}
  - id: loop
    do_while:
      max_iterations: 4
      exit_if: do_while.iteration == 2
      steps:
        - {id: turn, context: {shell: "echo turn$N >> ran"}, env: {N: "{{ do_while.iteration }}"}}
        - {id: odd, if: do_while.iteration == 1, context: {shell: "echo odd >> ran"}}
  - {id: left, async: true, context: {shell: "echo left >> ran; echo L"}}
  - {id: right, async: true, context: {shell: "echo right >> ran; echo R"}, depends_on: [left]}
  - {id: both, action: join, depends_on: [left, right]}
  - id: each
    for_each: {over: [a, b], parallel: 2, steps: [{id: item, context: {shell: "echo item$I >> ran"}, env: {I: "{{ for_each.item }}"}}]}
  - {id: skipped, condition: never, prompt: x}
  - {id: last, prompt: "{{ step.both.response }} {{ step.loop.index }}", then: [{context: {shell: "echo end >> ran"}}]}
pipelines:
  named: [{id: inner, context: {shell: "echo inner >> ran"}}, {id: more, prompt: x}]
"""
NAMES = [
    "first",
    "before",
    "second",
    "inner",
    "then",
    "turn0",
    "turn1",
    "odd",
    "turn2",
    "left",
    "right",
    "itema",
    "itemb",
    "end",
]
RECORDS = 62
"""At least as many as the run writes, its child's included."""


def drive(home: Path, project: Path, kill_after: int | None) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, str(DRIVER), str(home), str(project), "run", *([str(kill_after)] if kill_after else [])]
    return subprocess.run(words, capture_output=True, timeout=60, check=False)


def finished(home: Path) -> set[str]:
    """Return what the journals say has ended, by the name that its step writes."""
    found = set()
    for folder in (home / "runs").glob("*"):
        for written in read_records(folder):
            if isinstance(written.record, StepEnded) and written.record.status == "completed":
                line = written.record.prompt or ""
                found |= {word for name in NAMES for word in [name] if f"echo {name} >>" in line}
    return found


def check(tmp_path: Path, kill_after: int) -> bool:
    """Kill a run after a record, go on with it, and hold it to the promise; return whether it lived so long."""
    home, project = tmp_path / f"home{kill_after}", tmp_path / f"project{kill_after}"
    project.mkdir()
    (project / ".aexl.yaml").write_text(PIPELINE)
    killed = drive(home, project, kill_after)
    if killed.returncode == 0:
        return False
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    ended = finished(home)
    done = drive(home, project, None)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().startswith("completed stub response")
    runs = Counter((project / "ran").read_text().split())
    assert set(runs) == set(NAMES), f"killed after {kill_after}"
    again = {name for name in ended if runs[name] != 1}
    assert not again, f"killed after {kill_after}: {again} had ended and ran again"
    assert all(runs[name] <= 2 for name in NAMES)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", [1, 12, 33])
def test_a_run_that_is_killed_goes_on_behind_what_has_ended(tmp_path, kill_after):
    assert check(tmp_path, kill_after)


@pytest.mark.long
def test_a_run_that_is_killed_at_any_record_goes_on_behind_what_has_ended(tmp_path):
    lived = [check(tmp_path, kill_after) for kill_after in range(1, RECORDS + 1)]
    assert sum(lived) > 40
    assert not lived[-1], "the run has more records than were tried"
