"""Remotes as a stranger uses them, and what is said when they are not what one thinks."""

from __future__ import annotations

import os
import shutil

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
