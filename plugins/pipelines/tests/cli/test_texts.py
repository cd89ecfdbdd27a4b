"""What is not UTF-8 is refused in a sentence, or replaced where nobody can be told; a run never breaks off at it."""

from __future__ import annotations

import io
import os
import sys

import pytest

from aexl.errors import Invalid
from aexl_pipelines.cli.reading import is_person, read_text

STUB = ("--runner", "stub", "-q")


@pytest.mark.parametrize(
    "arguments",
    [("run", "caf\udce9"), ("run", "x", "--input", "i=\udce9"), ("approve", "k7f3", "--reason", "\udcff")],
)
def test_an_argument_that_is_no_text_is_wrong_usage(run, arguments):
    done = run(*arguments)
    assert (done.code, "is not UTF-8" in done.err) == (2, True)


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_an_input_that_is_no_text_is_refused_however_python_reads_it(errors):
    given = io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8", errors=errors)
    with pytest.raises(Invalid, match="the prompt is not UTF-8"):
        read_text(given.read, "the prompt")


def test_values_that_are_no_text_are_replaced(run, folder, monkeypatch):
    monkeypatch.setenv("WORD", "caf\udce9")
    (folder / "said").write_text(r'{"a": "x\ud83d", "l": ["\udc00"]}')
    (folder / ".aexl.yaml").write_text(
        """
secrets: {KEY: {env: WORD}}
pipeline:
  - {id: a, context: {shell: cat said}}
  - {id: b, context: {shell: "echo {{ step.a.a | quote }} {{ env.WORD | quote }} >> seen"}}
  - id: c
    for_each: {over: "{{ step.a.l }}", steps: [{id: s, context: {shell: "echo {{ for_each.item | quote }} >> seen"}}]}
"""
    )
    done = run("run", *STUB)
    assert (done.code, done.err) == (0, "")
    assert (folder / "seen").read_text() == "x\ufffd caf\ufffd\n\ufffd\n"


def test_a_folder_whose_name_is_no_text_has_no_runs(run, folder, tmp_path, monkeypatch):
    odd = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(odd)  # noqa: PTH102 - of bytes, no path can be made
    monkeypatch.chdir(os.fsdecode(odd))
    done = run("run", "x", *STUB)
    assert (done.code, "is not UTF-8" in done.err) == (2, True)
    assert "There are no runs here." in run("runs").out


def test_nobody_can_be_asked_where_standard_input_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert not is_person()
