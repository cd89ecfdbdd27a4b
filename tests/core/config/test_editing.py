"""Editing ``aexl.toml``: comments survive, and the file is whole, old or new, at every moment."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aexl.core.config.editing import edit_file, replace_file
from aexl.errors import AexlError, ConfigError, Conflict, Problem, Unavailable

TEXT = b'# The way in.\r\n[serve]\r\nport = 9000   # as ever\r\nhost = "127.0.0.1"\r\n'


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "aexl.toml"
    path.write_bytes(TEXT)
    return path


def set_port(document):
    document["serve"]["port"] = 9001


def edit(path, change=set_port, check=lambda text: None, follow=None):
    return edit_file(path, change, check=check, follow=follow)


def left_in(folder):
    return [each for each in folder.iterdir() if each.name != ".aexl.toml.lock"]


def raising(error):
    def raise_it(*_):
        raise error

    return raise_it


def refusal():
    return ConfigError([Problem(key="serve.port", message="no")])


def test_everything_but_the_value_stays_as_it_is(path):
    edit(path)

    assert path.read_bytes() == TEXT.replace(b"9000", b"9001")


def test_the_check_sees_the_text_that_will_be_written(path):
    seen = []
    edit(path, check=seen.append)

    assert seen == [path.read_bytes().decode()]


@pytest.mark.parametrize("part", ["change", "check", "follow"])
@pytest.mark.parametrize("error", [refusal(), Conflict("it exists")])
def test_what_fails_changes_nothing(path, part, error):
    with pytest.raises(type(error)):
        edit(path, **{part: raising(error)})

    assert path.read_bytes() == TEXT
    assert left_in(path.parent) == [path]


def test_a_refused_new_file_is_gone_again(tmp_path):
    with pytest.raises(AexlError):
        edit(tmp_path / "aexl.toml", lambda document: document.add("a", 1), follow=raising(refusal()))

    assert left_in(tmp_path) == []


def test_the_server_reads_the_new_file(path):
    seen = []

    assert edit(path, follow=lambda: seen.append(path.read_bytes()))
    assert seen == [TEXT.replace(b"9000", b"9001")]


def test_without_a_server_nobody_has_read_it(path):
    assert not edit(path)


def test_a_server_that_has_just_gone_reads_the_file_when_it_starts_again(path):
    assert not edit(path, follow=raising(Unavailable("no server answers")))
    assert b"9001" in path.read_bytes()


@pytest.mark.parametrize("data", [b"[serve\n", b"a = 1\na = 2\n", b'a = "\xff"\n'])
def test_a_file_that_is_no_toml_is_not_touched(path, data):
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        edit(path, lambda document: document.update(b=1))

    assert path.read_bytes() == data
    assert caught.value.problems[0].source == str(path)


def test_a_syntax_error_has_its_line(path):
    path.write_bytes(b"a = 1\nb = = 2\n")
    with pytest.raises(ConfigError) as caught:
        edit(path)

    assert caught.value.problems[0].line == 2


def test_a_link_stays_a_link_and_is_written_through(path, tmp_path):
    real = tmp_path / "elsewhere.toml"
    path.rename(real)
    path.symlink_to(real)
    edit(path)

    assert path.is_symlink()
    assert b"9001" in real.read_bytes()


def test_a_link_to_nothing_makes_its_target_and_a_refusal_leaves_the_link(tmp_path):
    path, real = tmp_path / "aexl.toml", tmp_path / "elsewhere.toml"
    path.symlink_to(real)
    with pytest.raises(ConfigError):
        edit(path, lambda document: document.add("a", 1), follow=raising(refusal()))

    assert path.is_symlink()
    assert not real.exists()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_mode_stays(path, mode):
    path.chmod(mode)
    edit(path)

    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_is_its_owners_alone(tmp_path):
    edit(tmp_path / "aexl.toml", lambda document: document.add("a", 1))

    assert stat.S_IMODE((tmp_path / "aexl.toml").stat().st_mode) == 0o600


def test_the_bytes_and_then_the_name_are_durable(path, monkeypatch):
    steps = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(stat.S_ISDIR(os.fstat(fd).st_mode)), sync(fd)))
    monkeypatch.setattr(Path, "replace", lambda self, target: (steps.append("renamed"), replace(self, target)))
    replace_file(path, b"a = 1\n")

    assert steps == [False, "renamed", True]


def test_an_error_at_the_rename_leaves_the_old_file_and_no_other(path, monkeypatch):
    monkeypatch.setattr(Path, "replace", raising(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        replace_file(path, b"a = 1\n")

    assert left_in(path.parent) == [path]
    assert path.read_bytes() == TEXT


def test_a_crash_between_write_and_rename_leaves_the_old_file(path):
    crash = (
        "import os, sys, pathlib; from aexl.core.config.editing import replace_file; "
        "pathlib.Path.replace = lambda *_: os._exit(9); replace_file(pathlib.Path(sys.argv[1]), b'half')"
    )
    done = subprocess.run([sys.executable, "-c", crash, str(path)], check=False)

    assert done.returncode == 9
    assert path.read_bytes() == TEXT


def test_changes_that_are_made_at_once_are_all_kept(path):
    start = threading.Barrier(8)

    def add(number):
        start.wait()
        for step in range(5):
            edit(path, change=lambda document, key=f"key{number}_{step}": document.update({key: 1}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    assert len(tomllib.loads(path.read_text())) == 1 + 40
