"""``aexl pipeline gates|approve|reject|edit``."""

from __future__ import annotations

import pytest

from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession, run_command
from aexl_pipelines.cli.app import app
from aexl_pipelines.gates.files import GateFiles


@pytest.fixture
def run(runs):
    session = FakeSession(FakeHost(data_dir=runs.parent))
    return lambda *arguments: run_command(app, session, *arguments)


@pytest.fixture
def files(runs):
    return GateFiles(runs)


def test_gates_lists_the_open_ones_and_all_if_asked(run, files, make_gate):
    assert "No gate waits" in run("gates").out
    files.open(make_gate())
    files.open(make_gate(id="bbbb", kind="permission", detail={"tool": "Bash"}))
    assert run("approve", "bbbb").code == 0

    assert "Deploy?" in run("gates").out
    assert "bbbb" not in run("gates").out
    assert "approved by cli:" in run("gates", "--all").out
    [listed] = run("gates", "--json").json()
    assert (listed["gate"]["id"], listed["decided"]) == (make_gate().id, None)
    assert {each["gate"]["id"] for each in run("gates", "--all", "--json").json()} == {make_gate().id, "bbbb"}


def test_one_gate_is_shown_whole(run, files, make_gate):
    files.open(make_gate(content="\n".join(f"line {n}" for n in range(100)), editable=True))
    shown = run("gates", make_gate().id[:3])
    assert "line 99" in shown.out
    assert f"aexl pipeline approve, reject or edit {make_gate().id}" in shown.out
    assert run("gates", make_gate().id, "--json").json()["gate"]["editable"] is True


def test_an_answer_says_what_it_did_and_a_second_one_who_was_first(run, files, make_gate):
    files.open(make_gate())
    first = run("reject", make_gate().id[:2], "--reason", "no tests")
    second = run("approve", make_gate().id)

    assert (first.code, "is rejected" in first.out) == (0, True)
    assert (second.code, "rejected by cli:" in second.err, "no tests" in second.err) == (5, True, True)
    assert run("edit", make_gate().id, "--text", "x").code == 5


@pytest.mark.parametrize("words", [(), ("--reason", " \t")])
def test_a_rejection_may_be_without_a_reason_as_over_http(run, files, make_gate, words):
    files.open(make_gate())
    assert run("reject", make_gate().id, *words).code == 0
    verdict = files.find(make_gate().id).decided.verdict
    assert (verdict.choice, verdict.reason) == ("reject", "")


@pytest.mark.parametrize("way", ["text", "file", "editor"])
def test_an_edit_takes_a_text_a_file_or_an_editor(run, files, make_gate, way, tmp_path, monkeypatch):
    files.open(make_gate(editable=True, content="before"))
    text = tmp_path / "text"
    text.write_text("after")
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\ngrep -q before "$1" && cp {text} "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.delenv("VISUAL", raising=False)
    given = {"text": ["--text", "after"], "file": ["--file", str(text)], "editor": []}[way]
    done = run("edit", make_gate().id, *given, "--json")

    assert done.json()["decided"]["verdict"]["text"] == "after"
    assert files.find(make_gate().id).decided.verdict.text == "after"


def test_an_edit_that_cannot_be_leaves_the_gate_open(run, files, make_gate, tmp_path, monkeypatch):
    files.open(make_gate(editable=True))
    files.open(make_gate(id="bbbb"))
    monkeypatch.setenv("EDITOR", "false")
    monkeypatch.delenv("VISUAL", raising=False)
    assert "ended with 1" in run("edit", make_gate().id).err
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert "set EDITOR" in run("edit", make_gate().id).err
    assert run("edit", make_gate().id, "--text", "x", "--file", "y").code == 2
    assert run("edit", make_gate().id, "--file", str(tmp_path / "none")).code == 6
    assert "nothing to edit" in run("edit", "bbbb", "--text", "x").err
    assert all(each.decided is None for each in files.listed())


def test_an_id_that_nobody_has_is_not_found(run):
    assert run("approve", "zzzz").code == 4
