"""The promises of the executable: each written, each tried, by a file that stands alone."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERIFY = ROOT / "dist" / "verify.py"


@pytest.fixture
def verify():
    spec = importlib.util.spec_from_file_location("verify", VERIFY)
    module = importlib.util.module_from_spec(spec)
    sys.modules["verify"] = module  # NamedTuple looks its module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["verify"]


def test_every_promise_of_the_page_is_tried_and_no_other(verify):
    assert verify.compare_with_page() == []
    assert len(verify.PROMISES) >= 20
    assert sorted(verify.PROMISES) == [f"EXE-{number:02}" for number in range(1, len(verify.PROMISES) + 1)]


def test_an_id_without_a_check_and_a_check_without_an_id_fail(verify, tmp_path, monkeypatch, capsys):
    page = tmp_path / "executable.md"
    text = verify.PAGE.read_text()
    page.write_text(text.replace("| `EXE-01` |", "| `EXE-99` |").replace("prove", "improve"))
    monkeypatch.setattr(verify, "PAGE", page)

    assert verify.main(["--list"]) == 1
    said = capsys.readouterr().out
    assert "FAIL EXE-99 stands in executable.md and has no check" in said
    assert "FAIL EXE-01 is checked and does not stand in executable.md" in said
    assert "FAIL EXE-07 reads otherwise in executable.md" in said


def test_a_copy_stands_alone(tmp_path):
    copy = tmp_path / "copied.py"
    copy.write_bytes(VERIFY.read_bytes())
    ran = subprocess.run(
        [sys.executable, "-I", copy, "--list"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("EXE-01 ")


def test_it_needs_the_standard_library_alone():
    tree = ast.parse(VERIFY.read_text(), feature_version=(3, 9))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.fixture
def program(tmp_path):
    def make(text: str) -> Path:
        path = tmp_path / "aexl"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("exit 1", "ended with 1"),
        ("echo hello", r"is not in 'hello'"),
        ("echo aexl 1.2.3; echo Traceback >&2", "Traceback"),
    ],
)
def test_a_broken_promise_is_named_and_counted(verify, program, capsys, text, fault):
    assert verify.main([str(program(text)), "--only", "EXE-01"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("FAIL EXE-01 ")
    assert fault in said
    assert "(script): 1 promises, 1 broken" in said


def test_a_kept_promise_is_ok_and_what_others_promise_is_skipped(verify, program, capsys):
    path = program("echo aexl 1.2.3; echo ${LD_PRELOAD-} ${AEXL_HOME-} ${PYTHONPATH-} >&2")
    assert verify.main([str(path), "--only", "EXE-01", "--only", "EXE-11"]) == 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith("ok   EXE-01 ")
    assert second.startswith("skip EXE-11 ")
    assert "[only onefile and onedir promise this]" in second


def test_the_world_of_the_program_is_empty(verify, program, tmp_path, monkeypatch):
    monkeypatch.setenv("AEXL_HOME", "/mine")
    trial = verify.Trial(program('env; pwd; ls -A "$HOME" .'), None)
    try:
        said = trial.run().stdout
    finally:
        trial.close()
    assert "/mine" not in said
    assert str(ROOT) not in said
    assert not trial.folder.exists()


def test_shapes_are_told_apart(verify, program, tmp_path):
    assert verify.shape_of(program("")) == "script"
    (tmp_path / "aexl").write_bytes(b"\x7fELF")
    assert verify.shape_of(tmp_path / "aexl") == "onefile"
    (tmp_path / "_internal").mkdir()
    assert verify.shape_of(tmp_path / "aexl") == "onedir"


@pytest.mark.parametrize("tag", ["py3-none-any", "cp39-cp39-manylinux_2_17_x86_64"])
def test_the_wheels_it_makes_are_complete(verify, tmp_path, tag):
    from installer.sources import WheelFile

    with WheelFile.open(verify.make_wheel(tmp_path, "sometimes", tag=tag)) as wheel:
        wheel.validate_record()


@pytest.mark.long
def test_an_aexl_installed_with_pip_keeps_the_promises_that_are_its_own():
    aexl = Path(sys.executable).parent / "aexl"
    ran = subprocess.run([sys.executable, VERIFY, aexl], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
