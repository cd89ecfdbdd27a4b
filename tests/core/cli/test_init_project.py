"""``aexl init --project``: a project that works, made without touching what is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AEXL = Path(sys.executable).with_name("aexl")

pytestmark = pytest.mark.slow


@pytest.fixture
def aexl(home, tmp_path):
    def run(*words, at=tmp_path):
        environ = {"PATH": os.environ["PATH"], "AEXL_HOME": str(home), "HOME": str(tmp_path)}
        return subprocess.run([AEXL, *words], cwd=at, env=environ, capture_output=True, text=True, check=False)

    return run


def test_a_project_is_begun_and_its_test_runs(aexl, tmp_path):
    made = aexl("init", "--project", "my shop")
    root = tmp_path / "my shop"
    ran = json.loads(aexl("runtime", "execute", ".", "--handler", "test_handlers.run", at=root).stdout)
    described = json.loads(aexl("runtime", "describe", ".", at=root).stdout)["result"]
    status = json.loads(aexl("snapshot", "status", "--json", at=root).stdout)

    assert made.returncode == 0, made.stderr
    assert "cd 'my shop'" in made.stdout
    assert ran["result"] == {"tests": 3}
    assert [handler["kind"] for handler in described["handlers"]] == ["tool", "flow", "http"]
    assert [status["unstaged"], status["untracked"]] == [[], []], status
    listed = json.loads(aexl("snapshot", "ls", "--json", at=root).stdout)
    assert {each["path"] for each in listed} == {".aexlignore", "aexl.toml", "entry_point.py", "test_handlers.py"}


def test_nothing_that_is_there_is_overwritten(aexl, tmp_path):
    (tmp_path / "entry_point.py").write_text("mine = 1\n")
    (tmp_path / "notes.txt").write_text("mine")
    first = aexl("init", "--project")
    again = aexl("init", "--project")

    assert (tmp_path / "entry_point.py").read_text() == "mine = 1\n"
    assert "wrote test_handlers.py, aexl.toml" in first.stdout
    assert "every file was there already" in again.stdout
    listed = json.loads(aexl("snapshot", "ls", "--json").stdout)
    assert {each["path"] for each in listed} == {".aexlignore", "aexl.toml", "test_handlers.py"}


def test_without_snapshots_the_files_are_made_all_the_same(aexl, home, tmp_path):
    (home / "aexl.toml").write_text('[plugins]\noff = ["snapshots"]\n')
    made = aexl("init", "--project", "shop")

    assert made.returncode == 0, made.stderr
    assert "its plugin is switched off" in made.stdout
    assert (tmp_path / "shop" / "entry_point.py").exists()


def test_a_folder_needs_the_option_and_is_not_the_home(aexl, home, tmp_path):
    assert "aexl init --project shop" in aexl("init", "shop").stderr
    assert "own home" in aexl("init", "--project", str(home)).stderr
    (tmp_path / "file").write_text("")
    assert "cannot have a project" in aexl("init", "--project", "file").stderr
