"""The onefile's server: unpacked once, kept while used, removed afterwards."""

from __future__ import annotations

import os
import sys

import pytest
from PyInstaller.archive.writers import CArchiveWriter

from aexl.core.frozen import onedir
from aexl.core.frozen.deferred import Deferred
from aexl.errors import Unavailable

FILES = {
    "libpython.so": b"python",
    "later/service/aexl-bootloader": b"#!/bin/sh\nexit 0\n",
    "later/big/pkg/lib.so": b"library",
    "later.modules": b"table",
}


def write_program(path, changed=b""):
    entries = [("pyi-contents-directory _internal", "", False, "o")]
    path.parent.mkdir(exist_ok=True)
    for index, (name, data) in enumerate(FILES.items()):
        source = path.with_name(f"{path.name}-{index}")
        source.write_bytes(data + changed)
        entries.append((name, str(source), True, "x"))
    CArchiveWriter(str(path), entries, "libpython3.11.so.1.0")


@pytest.fixture
def program(tmp_path, monkeypatch):
    path = tmp_path / "bin" / "aexl"
    write_program(path)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / "_MEI123"), raising=False)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_only_a_program_that_is_apart_from_its_files_is_a_onefile(program, monkeypatch):
    assert onedir.is_onefile()
    monkeypatch.setattr(sys, "_MEIPASS", str(program.parent / "_internal"))
    assert not onedir.is_onefile()
    monkeypatch.setattr(sys, "frozen", False)
    assert not onedir.is_onefile()


def test_everything_is_unpacked_and_the_program_has_the_rest_behind_its_bootloader(program, home):
    with onedir.service_program(home) as (found, _):
        inside = found.parent / "_internal"
        assert {str(path.relative_to(inside)): path.read_bytes() for path in inside.rglob("*") if path.is_file()} == {
            "libpython.so": b"python",
            "pkg/lib.so": b"library",
        }
        data = found.read_bytes()
    assert data.startswith(b"#!/bin/sh\nexit 0\n")
    assert b"pyi-contents-directory _internal" in data
    assert b"libpython.so\0" not in data
    assert os.access(found, os.X_OK)


def test_a_second_start_uses_what_is_there(program, home):
    with onedir.service_program(home) as (first, _):
        made = first.stat().st_mtime_ns
    with onedir.service_program(home) as (second, _):
        assert (second, second.stat().st_mtime_ns) == (first, made)


def test_another_version_removes_the_first_unless_a_server_uses_it(program, home):
    with onedir.service_program(home) as (first, _):
        write_program(program, changed=b"#")
        with onedir.service_program(home) as (second, _):
            assert first.exists()
            assert second.exists()
    with onedir.service_program(home) as (second, _):
        assert not first.parent.exists()


def test_what_an_interrupted_start_left_is_removed(program, home):
    left = home / "runtime" / ".unfinished-1"
    left.mkdir(parents=True)
    with onedir.service_program(home):
        assert not left.exists()


def test_a_full_disk_leaves_nothing_and_says_what_is_wrong(program, home, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(onedir, "_flush", full)
    with pytest.raises(Unavailable, match="No space left"), onedir.service_program(home):
        pytest.fail("it started")
    assert list((home / "runtime").iterdir()) == []


def test_a_home_that_allows_no_programs_is_named(program, home, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(Unavailable, match="noexec"), onedir.service_program(home):
        pytest.fail("it started")


def test_an_import_unpacks_its_group_once_and_finds_nothing(program, tmp_path):
    folder = tmp_path / "unpacked"
    deferred = Deferred({"pkg": "big", "other": "big"}, str(program), str(folder))

    assert deferred.find_spec("elsewhere") is None
    assert not folder.exists()
    assert deferred.find_spec("pkg") is None
    assert (folder / "pkg/lib.so").read_bytes() == b"library"
    (folder / "pkg/lib.so").unlink()
    deferred.find_spec("other")
    assert not (folder / "pkg/lib.so").exists()


def test_everything_can_be_unpacked_at_once_and_what_is_there_is_left_alone(program, tmp_path):
    folder = tmp_path / "unpacked"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg/lib.so").write_bytes(b"as another process left it")
    deferred = Deferred({"pkg": "big"}, str(program), str(folder))
    deferred.unpack_all()
    assert (folder / "pkg/lib.so").read_bytes() == b"as another process left it"
    (folder / "pkg/lib.so").unlink()
    deferred.unpack_all()
    deferred.find_spec("pkg")
    assert not (folder / "pkg/lib.so").exists()
    Deferred({"pkg": "big"}, str(program), str(folder)).unpack_all()
    assert (folder / "pkg/lib.so").read_bytes() == b"library"
