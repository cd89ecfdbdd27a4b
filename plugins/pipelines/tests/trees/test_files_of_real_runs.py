"""The installed program: what runs change in files, what they are undone to, and what they propose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

AEXL = Path(sys.executable).with_name("aexl")

BREAK = """\
pipeline:
  - id: look
    context: {shell: 'true'}
  - id: break
    prompt: Fix it.
    runner: stub
  - id: clean
    context: {shell: 'rm tool; chmod 755 README; mkdir -p deep/er; echo junk > deep/er/junk'}
  - id: told
    if: if_code_changed
    context: {shell: 'printf "%s\\n" {{ step.break.files_changed | quote }} {{ step.break.diff | quote }}'}
  - id: untouched
    if: step.look.files_changed is not empty
    context: {shell: 'exit 7'}
"""

BRANCHES = """\
pipeline:
  - id: one
    async: true
    context: {shell: 'echo one > one.txt; echo 1 >> README'}
  - id: two
    async: true
    context: {shell: 'echo two > two.txt; echo 2 >> notes; rm tool'}
  - id: all
    depends_on: [one, two]
    action: join
"""

PROPOSE = """\
# The house's own.
pipeline:
  - id: think
    prompt: Improve yourself.  # in one sentence
    runner: stub
  - id: audit
    required: true
    context: {shell: 'true'}
  - id: change
    action: propose_pipeline_change
"""


@pytest.fixture
def program(home, project, tmp_path):
    def run_it(*arguments, ok=0):
        done = subprocess.run(
            [AEXL, *arguments],
            cwd=project,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AEXL_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == ok, f"{done.stdout}{done.stderr}"
        return done

    return run_it


def configure(home, **options):
    """Tell the stub what to do; the values are TOML."""
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    (home / "aexl.toml").write_text(f"[runners.stub]\n{lines}")


def test_an_agent_that_broke_the_tree_is_undone_to_the_byte(program, project, home, contents):
    configure(home, files='{ "src/app.py" = "broken", "new/file" = "x" }')
    (project / ".aexl.yaml").write_text(BREAK)
    first = contents(project)
    program("pipeline", "run", "--headless")
    assert contents(project) != first
    records = [json.loads(line) for line in program("pipeline", "log", "last", "--json").stdout.splitlines()]
    told = next(each for each in records if each.get("type") == "step_ended" and each["step"] == "told")
    assert told["stdout"].startswith('["new/file", "src/app.py"]') or "new/file" in told["stdout"]
    assert "+broken" in told["stdout"]
    names = program("pipeline", "diff", "last", "--name-only").stdout.split()
    assert names == ["README", "deep/er/junk", "new/file", "src/app.py", "tool"]
    assert program("pipeline", "diff", "last/break", "--name-only").stdout.split() == ["new/file", "src/app.py"]
    assert program("pipeline", "diff", "last/look", "--exit-code").stdout == ""
    (project / "src" / "app.py").write_text("mine")
    assert "src/app.py" in program("pipeline", "undo", "last", ok=5).stderr
    (project / "src" / "app.py").write_text("broken")
    program("pipeline", "undo", "last/clean")
    assert (project / "new" / "file").exists()
    assert (project / "tool").exists()
    program("pipeline", "undo", "last", "--force")
    assert contents(project) == first


def test_branches_that_write_become_their_union_and_leave_no_copies(program, project, home):
    (project / "branches.yaml").write_text(BRANCHES)
    program("pipeline", "run", "-p", "branches.yaml", "--headless")
    assert (project / "README").read_text() == "hello\n1\n"
    assert [(project / name).exists() for name in ("one.txt", "two.txt", "notes", "tool")] == [True, True, True, False]
    assert list(home.glob("runs/*/copies/*")) == []


@pytest.mark.parametrize(("answer", "code", "text"), [("approve", 0, "hello\n1\n"), ("reject", 5, "hello\n1\n")])
def test_branches_in_conflict_ask(program, project, home, answer, code, text):
    (project / "branches.yaml").write_text(BRANCHES.replace(">> notes", ">> README; sleep 0.5"))
    program("pipeline", "run", "-p", "branches.yaml", "--headless", "--on-gate", answer, ok=code)
    assert (project / "README").read_text() == text
    assert (project / "two.txt").exists() == (answer == "approve")
    shown = program("pipeline", "diff", "last/two").stdout
    assert "+2" in shown


def propose(home, project, old, new):
    patch = f"--- a/own.yaml\\n+++ b/own.yaml\\n@@ @@\\n-{old}\\n+{new}\\n"
    configure(home, answer=f'"```diff\\n{patch}```"')
    (project / "own.yaml").write_text(PROPOSE)


def test_a_run_may_change_its_own_pipeline_only_when_it_is_told_so(program, project, home):
    propose(
        home, project, "    prompt: Improve yourself.  # in one sentence", "    prompt: Improve.  # in one sentence"
    )
    for arguments, code in (((), 5), (("--on-gate", "fail"), 5), (("--on-gate", "reject"), 5)):
        done = program("pipeline", "run", "-p", "own.yaml", "--headless", *arguments, ok=code)
        assert (project / "own.yaml").read_text() == PROPOSE, done.stderr
    program("pipeline", "run", "-p", "own.yaml", "--headless", "--on-gate", "approve")
    assert (project / "own.yaml").read_text() == PROPOSE.replace("Improve yourself.", "Improve.")
    records = [json.loads(line) for line in program("pipeline", "log", "last", "--json").stdout.splitlines()]
    [proposed] = [each for each in records if each.get("type") == "proposed"]
    assert (proposed["applied"], "+    prompt: Improve." in proposed["patch"]) == (True, True)


def test_what_a_proposal_weakens_stands_in_the_question(program, project, home):
    propose(home, project, "    required: true", "    timeout: 5")
    done = program("pipeline", "run", "-p", "own.yaml", "--headless", "--on-gate", "reject", ok=5)
    assert (project / "own.yaml").read_text() == PROPOSE
    log = program("pipeline", "log", "last", "--json").stdout
    gate = next(json.loads(line)["gate"] for line in log.splitlines() if json.loads(line).get("type") == "gate_opened")
    assert "The step 'audit' is no longer required." in gate["content"].split("---")[0]
    assert "no longer required" in gate["text"], done.stderr
