"""The folders of cases: copies of what a case names, and tapes of what agents said and changed."""

from __future__ import annotations

import json

import pytest

from aexl.errors import Invalid
from aexl_pipelines.cases import scratch
from aexl_pipelines.cases.loading import Overrides
from aexl_pipelines.execution.ports import KnownAgents

ANSWER = "pipeline: [{id: invocation, prompt: '{{ step.invocation.prompt }}'}]"


async def test_the_real_folder_is_copied_and_stays_as_it_is(attempt, project):
    fixture = project / "fixture"
    (fixture / "sub").mkdir(parents=True)
    (fixture / "run.sh").write_text("#!/bin/sh\necho ran > sub/out.txt\nrm gone.txt\n")
    (fixture / "run.sh").chmod(0o755)
    (fixture / "gone.txt").write_text("x")
    (fixture / ".git").mkdir()
    (fixture / ".git/config").write_text("x")
    (fixture / "out").symlink_to("/etc/passwd")
    [verdict] = await attempt(
        "pipeline: [{id: program, context: {shell: ./run.sh}}]",
        """
        cases:
          - name: a
            folder: ./fixture
            files: {more.txt: more}
            expect:
              steps: {program: {exit_code: 0}}
              files: {sub/out.txt: {starts_with: ran}, gone.txt: absent, more.txt: unchanged, out: absent, .git/config: absent}
              changed: [sub/out.txt, gone.txt]
        """,
    )
    assert verdict.result == "passed", verdict.failures
    assert (fixture / "gone.txt").exists()
    assert not (fixture / "sub/out.txt").exists()


async def test_a_run_leaves_nothing_in_the_persons_home_and_no_snapshot(attempt, host, tmp_path):
    await attempt(ANSWER, "cases: [{name: a, prompt: x}]")
    assert list(host.data_dir.iterdir()) == []
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_a_scratch_folder_is_kept_where_that_is_said(attempt, tmp_path):
    [verdict] = await attempt(ANSWER, "cases: [{name: a, prompt: x, files: {a.txt: b}}]", keep=True)
    assert (tmp_path / "scratch/0000/work/a.txt").read_text() == "b"
    assert list((tmp_path / "scratch/0000/home/runs").iterdir())
    assert verdict.kept == str(tmp_path / "scratch/0000")


AGENT = """
    defaults: {runner: exec, provider: {model: m}}
    pipeline:
      - {id: invocation, prompt: "{{ step.invocation.prompt }}"}
"""


async def test_a_tape_has_what_was_said_and_which_files_changed(attempt, host, project, tmp_path):
    program = tmp_path / "agent"
    program.write_text(
        "#!/bin/sh\ncat > /dev/null\necho said > made.txt\nrm -f old.txt\nprintf '\\377' > raw.bin\necho hello\n"
    )
    program.chmod(0o755)
    cases = """
        cases:
          - name: a
            prompt: Do it
            files: {old.txt: x}
            tape: ./tapes/a
            expect: {contains: hello, files: {made.txt: {contains: said}, old.txt: absent, raw.bin: exists}}
    """

    class Agents:
        """The host's, with a program for ``exec``."""

        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def options(self, name):
            return {"command": [str(program)]} if name == "exec" else {}

    agents = Agents(KnownAgents(host.runners()))
    [missing] = await attempt(AGENT, cases)
    assert "there is no recording" in missing.failures[0].found
    [recorded] = await attempt(AGENT, cases, agents=agents, overrides=Overrides(record=True))
    assert (recorded.result, recorded.runner) == ("passed", "declared"), recorded.failures
    tapes = sorted(path.name.partition(".")[2] for path in (project / "tapes/a").iterdir())
    assert tapes == ["files.json", "jsonl"]
    program.unlink()
    [replayed] = await attempt(AGENT, cases, agents=agents)
    assert replayed.result == "passed", replayed.failures
    assert replayed.runner == "tape"
    assert [step.runner for step in replayed.steps] == ["exec"]
    [other] = await attempt(AGENT, cases, overrides=Overrides(runners=("stub",)))
    assert other.runner == "stub"


def test_nothing_is_written_outside_of_the_work_folder(tmp_path):
    work = tmp_path / "work"
    scratch.prepare(work, None, {"a/b.txt": "x"})
    (work / "away").symlink_to(tmp_path)
    (work / "link").symlink_to(tmp_path / "target")
    for name in ("away/c.txt", "link"):
        with pytest.raises(Invalid, match="leads out of the work folder"):
            scratch.write(work, name, "x")
    assert scratch.look(work)["away"].startswith("-> ")


def test_a_folder_that_is_too_large_is_not_copied(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    for name in "abc":
        (source / name).write_text("x")
    monkeypatch.setattr(scratch, "MOST_FILES", 3)
    scratch.prepare(tmp_path / "fits", source, {})
    monkeypatch.setattr(scratch, "MOST_FILES", 2)
    with pytest.raises(Invalid, match="name a smaller folder"):
        scratch.prepare(tmp_path / "full", source, {})
    monkeypatch.setattr(scratch, "MOST_FILES", 3)
    monkeypatch.setattr(scratch, "LARGEST_LOOK", 1)
    assert scratch.read_text(tmp_path / "fits", "a") == "x"
    (tmp_path / "fits/a").write_text("xy")
    assert scratch.read_text(tmp_path / "fits", "a") is None
    assert json.dumps(sorted(scratch.look(tmp_path / "fits"))) == '["a", "b", "c"]'
