"""Remotes as a stranger uses them, and what is said when they are not what one thinks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys

import pytest
from project import Project

pytestmark = pytest.mark.slow

LONG = "x" * 300


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    base = tmp_path_factory.mktemp("begun")
    made = Project(base / "project", base / "home")
    made.write(a="1\n")
    for words in (("init",), ("add", "."), ("commit", "-m", "one")):
        made.run(*words)
    return base


@pytest.fixture
def project(begun, tmp_path):
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    return Project(tmp_path / "project", tmp_path / "home")


def test_tags_that_were_sent_are_counted(project, tmp_path):
    project.run("remote", "add", "origin", str(tmp_path / "store"))
    project.run("tag", "a")
    assert "Pushed 1 tag to origin.\nPushed" in project.run("push", "--tags").stdout
    project.run("tag", "b")
    project.run("tag", "c")
    assert "Pushed 2 tags to origin.\norigin is up to date" in project.run("push", "--tags").stdout
    assert project.json("push", "--tags")["tags"] == 0


def test_tags_that_a_remote_refuses_are_named_when_all_others_were_sent(project, tmp_path):
    store = str(tmp_path / "store")
    project.run("remote", "add", "origin", store)
    for tag in ("b", "d"):
        project.run("tag", tag)
    project.run("push", "--tags")
    project.write(a="2\n")
    project.run("commit", "-a", "-m", "two")
    for tag in ("b", "d"):
        project.run("tag", "--delete", tag)
    for tag in ("a", "b", "c", "d", "e"):
        project.run("tag", tag)
    done = project.run("push", "--tags", code=5)
    assert "Pushed 3 tags to origin.\nPushed" in done.stdout
    assert "origin has other snapshots under 2 tags of yours, b, d, and tags do not move" in done.stderr
    again = json.loads(project.run("push", "--tags", "--json", code=5).stdout)
    assert (again["tags"], again["refused"]) == (0, ["b", "d"])
    project.run("clone", store, str(tmp_path / "clone"))
    assert len(Project(tmp_path / "clone", project.home).json("tag")) == 5


KILLED = f"""#!{sys.executable}
import os, signal
from aexl.__main__ import main
from aexl_snapshots import events

def record_push(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

events.record_push = record_push
main()
"""


def pushes_of(project):
    lines = project.aexl("ledger", "tail", "--json").stdout.splitlines()
    return [event["data"] for line in lines if (event := json.loads(line))["kind"] == "snapshots.push"]


def test_a_push_that_was_killed_before_it_told_the_ledger_is_told_by_the_next_command(project, tmp_path):
    killed = Project(project.folder, project.home, tmp_path / "killed")
    killed.program.write_text(KILLED)
    killed.program.chmod(0o755)
    project.aexl("agent", "create", "alice", "5")
    project.run("remote", "add", "origin", str(tmp_path / "store"))
    killed.run("push", code=-signal.SIGKILL)
    assert pushes_of(project) == []
    head = project.json("log")[0]["id"]
    for words in (["pull"], ["push"], ["pull"]):
        assert "up to date" in project.run(*words).stdout.lower()
        [told] = pushes_of(project)
        assert (told["head"], told["to"], "interrupted" in told) == ("main", head, True)


def test_a_mistyped_place_is_neither_added_nor_cloned(project, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "main.py").write_text("")
    assert "holds other files" in project.run("clone", str(tmp_path / "files"), "copy", code=2).stderr
    assert "there are no snapshots at" in project.run("clone", str(tmp_path / "nothing"), "copy", code=4).stderr
    for wrong, code in ((project.folder / "a", 2), (tmp_path / "files", 2), ("/proc/none/here", 6), ("", 2)):
        project.run("remote", "add", "x", str(wrong), code=code)
    assert project.json("remote", "list") == []
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == ["main.py"]
    assert not (project.folder / "copy").exists()


def test_a_project_is_cloned_by_its_path_and_not_pushed_into(project, tmp_path):
    project.run("clone", "../project", str(tmp_path / "copy"))
    copy = Project(tmp_path / "copy", project.home)
    assert copy.read() == project.read()
    for words in (("push",), ("gc", "origin")):
        assert "belongs to a project that somebody works in" in copy.run(*words, code=2).stderr
    copy.run("pull")


def test_a_name_that_is_too_long_is_named(project):
    for words, code in (
        (("restore",), 4),
        (("diff",), 4),
        (("ls",), 4),
        (("add",), 2),
        (("clone", "../project"), 6),
        (("clone",), 6),
        (("export",), 6),
        (("export", "--git"), 6),
        (("import",), 6),
        (("remote", "add", "x"), 6),
    ):
        after = ("copy",) if words == ("clone",) else ()
        assert LONG in project.run(*words, LONG, *after, code=code).stderr


def test_a_path_that_is_none_is_told_as_such(project):
    for path in ("../nope", "/nowhere/x"):
        assert f"no head, tag or snapshot '{path}'" in project.run("restore", path, code=4).stderr


def test_what_is_damaged_at_a_remote_is_not_promised_to_be_repaired_here(project, tmp_path):
    project.run("remote", "add", "origin", str(tmp_path / "store"))
    project.run("push")
    for pack in (tmp_path / "store" / "packs").iterdir():
        os.truncate(pack, 100)
    assert "push to a new one" in project.run("check", "origin", code=1).stdout
    project.run("remote", "add", "new", str(tmp_path / "new"))
    project.run("push", "new")
    assert "Sound" in project.run("check", "new", "--read-data").stdout


def test_an_aiel_folder_is_taken_over_into_an_ignore_file_that_is_there(project):
    state = '{"version": 1, "last_manifest": {".env": {}, "b": {}}}'
    project.write(_dot_aiel__state_dot_json=state, _dot_aielignore="data/\n", data__x="x\n", b="b\n", _dot_env="x\n")
    before = (project.folder / ".aexlignore").read_text()
    done = project.run("init", "--from-aiel")
    assert "Added what .aielignore says" in done.stdout
    assert "Took over 1 file " in done.stdout
    assert "left out .env: it is ignored" in done.stderr
    assert "stays as it is" in project.run("init", "--from-aiel").stdout
    text = (project.folder / ".aexlignore").read_text()
    assert text == f"{before}\n# From .aielignore:\n.aiel/\ndata/\n"
    project.run("add", ".")
    staged = {change["path"] for change in project.json("status")["staged"]}
    assert staged == {".aexlignore", ".aielignore", "b"}
