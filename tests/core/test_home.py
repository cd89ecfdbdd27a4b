"""Where everything that aexl keeps lies."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from aexl.core.home import find_here, find_home, find_project, make_home
from aexl.errors import NotFound, Unavailable

NOBODY = 65534


def test_the_home_is_what_the_variable_says_else_a_folder_of_the_user():
    assert find_home({"AEXL_HOME": "/srv/aexl"}) == Path("/srv/aexl")
    assert find_home({}) == Path.home() / ".aexl"
    assert find_home({"AEXL_HOME": "here"}) == Path.cwd() / "here"


def test_a_current_folder_that_is_gone_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert find_home({"AEXL_HOME": "/srv/aexl"}) == Path("/srv/aexl")
    for look in (find_here, lambda: find_home({"AEXL_HOME": "here"})):
        with pytest.raises(NotFound, match="the current folder is gone"):
            look()


def test_a_new_home_is_its_owners_alone(tmp_path):
    make_home(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(Unavailable, match="cannot be made: Not a directory; set AEXL_HOME"):
        make_home(tmp_path / "file" / "home")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_home_of_another_user_is_named_with_what_to_do():
    with tempfile.TemporaryDirectory() as home:  # mode 0700, in a folder that everybody may pass
        assert b"cannot be read and written by this user" in complaint_of_nobody(Path(home))


def complaint_of_nobody(home):
    """Return what another user is told who wants to use a home."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(NOBODY)
        try:
            make_home(home)
        except Unavailable as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as answer:
        return answer.read()


def test_a_project_is_the_nearest_folder_with_a_file_and_never_the_home(tmp_path):
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    (tmp_path / "aexl.toml").write_text("")

    assert find_project(inner, tmp_path / "elsewhere") == tmp_path
    assert find_project(inner, tmp_path) is None
