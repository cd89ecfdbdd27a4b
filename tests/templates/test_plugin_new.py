"""``aexl plugin new``, and the two commands that its makefile uses."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from aexl.core.cli.plugin_new import Kinds, new, quote_for_make, write_project
from aexl.core.cli.plugin_project import ProjectTestsFailed, build_wheel, run_tests
from aexl.errors import Conflict, Invalid, NotFound, Unavailable
from aexl.templates.filling import KINDS


def test_the_kinds_of_the_command_are_those_of_the_templates():
    assert tuple(Kinds) == KINDS


def test_a_project_is_made_once(tmp_path, capsys):
    new("hello", Kinds.PROVIDER, tmp_path / "below" / "this")
    folder = tmp_path / "below" / "this" / "hello"
    assert "make test" in capsys.readouterr().out
    assert (folder.stat().st_mode & 0o777) == 0o755
    assert [path.name for path in folder.parent.iterdir()] == ["hello"]
    with pytest.raises(Conflict, match="exists already"):
        new("hello", Kinds.PAGE, folder.parent)


def test_the_name_of_a_built_in_plugin_is_refused(tmp_path):
    with pytest.raises(Conflict, match="a plugin 'echo' of its own"):
        new("echo", Kinds.PROVIDER, tmp_path)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be made"):
        write_project(tmp_path / "file" / "hello", {})
    with pytest.raises(Unavailable, match="cannot be made"):
        write_project(tmp_path / "hello", {"a": "", "a/b": ""})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_make_calls_any_path_as_it_is(tmp_path):
    program = tmp_path / "it's $HOME #1"
    program.write_text("#!/bin/sh\necho called $1\n")
    program.chmod(0o755)
    (tmp_path / "Makefile").write_text(f"AEXL ?= {quote_for_make([str(program)])}\nall:\n\t@$(AEXL) so\n")
    environ = {"PATH": os.environ["PATH"]}
    ran = subprocess.run(["make", "-s"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert ran.stdout == "called so\n", ran.stderr


@pytest.fixture
def project(tmp_path):
    new("hello", Kinds.ADMISSION, tmp_path)
    return tmp_path / "hello"


@pytest.mark.slow
def test_a_wheel_is_built_in_the_projects_dist(project, capsys):
    build_wheel(project, None)
    [wheel] = (project / "dist").iterdir()
    assert wheel.name == "aexl_hello-0.1.0-py3-none-any.whl"
    assert str(wheel) in capsys.readouterr().out


def test_a_wheel_that_cannot_be_built_is_a_sentence(project):
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('version = "0.1.0"', 'version = "?"'))
    with pytest.raises(Invalid, match=r"the wheel cannot be built: .*version"):
        build_wheel(project, None)


def test_a_backend_that_aexl_has_not_is_named(project):
    (project / "pyproject.toml").write_text('[build-system]\nbuild-backend = "no_such_backend"\n')
    with pytest.raises(Unavailable, match=r"built by no_such_backend, .* 'python -m build --wheel'"):
        build_wheel(project, None)


@pytest.mark.parametrize("command", [lambda folder: build_wheel(folder, None), lambda folder: run_tests(None, folder)])
def test_a_folder_without_a_project_is_named(tmp_path, command):
    with pytest.raises(NotFound, match=r"pyproject\.toml does not exist"):
        command(tmp_path)
    (tmp_path / "pyproject.toml").write_text("?")
    with pytest.raises(Invalid, match="is not TOML"):
        command(tmp_path)


def in_a_process(project, *arguments):
    script = (
        "import sys; from pathlib import Path; from aexl.core.cli.plugin_project import run_tests\n"
        "run_tests(sys.argv[2:], Path(sys.argv[1]))"
    )
    command = [sys.executable, "-P", "-c", script, str(project), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_projects_tests_run_in_the_process_of_aexl(project):
    ran = in_a_process(project, "-q", "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


@pytest.mark.slow
def test_a_test_that_fails_is_an_error_of_the_command(project):
    (project / "tests" / "test_gate.py").write_text("def test_it():\n    assert 1 == 2\n")
    ran = in_a_process(project, "-q", "-p", "no:cacheprovider")
    assert f"{ProjectTestsFailed.__name__}: the tests of hello did not pass" in ran.stderr
    assert "1 failed" in ran.stdout
