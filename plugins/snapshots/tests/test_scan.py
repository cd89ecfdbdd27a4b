"""Looking at a tree: what counts, what cannot be kept, and what it costs."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager

import pytest

from aexl.errors import Invalid, Unavailable
from aexl_snapshots.progress import unwatched
from aexl_snapshots.worktree.credentials import DEFAULT_RULES
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.reading import Reader
from aexl_snapshots.worktree.scan import scan_tree


def scan(root, tracked=()):
    with Folders(root) as folders:
        return scan_tree(folders, tracked)


def fill(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def test_ignored_files_and_control_folders_do_not_count(tmp_path):
    fill(tmp_path, "a.py", "b/c.py", ".git/HEAD", "b/.git/HEAD", ".aexl/x", ".env", "b/__pycache__/c.pyc", "b/.aexl/y")
    assert sorted(scan(tmp_path).files) == ["a.py", "b/c.py"]


def test_ignore_files_count_at_each_level_and_are_part_of_the_tree(tmp_path):
    fill(tmp_path, "a.log", "b/a.log", "b/keep.log", "b/c/keep.log", "x/y")
    (tmp_path / ".aexlignore").write_text("*.log\nx/\n!x/y\n")
    (tmp_path / "b/.aexlignore").write_text("!/keep.log\n")
    assert sorted(scan(tmp_path).files) == [".aexlignore", "b/.aexlignore", "b/keep.log"]


def test_a_default_can_be_taken_back_but_not_a_control_folder(tmp_path):
    fill(tmp_path, ".env", ".git/HEAD")
    (tmp_path / ".aexlignore").write_text("!.env\n!.git/\n")
    assert sorted(scan(tmp_path).files) == [".aexlignore", ".env"]


def test_what_is_tracked_counts_although_it_is_ignored(tmp_path):
    fill(tmp_path, "build/kept", "build/other")
    (tmp_path / ".aexlignore").write_text("build/\n")
    assert sorted(scan(tmp_path, ["build/kept", "build/gone"]).files) == [".aexlignore", "build/kept"]


def test_what_is_no_file_is_named(tmp_path):
    fill(tmp_path, "a")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "folder").symlink_to("/etc")
    (tmp_path / "lost").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        found = scan(tmp_path)
    assert list(found.files) == ["a"]
    assert {unkept.path: unkept.reason.split(";")[0] for unkept in found.unkept} == {
        "folder": "is a symbolic link",
        "link": "is a symbolic link",
        "lost": "is a symbolic link",
        "pipe": "is a named pipe",
        "socket": "is a socket",
    }
    assert all(unkept.special for unkept in found.unkept)


@pytest.mark.parametrize(
    "name", [b"a\nb", b"a\x1bb", b"caf\xe9", b".GIT", b".Aexl", b".git ", b"git~1", "e\u0301".encode(), b"a\\b", b"a:b"]
)
def test_names_that_cannot_be_kept_are_named(tmp_path, name):
    (tmp_path / "sub").mkdir()
    os.close(os.open(os.fsencode(tmp_path) + b"/sub/" + name, os.O_CREAT))
    found = scan(tmp_path)
    assert not found.files
    [unkept] = found.unkept
    assert unkept.path == os.fsdecode(b"sub/" + (name if isinstance(name, bytes) else name.encode()))
    assert unkept.shown.isprintable()
    assert not unkept.special


@pytest.mark.parametrize(("one", "other"), [("README", "readme"), ("straße", "STRASSE"), ("Σ", "ς")])
def test_names_that_are_one_to_some_file_systems_are_both_named(tmp_path, one, other):
    fill(tmp_path, one, other)
    found = scan(tmp_path)
    assert len(found.files) == 1
    assert one in str(found.unkept[0])
    assert other in str(found.unkept[0])


def test_a_very_deep_tree_is_named_and_not_a_crash(tmp_path):
    deep = tmp_path
    for _ in range(140):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "f").touch()
    found = scan(tmp_path)
    assert not found.files
    assert "128 folders deep" in found.unkept[0].reason


def test_an_ignore_file_that_is_too_large_is_refused(tmp_path):
    (tmp_path / ".aexlignore").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(Invalid, match="ignore file"):
        scan(tmp_path)


def test_an_ignore_file_that_is_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / ".aexlignore")
    assert [unkept.path for unkept in scan(tmp_path).unkept] == [".aexlignore"]


def test_an_ignore_file_that_is_a_folder_is_a_folder(tmp_path):
    fill(tmp_path, ".aexlignore/a", "b")
    assert sorted(scan(tmp_path).files) == [".aexlignore/a", "b"]


@contextmanager
def locked(folder):
    """Let nobody enter a folder; root may enter every one, and so is somebody else meanwhile."""
    user = os.geteuid()
    folder.chmod(0)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


def test_a_folder_that_may_not_be_entered_is_named(tmp_path):
    fill(tmp_path, "a/vol/secret", "a/b")
    tmp_path.chmod(0o755)
    with Folders(tmp_path) as folders, locked(tmp_path / "a/vol"):
        found = scan_tree(folders)
        assert list(found.files) == ["a/b"]
        assert [str(unkept) for unkept in found.unkept] == ["a/vol: cannot be read: Permission denied"]
        with pytest.raises(Unavailable, match=r"^a/vol: Permission denied"):  # a tracked file is not taken for removed
            scan_tree(folders, ["a/vol/secret"])


def test_reading_leaves_out_what_is_gone(tmp_path):
    fill(tmp_path, *(f"f{n}" for n in range(300)))
    files = scan(tmp_path).files
    (tmp_path / "f7").unlink()
    with Reader(tmp_path, Index(), unwatched()).reading(files) as reading:
        found = dict(reading)
    assert len(found) == 299
    assert found["f1"].data == b"f1"


@pytest.mark.parametrize("lead", ["# Mine.\n", "x", ""])
def test_a_file_that_repeats_the_default_rules_counts_as_if_they_stood_before_it(tmp_path, lead):
    (tmp_path / ".aexlignore").write_text(f"{lead}{DEFAULT_RULES}!.env\n*.log\n")
    for name in (".env", "a.log", "id_rsa", "b/.env", "b/c.log", "b/id_rsa", "kept"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    with Folders(tmp_path) as folders:
        found = set(scan_tree(folders).files)
    assert found == {".aexlignore", ".env", "b/.env", "kept"}
