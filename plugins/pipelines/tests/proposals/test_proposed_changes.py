"""A pipeline file changes only in the way that was shown, whole, and when it is still the one that was looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aexl.errors import Conflict, Invalid, NotFound
from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.proposals.ports import FileProposals

FILE = """\
# The house's pipeline.
version: "1"
secrets:
  token: {env: TOKEN}
budget: {usd: 2}

pipeline:
  # what the person asked
  - id: invocation
    prompt: "{{ step.invocation.prompt }}"
  - id: fix          # at most once
    prompt: Fix it.
    timeout: 60
  - id: audit
    required: true
    prompt: Audit it.
    on_result:
      - contains: VULNERABILITY
        action: abort_pipeline
  - id: look
    action: pause_for_human
    message: Look at it.
"""

PATCH = """\
Here is what I would change:

```diff
--- a/.aexl.yaml
+++ b/.aexl.yaml
@@ -11,3 +11,3 @@
   - id: fix          # at most once
-    prompt: Fix it.
+    prompt: Fix it, and say why.
     timeout: 60
```
"""


@pytest.fixture
def file(tmp_path):
    made = tmp_path / ".aexl.yaml"
    made.write_text(FILE)
    return made


@pytest.fixture
def proposals(tmp_path):
    return FileProposals(DiskFiles(tmp_path, tmp_path))


def changed(old, new):
    assert old in FILE
    return f"```yaml\n{FILE.replace(old, new)}```\n"


async def test_a_patch_is_shown_then_written_and_comments_stay(file, proposals):
    made = await proposals.prepare(file, PATCH)
    assert file.read_text() == FILE
    assert (made.problems, made.weakens) == ((), ())
    assert "-    prompt: Fix it.\n+    prompt: Fix it, and say why.\n" in made.patch
    file.chmod(0o640)
    await proposals.apply(made)
    assert file.read_text() == FILE.replace("Fix it.", "Fix it, and say why.")
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == [file.name]


async def test_a_whole_file_gets_its_comments_back(file, proposals):
    lines = [line.split("  #")[0].rstrip() for line in FILE.splitlines() if not line.strip().startswith("#")]
    answer = "\n".join(lines).replace("Fix it.", "Fix it well.")
    assert "#" not in answer
    made = await proposals.prepare(file, f"```yaml\n{answer}\n```")
    assert made.text == FILE.replace("Fix it.", "Fix it well.")
    assert made.problems == ()


@pytest.mark.parametrize(
    "answer",
    [
        "I would change nothing.",
        "```python\nprint()\n```",
        PATCH + changed("Fix it.", "Fix."),
        changed("Fix it.", "Fix.") + changed("Fix it.", "Mend."),
        f"```yaml\n{FILE}```",
        PATCH.replace("a/.aexl.yaml", "a/src/app.py").replace("b/.aexl.yaml", "b/src/app.py"),
        PATCH.replace("b/.aexl.yaml", "b/../.aexl.yaml"),
        PATCH.replace("+++ b/.aexl.yaml", "+++ /dev/null"),
        PATCH.replace("--- a/", "rename from .aexl.yaml\nrename to x\n--- a/"),
        PATCH.replace("--- a/", "old mode 100644\nnew mode 100755\n--- a/"),
        PATCH.replace("prompt: Fix it.\n", "prompt: Mend it.\n"),
        PATCH + PATCH.replace(".aexl.yaml", "x/.aexl.yaml"),
        PATCH.replace("@@ -11,3 +11,3 @@", ""),
        "```diff\n--- a/.aexl.yaml\n+++ b/.aexl.yaml\n@@ @@\n+new: line\n```",
        "x" * (4 * 1024 * 1024 + 1),
    ],
)
async def test_what_is_no_change_of_this_file_is_refused(file, proposals, answer):
    with pytest.raises(Invalid):
        await proposals.prepare(file, answer)
    assert file.read_text() == FILE


async def test_a_result_that_does_not_load_is_shown_with_places_and_not_written(file, proposals):
    made = await proposals.prepare(file, PATCH.replace("+    prompt: Fix it, and say why.", "+    promt: Fix it."))
    assert any(problem.startswith(".aexl.yaml:12:") and "prompt" in problem for problem in made.problems)
    with pytest.raises(Invalid, match="problems"):
        await proposals.apply(made)
    assert file.read_text() == FILE


async def test_a_file_that_was_edited_since_is_not_overwritten(file, proposals):
    made = await proposals.prepare(file, PATCH)
    file.write_text(FILE + "# mine\n")
    with pytest.raises(Conflict, match="has been changed"):
        await proposals.apply(made)
    assert file.read_text() == FILE + "# mine\n"


async def test_a_write_that_fails_leaves_the_file_and_nothing_beside_it(file, proposals, monkeypatch):
    made = await proposals.prepare(file, PATCH)

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(Exception, match="No space left"):
        await proposals.apply(made)
    assert file.read_text() == FILE
    assert [path.name for path in file.parent.iterdir()] == [file.name]


async def test_a_link_stays_a_link(file, proposals, tmp_path):
    link = tmp_path / "linked.yaml"
    link.symlink_to(file)
    made = await proposals.prepare(link, PATCH.replace(".aexl.yaml", "linked.yaml"))
    await proposals.apply(made)
    assert link.is_symlink()
    assert "say why" in file.read_text()


async def test_a_file_that_is_not_there_or_no_file_is_refused(proposals, tmp_path):
    with pytest.raises(NotFound):
        await proposals.prepare(tmp_path / "none.yaml", PATCH)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(Invalid, match="not a file"):
        await proposals.prepare(tmp_path / "pipe.yaml", PATCH)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
async def test_line_ends_and_marks_of_other_systems_stay(file, proposals, mark):
    dos = mark + FILE.replace("\n", "\r\n")
    file.write_bytes(dos.encode())
    for answer in (PATCH, changed("Fix it.", "Fix it, and say why.")):
        made = await proposals.prepare(file, answer)
        assert made.problems == ()
        assert made.text == dos.replace("Fix it.", "Fix it, and say why.")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    required: true\n", "", "no longer required"),
        ("    required: true\n", "    required: true\n    disabled: true\n", "disables the required step 'audit'"),
        ("Audit it.", "Say OK.", "changes the required step 'audit': body"),
        ("    required: true\n", "    required: true\n    if: never\n", "changes the required step 'audit': if"),
        ("  - id: audit\n", "  - id: other\n", "removes the required step 'audit'"),
        ("  token: {env: TOKEN}\n", "  other: {env: TOKEN}\n", "secret 'token' is no longer declared"),
        ("{env: TOKEN}", "{env: HOME}", "secret 'token' comes from elsewhere"),
        ("Fix it.", "Fix it with {{ secrets.token }}", "'fix' now uses the secret 'token'"),
        ("usd: 2", "usd: 3", "usd from 2 to 3"),
        ("budget: {usd: 2}\n", "", "usd from 2 to no limit"),
        ("    timeout: 60\n", "", "timeout of the step 'fix' is raised"),
        ("    action: pause_for_human\n    message: Look at it.\n", "    prompt: Go on.\n", "becomes something else"),
        ("  - id: look\n    action: pause_for_human\n    message: Look at it.\n", "", "removes the gate 'look'"),
        ("    message: Look at it.\n", "    message: Look at it.\n    if: never\n", "changes the gate 'look': if"),
        ("        action: abort_pipeline\n", "        action: continue\n", "no longer leads to abort_pipeline"),
        ("    timeout: 60\n", "    timeout: 60\n    on_result: [{contains: x, action: break}]\n", "leads to break"),
    ],
)
async def test_what_weakens_the_guards_is_said_first(file, proposals, old, new, said):
    made = await proposals.prepare(file, changed(old, new))
    assert made.problems == ()
    assert any(said in each for each in made.weakens), made.weakens
    first = made.patch.splitlines()
    assert first[0] == "# This change weakens what guards the pipeline:"
    assert first[1 : 1 + len(made.weakens)] == [f"# - {each}" for each in made.weakens]
    await proposals.apply(made)
    assert file.read_text() == FILE.replace(old, new)


async def test_moving_a_gate_behind_what_it_guards_is_said(file, proposals):
    gate = "  - id: look\n    action: pause_for_human\n    message: Look at it.\n"
    file.write_text(FILE.replace(gate, "").replace("  - id: fix ", gate + "  - id: fix "))
    made = await proposals.prepare(file, f"```yaml\n{FILE}```")
    assert any("'look' now comes after 'fix'" in each for each in made.weakens), made.weakens


@pytest.mark.parametrize(
    ("old", "new"),
    [("usd: 2", "usd: 1"), ("timeout: 60", "timeout: 30"), ("Fix it.", "Fix it now."), ("# at most once", "# once")],
)
async def test_what_takes_nothing_away_is_not_complained_of(file, proposals, old, new):
    assert (await proposals.prepare(file, changed(old, new))).weakens == ()


async def test_a_guard_of_a_base_counts_too(file, proposals, tmp_path):
    heir = tmp_path / "heir.yaml"
    heir.write_text("FROM: ./.aexl.yaml\npipeline:\n  - id: more\n    prompt: More.\n")
    made = await proposals.prepare(heir, "```yaml\npipeline:\n  - id: more\n    prompt: More.\n```")
    assert any("removes the required step 'audit'" in each for each in made.weakens)
    made = await proposals.prepare(heir, "```yaml\nFROM: ./.aexl.yaml\npipeline:\n  - disable: audit\n```")
    assert any("required" in each for each in made.problems)
