"""The executable as a Python for its own children, and the words and variables that start them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aexl.api import own_environment, own_module, own_program

SHOW = "import sys, sibling\nprint(__name__, sys.argv[1:], sibling.VALUE)\n"


def worker(*words, cwd):
    command = [*own_program(), "__worker__", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_script_is_main_with_its_arguments_and_its_own_folder(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/sibling.py").write_text("VALUE = 7\n")
    (tmp_path / "scripts/show.py").write_text(SHOW)
    ran = worker("scripts/show.py", "--help", "-m", cwd=tmp_path)

    assert (ran.stdout, ran.returncode) == ("__main__ ['--help', '-m'] 7\n", 0)


@pytest.mark.slow
def test_a_module_is_main_and_its_exit_code_comes_back(tmp_path):
    ran = worker("-m", "json.tool", "missing.json", cwd=tmp_path)

    assert ran.returncode == 2
    assert "missing.json" in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("words", "code"), [(["missing.py"], 1), ([], 2), (["-c", "pass"], 2), (["-m"], 2)])
def test_what_cannot_be_run_is_a_sentence(words, code, tmp_path):
    ran = worker(*words, cwd=tmp_path)

    assert ran.returncode == code
    assert ran.stderr.startswith("aexl: ")
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_a_worker_imports_nothing_of_the_command_line(tmp_path):
    (tmp_path / "modules.py").write_text("import sys\nprint({'typer', 'trio', 'aexl.api'} & set(sys.modules))\n")

    assert worker("modules.py", cwd=tmp_path).stdout == "set()\n"


def test_from_the_sources_a_module_runs_in_python(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/theirs")

    assert own_module("a.b") == [sys.executable, "-I", "-m", "a.b"]
    assert own_environment() == {}


def test_frozen_a_module_runs_in_ourselves_with_what_we_have_unpacked(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    environ = {
        "HOME": "/h",
        "_PYI_APPLICATION_HOME_DIR": "/m",
        "LD_LIBRARY_PATH": "/m:/o",
        "LD_LIBRARY_PATH_ORIG": "/o",
    }

    assert own_program() == [sys.executable]
    assert own_module("a.b") == [sys.executable, "__worker__", "-m", "a.b"]
    assert own_environment(environ) == {name: value for name, value in environ.items() if name != "HOME"}
