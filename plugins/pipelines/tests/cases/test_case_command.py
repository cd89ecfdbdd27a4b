"""``aexl pipeline test``, as a stranger uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from aexl.testing.session import FakeSession, run_command
from aexl_pipelines.cases.schema import cases_specification
from aexl_pipelines.cli.app import app
from aexl_pipelines.cli.start import read_templates

AEXL = Path(sys.executable).with_name("aexl")
WRONG = Path(__file__).parents[1] / "language" / "files" / "wrong" / "twelve.yaml"

PIPELINE = """
pipeline:
  - {id: invocation, prompt: "{{ step.invocation.prompt }}"}
  - {id: review, prompt: "Review: {{ last_response }}"}
"""
CASES = """
cases:
  - {name: short answers, prompt: Hi, answers: {review: fine}, expect: {contains: fine}}
  - {name: long answers, prompt: Ho, answers: {review: fine too}, expect: {contains: awful}}
"""


@pytest.fixture
def folder(project, monkeypatch):
    (project / ".git").mkdir()
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def run(host, folder):
    return lambda *arguments: run_command(app, FakeSession(host), *arguments)


@pytest.fixture
def written(folder):
    (folder / ".aexl.yaml").write_text(PIPELINE)
    (folder / ".aexl.cases.yaml").write_text(CASES)
    return folder


@pytest.mark.parametrize("template", sorted(read_templates()))
def test_a_template_is_tried_as_soon_as_it_is_written(run, template):
    assert run("init", template).code == 0
    done = run("test")
    assert (done.code, " passed" in done.out) == (0, True), done.out


def test_a_template_is_tried_where_it_was_written(run, folder, monkeypatch):
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")
    assert run("init").code == 0
    assert run("test").code == 0


def test_what_did_not_hold_is_shown_with_exit_code_1(run, written):
    done = run("test")
    assert done.code == 1
    assert ".aexl.cases.yaml:4:76: answer: contains awful\n    found: fine too" in done.out
    assert "1 passed, 1 failed" in done.out
    as_json = run("test", "--json")
    assert (as_json.code, as_json.json()["counts"]["failed"]) == (1, 1)


def test_cases_are_chosen_by_name_and_listed(run, written):
    assert run("test", "-k", "SHORT").code == 0
    assert [row["name"] for row in run("test", "--list", "--json").json()] == ["short answers", "long answers"]
    assert ".aexl.cases.yaml:4" in run("test", "--list", "-k", "long").out
    none = run("test", "-k", "shrt answers")
    assert (none.code, "did you mean 'short answers'?" in none.err) == (2, True)


def test_junit_is_written(run, written):
    assert run("test", "--junit", "out/report.xml").code == 1
    assert ET.parse("out/report.xml").getroot().get("failures") == "1"
    (written / "file").touch()
    assert "cannot be written" in run("test", "--junit", "file/report.xml").err


def test_two_pipelines_are_compared(run, written):
    (written / "other.yaml").write_text(PIPELINE.replace("Review: ", "").replace("id: review", "id: judge"))
    done = run("test", "--compare", "other.yaml", "-k", "short")
    assert done.code == 1
    assert "answer: fine / stub response" in done.out
    assert "step review: completed / not there" in done.out
    same = run("test", "--compare", ".aexl.yaml", "-k", "short")
    assert (same.code, "Nothing differs" in same.out) == (0, True)
    assert run("test", "--compare", "other.yaml", "--json").json()["same"] is False
    assert run("test", "--compare", "absent.yaml").code == 4
    (written / "needy.yaml").write_text(PIPELINE + "inputs: {word: {}}\n")
    assert "'word' is missing" in run("test", "--compare", "needy.yaml").err


def test_what_is_wrong_with_the_words_is_said(run, written):
    assert "there is no runner 'claud'; did you mean 'claude'?" in run("test", "--runner", "claud").err
    assert "--record is for cases that have a 'tape:'" in run("test", "--record").err
    assert "together with" in run("test", "--compare", ".aexl.yaml", "--record").err
    assert run("test", "absent").code == 4
    assert run("test", "--jobs", "65").code == 2


def test_every_problem_of_a_case_file_is_shown_with_exit_code_3(run, written):
    (written / ".aexl.cases.yaml").write_text("cases:\n  - name: a\n    promt: x\n    answers: {reviw: y}\n")
    done = run("test")
    assert done.code == 3
    assert "the cases have 2 problems" in done.err
    assert ".aexl.cases.yaml:3:5: there is no key 'promt' in case; did you mean 'prompt'?" in done.err
    assert ".aexl.cases.yaml:4:15: there is no step 'reviw' in .aexl.yaml; did you mean 'review'?" in done.err


def test_a_matrix_runs_each_combination(run, written):
    done = run("test", "-k", "short", "--runner", "stub", "--model", "a", "--model", "b", "--json").json()
    assert [trial["name"] for trial in done["trials"]] == ["short answers (model=a)", "short answers (model=b)"]


def test_scratch_folders_are_gone_unless_they_are_kept(run, written, tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run("test")
    assert list(tmp_path.glob("aexl-test-*")) == []
    kept = run("test", "--keep")
    assert len(list(tmp_path.glob("aexl-test-*/*/work"))) == 2
    assert "is kept in" in kept.err
    assert "kept in" in kept.out


def test_the_schema_is_printed(run):
    assert run("test", "--schema").out == cases_specification("schema")


def test_case_files_are_no_pipelines(run, folder):
    run("init", "--out", ".aexl/review.yaml")
    assert [entry["name"] for entry in run("list", "--json").json()] == ["review"]
    assert run("test").code == 0
    assert run("init", "--no-cases").code == 0
    assert not (folder / ".aexl.cases.yaml").exists()


def call(tmp_path, *arguments):
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AEXL_HOME": str(tmp_path / "home")}
    return subprocess.run(
        [AEXL, "pipeline", *arguments], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_installed_program_begins_and_tries_a_pipeline(tmp_path):
    assert call(tmp_path, "init", "quality-gates").returncode == 0
    done = call(tmp_path, "test", "--jobs", "2")
    assert (done.returncode, "4 passed" in done.stdout) == (0, True), done.stderr
    assert not (tmp_path / "home" / "runs").exists()


@pytest.mark.slow
def test_a_pipeline_with_twelve_mistakes_gives_twelve_errors_each_with_its_place_and_a_suggestion(tmp_path):
    (tmp_path / ".aexl.yaml").write_text(WRONG.read_text())
    done = call(tmp_path, "validate")
    first, *lines = done.stderr.splitlines()
    assert done.returncode == 3
    assert first == "aexl: the pipeline has 12 problems:"
    assert len(lines) == 12
    for line in lines:
        place, _, rest = line.strip().partition(": ")
        name, row, column = place.split(":")
        assert (name, int(row) > 0, int(column) > 0) == (".aexl.yaml", True, True)
        assert rest.partition("; ")[2], line
    ran = call(tmp_path, "run", "Hi")
    assert (ran.returncode, ran.stderr.count(".aexl.yaml:")) == (3, 12)
