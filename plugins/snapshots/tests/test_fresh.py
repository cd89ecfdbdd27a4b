"""Writing into a folder that nobody knows yet: whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from aexl.errors import Unavailable
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.progress import unwatched
from aexl_snapshots.worktree.folders import Folders
from aexl_snapshots.worktree.fresh import unfinished_folder, write_fresh
from aexl_snapshots.worktree.reading import SMALL
from aexl_snapshots.worktree.steady import Signature


def tree_of(**files):
    return {
        name.replace("__", "/"): Entry(name.replace("__", "/"), "file", len(data), object_id(data))
        for name, data in files.items()
    }


def write(root, files, mode="file"):
    tree = {path: entry._replace(mode=mode) for path, entry in tree_of(**files).items()}
    contents = {entry.id: files[path.replace("/", "__")] for path, entry in tree.items()}
    return write_fresh(root, tree, lambda entry: [contents[entry.id]], unwatched())


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, 3 * SMALL])
def test_small_and_large_files_come_as_they_are(tmp_path, size):
    files = {"a": b"x", "b__c": os.urandom(size), "b__d__e": b"y", "f": os.urandom(size)}
    made = write(tmp_path, files)
    assert {entry.path: (tmp_path / entry.path).read_bytes() for entry, _ in made} == {
        name.replace("__", "/"): data for name, data in files.items()
    }


@pytest.mark.parametrize(("umask", "mode", "expected"), [(0o022, "file", 0o644), (0o027, "exec", 0o750)])
def test_the_umask_decides_who_may_read_and_run(tmp_path, umask, mode, expected):
    before = os.umask(umask)
    try:
        write(tmp_path, {"a": b"1"}, mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == expected


def test_what_a_file_looks_like_counts_only_when_it_has_settled(tmp_path, monkeypatch):
    assert write(tmp_path / "", {"a": b"1"})[0][1] is None
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    entry, seen = write(tmp_path, {"b": b"1"})[0]
    with Folders(tmp_path) as folders:
        assert seen == Signature.of(folders.look(entry.path))


@pytest.mark.parametrize("size", [1, 2 * SMALL])
def test_a_file_that_cannot_be_written_is_named_and_nothing_stays(tmp_path, size):
    def broken(entry):
        yield b"1"
        raise OSError(28, "No space left on device")

    entry = Entry("b/a", "file", size, object_id(b"1"))
    with pytest.raises(Unavailable, match=r"b/a: No space"), unfinished_folder(tmp_path / "new") as folder:
        write_fresh(folder, {"b/a": entry}, broken, unwatched())
    assert list(tmp_path.iterdir()) == []


def test_the_folder_has_its_name_only_when_all_is_there(tmp_path):
    with unfinished_folder(tmp_path / "below" / "new") as folder:
        write(folder, {"a": b"1"})
        assert not (tmp_path / "below" / "new").exists()
    assert (tmp_path / "below" / "new" / "a").read_bytes() == b"1"
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["new"]


def give_up(target):
    with unfinished_folder(target):
        raise KeyError


def test_what_a_killed_process_left_goes_with_the_next_one_and_what_another_makes_stays(tmp_path):
    left = tmp_path / f".new.{'0' * 12}.new"
    others = [tmp_path / f".new.{'0' * 11}.new", tmp_path / f".other.{'0' * 12}.new", tmp_path / f".n.{'0' * 12}.newer"]
    for folder in (left, *others):
        folder.mkdir()
        write(folder, {"a": b"1"})
    with unfinished_folder(tmp_path / "new") as first:
        with pytest.raises(KeyError):
            give_up(tmp_path / "new")
        write(first, {"a": b"1"})
    assert not left.exists()
    assert all((folder / "a").exists() for folder in others)
    assert (tmp_path / "new" / "a").exists()


ENDED = """
import sys
from pathlib import Path
from aexl_snapshots.cli.ending import tidied_when_ended
from aexl_snapshots.worktree.fresh import unfinished_folder

with tidied_when_ended(), unfinished_folder(Path(sys.argv[1])) as folder:
    (folder / "a").write_text("")
    print(flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("trap", ["", "trap '' INT;"], ids=["in front", "in the background"])
def test_a_process_that_is_told_to_end_tidies_up_and_ends(tmp_path, trap):
    command = ["sh", "-c", f'{trap} exec "$@"', "sh", sys.executable, "-c", ENDED, tmp_path / "new"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert len(list(tmp_path.iterdir())) == 1
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
