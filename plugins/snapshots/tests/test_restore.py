"""Making a tree what a snapshot says: nothing lost, nothing outside touched."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress

import pytest

from aexl.errors import AexlError, Conflict
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.progress import unwatched
from aexl_snapshots.worktree.folders import Folders, NotAFolder
from aexl_snapshots.worktree.index import Index
from aexl_snapshots.worktree.reading import Reader
from aexl_snapshots.worktree.restore import carry_out, plan_restore, write_entry


def entry(path, data=None, mode="file"):
    data = path.encode() if data is None else data
    return Entry(path, mode, len(data), object_id(data))


class Tree:
    """A folder, and the contents that a store would have."""

    def __init__(self, root):
        self.root = root
        root.mkdir(exist_ok=True)
        self.contents = {}
        self.saved = {}

    def made_of(self, **files):
        """Return a tree of entries; ``a__b`` stands for ``a/b``, and ``*`` before the content for executable."""
        made = {}
        for name, text in files.items():
            path = name.replace("__", "/")
            data = text.lstrip("*").encode()
            made[path] = entry(path, data, "exec" if text.startswith("*") else "file")
            self.contents[made[path].id] = data
        return made

    def restore(self, target, *, force=False):
        with Folders(self.root) as folders:
            plan = plan_restore(folders, self.saved, target, Reader(self.root, Index(), unwatched()), force=force)
            plan.refuse_if_blocked()
            carry_out(folders, plan, lambda e: [self.contents[e.id]], done=lambda *_: None)
        self.saved = target
        return plan

    def files(self):
        return {
            path.relative_to(self.root).as_posix(): path.read_text()
            for path in self.root.rglob("*")
            if path.is_file() and not path.is_symlink()
        }


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "tree")


def test_files_folders_and_modes_are_made_and_taken_away(tree):
    tree.restore(tree.made_of(a="1", b__c="2", b__d="*3"))
    assert tree.files() == {"a": "1", "b/c": "2", "b/d": "3"}
    assert os.access(tree.root / "b/d", os.X_OK)
    assert not os.access(tree.root / "a", os.X_OK)
    tree.restore(tree.made_of(a="*1"))
    assert tree.files() == {"a": "1"}
    assert os.access(tree.root / "a", os.X_OK)
    assert sorted(p.name for p in tree.root.iterdir()) == ["a"]


def test_a_file_becomes_a_folder_and_back(tree):
    tree.restore(tree.made_of(a="1"))
    tree.restore(tree.made_of(a__b__c="2"))
    assert tree.files() == {"a/b/c": "2"}
    tree.restore(tree.made_of(a="3"))
    assert tree.files() == {"a": "3"}


def test_nothing_to_do_writes_nothing(tree):
    target = tree.made_of(a="1", b="2")
    tree.restore(target)
    before = (tree.root / "a").stat()
    assert tree.restore(target).same == 2
    assert (tree.root / "a").stat() == before


@pytest.mark.parametrize("force", [False, True])
def test_unsaved_work_stays_unless_told(tree, force):
    tree.restore(tree.made_of(a="1", b="1", c="1"))
    (tree.root / "a").write_text("work")
    (tree.root / "c").write_text("work")
    (tree.root / "new").write_text("work")
    target = tree.made_of(a="2", b="2", new="2")
    if force:
        tree.restore(target, force=True)
        assert tree.files() == {"a": "2", "b": "2", "new": "2"}
        return
    with pytest.raises(Conflict) as refusal:
        tree.restore(target)
    assert all(f"\n  {name}: " in str(refusal.value) for name in ("a", "c", "new"))
    assert tree.files() == {"a": "work", "b": "1", "c": "work", "new": "work"}


def test_untracked_files_beside_it_stay(tree):
    tree.restore(tree.made_of(d__a="1"))
    (tree.root / "d/mine").write_text("work")
    tree.restore(tree.made_of(b="1"))
    assert tree.files() == {"d/mine": "work", "b": "1"}


def test_a_folder_with_work_in_it_does_not_give_way_to_a_file(tree):
    (tree.root / "a").mkdir()
    (tree.root / "a/mine").write_text("work")
    with pytest.raises(Conflict, match="a/mine"):
        tree.restore(tree.made_of(a="1"))
    (tree.root / "a/mine").unlink()
    (tree.root / "a/empty").mkdir()
    tree.restore(tree.made_of(a="1"))
    assert tree.files() == {"a": "1"}


def test_a_folder_with_work_in_it_gives_way_when_told(tree):
    (tree.root / "a").mkdir()
    (tree.root / "a/mine").write_text("work")
    tree.restore(tree.made_of(a="1"), force=True)
    assert tree.files() == {"a": "1"}


@pytest.mark.parametrize("force", [False, True])
def test_a_link_where_a_folder_shall_be_leads_nowhere(tree, tmp_path, force):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree.root / "d").symlink_to(outside)
    target = tree.made_of(d__evil="1")
    if force:
        tree.restore(target, force=True)
        assert (tree.root / "d/evil").read_text() == "1"
    else:
        with pytest.raises(Conflict, match="symbolic link"):
            tree.restore(target)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("force", [False, True])
def test_a_link_where_a_file_shall_be_is_replaced_and_not_followed(tree, tmp_path, force):
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (tree.root / "a").symlink_to(outside)
    if force:
        tree.restore(tree.made_of(a="1"), force=True)
        assert not (tree.root / "a").is_symlink()
    else:
        with pytest.raises(Conflict, match="symbolic link"):
            tree.restore(tree.made_of(a="1"))
    assert outside.read_text() == "precious"


def test_removing_through_a_link_removes_nothing(tree, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("precious")
    tree.restore(tree.made_of(d__a="1"))
    (tree.root / "d/a").unlink()
    (tree.root / "d").rmdir()
    (tree.root / "d").symlink_to(outside)
    tree.restore({}, force=True)
    assert (outside / "a").read_text() == "precious"


def test_a_hard_link_elsewhere_keeps_its_content(tree, tmp_path):
    tree.restore(tree.made_of(a="1"))
    os.link(tree.root / "a", tmp_path / "other")
    tree.restore(tree.made_of(a="2"))
    assert (tmp_path / "other").read_text() == "1"


def test_what_a_restored_file_looks_like_can_be_trusted_at_once(tree):
    target = tree.made_of(a="1")
    with Folders(tree.root) as folders:
        signature = write_entry(folders, target["a"], [b"1"])
        index = Index()
        index.stage(target["a"], signature)
        assert index.holds("a", signature)
        (tree.root / "a").write_text("2")
        from aexl_snapshots.worktree.steady import Signature

        assert not index.holds("a", Signature.of(folders.look("a")))


def test_an_error_while_writing_leaves_the_old_file_and_no_rubbish(tree):
    tree.restore(tree.made_of(a="1"))

    def broken():
        yield b"half"
        raise Conflict("the stored file is damaged")

    with Folders(tree.root) as folders, pytest.raises(Conflict, match="damaged"):
        write_entry(folders, tree.made_of(a="2")["a"], broken())
    assert tree.files() == {"a": "1"}


def test_folders_refuses_links_on_the_way(tmp_path):
    (tmp_path / "d").symlink_to("/")
    with Folders(tmp_path) as folders:
        with pytest.raises(NotAFolder, match="d is not a folder"):
            folders.at("d/etc")
        assert folders.look("d/etc") is None


def race(tmp_path, rounds):
    """Swap a folder for a link to another one, all the time, while files are restored into it."""
    outside, root = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    (root / "d").mkdir(parents=True)
    stop = threading.Event()
    swaps = 0

    def swap():
        nonlocal swaps
        (tmp_path / "link").symlink_to(outside)
        while not stop.is_set():
            for name in ("link", "aside"):  # a folder, then a link, then a folder
                with suppress(OSError):  # the other thread makes the folder where it is missing
                    (root / "d").rename(tmp_path / ("aside" if name == "link" else "link"))
                    (tmp_path / name).rename(root / "d")
                    swaps += name == "link"
            if (root / "d").is_dir() and not (root / "d").is_symlink() and (tmp_path / "aside").exists():
                shutil.rmtree(tmp_path / "aside")

    thread = threading.Thread(target=swap)
    thread.start()
    written = 0
    try:
        while written < rounds:
            try:
                with Folders(root) as folders:
                    write_entry(folders, entry("d/f"), [b"d/f"])
                written += 1
            except (AexlError, OSError):
                continue
    finally:
        stop.set()
        thread.join()
    assert swaps
    assert list(outside.iterdir()) == []


@pytest.mark.slow
def test_a_race_with_links_writes_nothing_outside(tmp_path):
    race(tmp_path, 300)


@pytest.mark.long
def test_a_long_race_with_links_writes_nothing_outside(tmp_path):
    race(tmp_path, 10_000)


@pytest.mark.parametrize(("mode", "text", "expected"), [(0o600, "2", 0o600), (0o640, "*2", 0o750), (0o700, "2", 0o600)])
def test_who_may_read_a_file_stays_as_it_was(tree, mode, text, expected):
    tree.restore(tree.made_of(a="1"))
    (tree.root / "a").chmod(mode)
    tree.restore(tree.made_of(a=text), force=True)
    assert (tree.root / "a").stat().st_mode & 0o777 == expected
