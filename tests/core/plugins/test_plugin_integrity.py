"""A changed, missing or added file is found, and what has not changed is not read again."""

from __future__ import annotations

import os
import sys

import pytest

from aexl.core.plugins import integrity
from aexl.core.plugins.install import install
from aexl.core.plugins.integrity import SEEN_NAME, check_fully, check_quickly
from aexl.core.plugins.wheel import read_wheel

TAG = sys.implementation.cache_tag


@pytest.fixture
def installed(home, make_wheel, shop):
    files = {"hello_plugin.py": "x = 1\n", "hello_data/one.txt": "one", "hello_data/two.txt": "two"}
    [plugin] = install(home, [read_wheel(make_wheel(files=files))], workshop=shop)
    return home / "plugins", plugin


@pytest.fixture(params=[check_quickly, check_fully])
def check(request):
    return request.param


@pytest.fixture
def settled(monkeypatch):
    """Every file counts as old enough to be remembered."""
    monkeypatch.setattr(integrity, "SETTLED_NS", -1)


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that are read."""
    seen = []
    original = integrity.hash_file
    monkeypatch.setattr(integrity, "hash_file", lambda path: [seen.append(path.name), original(path)][1])
    return seen


def test_what_was_installed_is_sound(installed, check):
    assert check(*installed) is None


def test_a_changed_file_is_named(installed, check):
    root, plugin = installed
    (root / plugin.folder / "hello_plugin.py").write_text("x = 2\n")

    assert "hello_plugin.py changed; install it again" in check(root, plugin)


def test_a_change_that_keeps_size_and_time_is_found_though_the_file_was_seen_before(installed, settled):
    root, plugin = installed
    path = root / plugin.folder / "hello_plugin.py"
    assert check_quickly(root, plugin) is None
    before = path.stat()
    path.write_text("x = 2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert "hello_plugin.py changed" in check_quickly(root, plugin)


def test_a_missing_file_is_named(installed, check):
    root, plugin = installed
    (root / plugin.folder / "hello_data" / "one.txt").unlink()

    assert "hello_data/one.txt missing" in check(root, plugin)


def test_a_missing_folder_is_not_an_error_but_a_reason(installed, check):
    root, plugin = installed
    (root / "hello").rename(root / "gone")

    assert "its files cannot be read" in check(root, plugin)


@pytest.mark.parametrize("name", ["more.py", "hello_data/x.so", f"__pycache__/hello_plugin.{TAG}.pyc"])
def test_an_added_file_is_named(installed, check, name):
    root, plugin = installed
    path = root / plugin.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")

    assert f"{name} added" in check(root, plugin)


def test_a_link_in_place_of_a_file_is_found(installed, check, tmp_path):
    root, plugin = installed
    path = root / plugin.folder / "hello_plugin.py"
    path.rename(tmp_path / "moved.py")
    path.symlink_to(tmp_path / "moved.py")

    assert "hello_plugin.py missing, hello_plugin.py added" in check(root, plugin)


@pytest.mark.parametrize("name", ["hello_plugin.cpython-399.pyc", f"hello_plugin.{TAG}.opt-2.pyc"])
def test_byte_code_that_this_interpreter_never_reads_is_no_fault(installed, check, name):
    root, plugin = installed
    folder = root / plugin.folder / "__pycache__"
    folder.mkdir()
    (folder / name).write_bytes(b"")

    assert check(root, plugin) is None


def test_many_changes_are_counted_and_three_of_them_named(installed, check):
    root, plugin = installed
    for number in range(5):
        (root / plugin.folder / f"more{number}.py").write_text("")

    assert "more0.py, more1.py, more2.py and 2 more added" in check(root, plugin)


def test_files_that_have_not_changed_are_read_once(installed, settled, hashed):
    assert check_quickly(*installed) is None
    assert len(hashed) == len(installed[1].files)
    hashed.clear()

    assert check_quickly(*installed) is None
    assert hashed == []
    assert check_fully(*installed) is None
    assert len(hashed) == len(installed[1].files)


def test_a_file_that_changed_a_moment_ago_is_not_trusted_to_be_remembered(installed, hashed):
    for _ in range(2):
        assert check_quickly(*installed) is None

    assert len(hashed) == 2 * len(installed[1].files)


def test_a_file_that_was_touched_is_read_again_and_found_the_same(installed, settled, hashed):
    root, plugin = installed
    check_quickly(root, plugin)
    hashed.clear()
    os.utime(root / plugin.folder / "hello_plugin.py")

    assert check_quickly(root, plugin) is None
    assert hashed == ["hello_plugin.py"]
    hashed.clear()
    assert check_quickly(root, plugin) is None
    assert hashed == []


@pytest.mark.parametrize("text", [b"", b"{", b'{"x": 1}', b"\xff"])
def test_a_memory_that_cannot_be_read_is_none(installed, text):
    root, plugin = installed
    (root / SEEN_NAME).write_bytes(text)

    assert check_quickly(root, plugin) is None


def test_a_memory_that_cannot_be_written_changes_nothing(installed, settled):
    root, plugin = installed
    (root / SEEN_NAME).mkdir()

    assert check_quickly(root, plugin) is None
    assert sorted(path.name for path in root.iterdir()) == [".lock", SEEN_NAME, "hello", "lock.json"]
