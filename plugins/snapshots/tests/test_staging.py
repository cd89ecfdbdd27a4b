"""The index, staging and committing: whole or not at all, also where the disk fails."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from aexl.errors import Conflict, HeadMoved, Invalid, NotFound, Unavailable
from aexl_snapshots.cli.revisions import choose
from aexl_snapshots.disk.files import RealFiles
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.progress import unwatched
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree import staging, steady
from aexl_snapshots.worktree.applying import restore
from aexl_snapshots.worktree.committing import Author, commit
from aexl_snapshots.worktree.index import Index, read_index
from aexl_snapshots.worktree.joining import adopt, join
from aexl_snapshots.worktree.staging import Adding, stage_files, unstage_files
from aexl_snapshots.worktree.steady import Signature
from aexl_snapshots.worktree.tree import WorkTree


class FailingFiles(RealFiles):
    """Fails at one of its operations."""

    def __init__(self, when=-1, error=errno.EIO):
        self.left = when
        self.error = error

    def _count(self):
        self.left -= 1
        if self.left == 0:
            raise OSError(self.error, os.strerror(self.error))


def _failing(name):
    def operation(self, *arguments):
        self._count()
        return getattr(RealFiles, name)(self, *arguments)

    return operation


for _name in ("create", "write", "fsync", "fsync_folder", "rename", "link", "unlink", "mkdir"):
    setattr(FailingFiles, _name, _failing(_name))


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "tree"
    made.mkdir()
    (made / "a").write_text("1\n")
    (made / "b").write_text("1\n")
    Repository.init(made)
    return made


@pytest.fixture
def author(tmp_path):
    return Author("Ada", tmp_path / "home")


def open_tree(root, files=None):
    return WorkTree(Repository.open(root, files=files))


def test_an_index_comes_back_as_it_was(tmp_path):
    index = Index()
    entry = Entry("a/b", "exec", 3, object_id(b"abc"))
    index.stage(entry, Signature(3, 1, 2, 3, True))
    index.stage(Entry("c", "file", 0, object_id(b"")), None)
    index.merging = (object_id(b"x"),)
    index.save(tmp_path / "index", RealFiles())
    again = read_index(tmp_path / "index")
    assert (again.entries, again.seen, again.merging) == (index.entries, index.seen, index.merging)
    assert again.holds("a/b", Signature(3, 1, 2, 3, True))
    assert not again.holds("a/b", Signature(3, 1, 2, 4, True))


def test_each_byte_of_an_index_counts(tmp_path):
    index = Index()
    index.stage(Entry("a", "file", 3, object_id(b"abc")), Signature(3, 1, 2, 3, False))
    path = tmp_path / "index"
    index.save(path, RealFiles())
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(Unavailable, match="index"):
            read_index(path)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.slow
def test_add_and_commit_fail_at_each_operation_and_work_again(root, author, error):
    stage_files(open_tree(root), [""], Adding())
    first = commit(open_tree(root), "one", author).id
    for when in range(1, 200):
        (root / "a").write_text(f"{when} {error}\n")
        failing = FailingFiles(when, error)
        try:
            tree = open_tree(root, failing)
            stage_files(tree, [""], Adding())
            second = commit(tree, "two", author).id
        except Unavailable:
            failing.left = -1
        else:
            assert failing.left > 0
            break
        tree = open_tree(root)
        head = tree.head
        assert head == first or tree.repository.read_snapshot(head).parents == (first,)
        assert tree.tree_of(head)
        stage_files(tree, [""], Adding())
        if tree.status().staged:
            commit(tree, "again", author)
        first = open_tree(root).head
        assert open_tree(root).status().is_clean
    else:
        pytest.fail("it never worked")
    assert open_tree(root).head == second


def test_two_at_once_do_not_lose_what_is_staged(root):
    tree = open_tree(root)
    with tree.changing(), pytest.raises(Unavailable, match="another aexl"):
        stage_files(open_tree(root), ["a"], Adding())
    stage_files(open_tree(root), ["a"], Adding())


def test_a_commit_beside_another_one_is_told_that_the_head_moved(root, author, monkeypatch):
    stage_files(open_tree(root), ["a"], Adding())
    tree = open_tree(root)
    real = tree.repository.write_snapshot

    def write_slowly(manifest, snapshot):
        made = real(manifest, snapshot)
        other = Repository.open(root)
        other.move_head(made, expected=None)
        return made

    monkeypatch.setattr(tree.repository, "write_snapshot", write_slowly)
    with pytest.raises(HeadMoved):
        commit(tree, "one", author)


def test_nothing_is_staged_if_anything_is_refused(root):
    (root / "link").symlink_to("a")
    with pytest.raises(Invalid, match="link"):
        stage_files(open_tree(root), [""], Adding())
    assert not open_tree(root).index.entries
    added = stage_files(open_tree(root), [""], Adding(skip=True))
    assert [unkept.path for unkept in added.left_out] == ["link"]
    assert sorted(open_tree(root).index.entries) == ["a", "b"]


def test_files_that_look_like_credentials_are_asked_about_and_not_stored_before(root):
    (root / "key").write_text("AKIA" + "IOSFODNN7EXAMPLE\n")
    asked = []
    with pytest.raises(Invalid, match="line 1 looks like an AWS access key"):
        stage_files(open_tree(root), [""], Adding(allow=lambda found: asked.extend(found) or False))
    assert [suspect.path for suspect in asked] == ["key"]
    assert not Repository.open(root).has(object_id((root / "key").read_bytes()))
    stage_files(open_tree(root), [""], Adding(allow=lambda _: True))
    assert "key" in open_tree(root).index.entries


def test_a_credential_that_was_added_is_not_asked_about_with_every_later_edit(root):
    (root / "key").write_text("AKIA" + "IOSFODNN7EXAMPLE\n")
    stage_files(open_tree(root), [""], Adding(force=True))
    (root / "key").write_text("# edited\nAKIA" + "IOSFODNN7EXAMPLE\n")
    stage_files(open_tree(root), [""], Adding(known_only=True))
    (root / "key").write_text("# edited\nAKIA" + "IOSFODNN7ANOTHER\n")
    with pytest.raises(
        Invalid, match=r"line 2 looks like an AWS access key(.|\n)*'aexl snapshot add --force PATH' first"
    ):
        stage_files(open_tree(root), [""], Adding(known_only=True))


def test_a_removed_file_is_staged_and_unstaged(root, author):
    stage_files(open_tree(root), [""], Adding())
    commit(open_tree(root), "one", author)
    (root / "a").unlink()
    assert [change.kind for change in stage_files(open_tree(root), ["a"], Adding()).changes] == ["removed"]
    unstage_files(open_tree(root), ["a"])
    assert "a" in open_tree(root).index.entries
    with pytest.raises(NotFound):
        unstage_files(open_tree(root), ["zzz"])


def test_commit_of_nothing_is_refused_unless_told(root, author):
    with pytest.raises(Conflict, match="nothing is staged"):
        commit(open_tree(root), "one", author)
    assert commit(open_tree(root), "one", author, empty=True).id


@pytest.mark.slow
def test_a_large_file_is_stored_in_pieces_and_comes_back(root, author, monkeypatch):
    monkeypatch.setattr(steady, "IN_MEMORY", 100_000)
    data = os.urandom(3_000_000)
    (root / "large").write_bytes(data)
    stage_files(open_tree(root), [""], Adding())
    made = commit(open_tree(root), "one", author).id
    (root / "large").unlink()
    restore(open_tree(root), made, [""])
    assert (root / "large").read_bytes() == data


def test_a_large_file_that_changes_before_it_is_stored_is_read_again(root, monkeypatch):
    monkeypatch.setattr(steady, "IN_MEMORY", 10)
    (root / "large").write_bytes(b"x" * 100)
    real = staging._store_large

    def change_first(tree, writer, path, read):
        (root / "large").write_bytes(b"y" * 100)
        return real(tree, writer, path, read)

    monkeypatch.setattr(staging, "_store_large", change_first)
    stage_files(open_tree(root), ["large"], Adding())
    assert open_tree(root).index.entries["large"].id == object_id(b"y" * 100)


def test_what_gc_has_removed_of_the_staged_is_stored_again(root, author):
    stage_files(open_tree(root), [""], Adding())
    for pack in (root / ".aexl/snapshots/packs").iterdir():
        pack.unlink()
    made = commit(open_tree(root), "one", author).id
    assert open_tree(root).repository.read(open_tree(root).tree_of(made)["a"].id) == b"1\n"
    (root / "c").write_text("3\n")
    stage_files(open_tree(root), [""], Adding())
    for pack in (root / ".aexl/snapshots/packs").iterdir():
        if pack.stat().st_mtime_ns == max(p.stat().st_mtime_ns for p in (root / ".aexl/snapshots/packs").iterdir()):
            pack.unlink()
            break
    (root / "c").write_text("4\n")
    with pytest.raises(NotFound, match="c is no longer stored"):
        commit(open_tree(root), "two", author)


def test_adopting_writes_what_is_missing_and_keeps_what_is_there(root, author, tmp_path):
    stage_files(open_tree(root), [""], Adding())
    made = commit(open_tree(root), "one", author).id
    tree = open_tree(root)
    tree.repository.directory.delete("heads/main")
    (root / "a").write_text("mine\n")
    (root / "b").unlink()
    adopt(tree, made, meter=unwatched())
    assert (root / "a").read_text() == "mine\n"
    assert (root / "b").read_text() == "1\n"
    assert [change.path for change in open_tree(root).status().unstaged] == ["a"]


def test_a_staged_change_in_the_way_of_a_join_is_kept(root, author):
    stage_files(open_tree(root), [""], Adding())
    first = commit(open_tree(root), "one", author).id
    (root / "a").write_text("2\n")
    stage_files(open_tree(root), [""], Adding())
    second = commit(open_tree(root), "two", author).id
    tree = open_tree(root)
    tree.repository.move_head(first, expected=second)
    restore(open_tree(root), first, [""], force=True)
    (root / "a").write_text("staged\n")
    stage_files(open_tree(root), ["a"], Adding())
    (root / "a").write_text("1\n")
    with pytest.raises(Conflict, match="a: is staged"):
        join(open_tree(root), second, author, mark=False, meter=unwatched())


def test_threads_may_look_at_one_tree_at_once(root):
    stage_files(open_tree(root), [""], Adding())
    tree = open_tree(root)
    found = []
    threads = [threading.Thread(target=lambda: found.append(tree.status())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert not any(status.unstaged for status in found)


@pytest.mark.parametrize("text", ["../x", "/etc/passwd", ".."])
def test_a_path_out_of_the_tree_is_refused(root, text):
    with pytest.raises(Invalid, match="outside"):
        open_tree(root).locate(text, root)


def test_an_empty_path_is_refused_and_not_taken_for_everything(root):
    with pytest.raises(Invalid, match="empty"):
        open_tree(root).locate("", root)
    with pytest.raises(Invalid, match="empty"):
        choose(open_tree(root), [""], None)


def test_a_path_is_relative_to_where_it_was_given(root):
    (root / "sub").mkdir()
    assert open_tree(root).locate("x", root / "sub") == "sub/x"
    assert open_tree(root).locate("..", root / "sub") == ""
    assert open_tree(root).locate(str(root / "a"), root / "sub") == "a"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    "name", [".git/config", ".git", ".aexl", "sub/.aexl/x", ".GIT/a", "git~1/x", "new\nline", "bad\udcff", "x" * 300]
)
def test_a_place_that_cannot_be_kept_is_refused_by_its_rule_and_not_as_ignored(root, force, name):
    if len(name) < 256 and name != ".aexl":
        path = root / (f"{name}/x" if name == ".git" else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    with pytest.raises(Invalid, match="cannot be kept") as refusal:
        stage_files(open_tree(root), [name, "a"], Adding(force=force))
    assert "--force" not in str(refusal.value)
    assert not open_tree(root).index.entries
    added = stage_files(open_tree(root), [name, "a"], Adding(force=force, skip=True))
    assert [unkept.path for unkept in added.left_out] == [name]
    assert list(open_tree(root).index.entries) == ["a"]


@pytest.fixture
def ignored(root):
    """A folder that is ignored, in which something cannot be kept."""
    folder = root / "__pycache__"
    (folder / "below" / ".git").mkdir(parents=True)
    for name in ("one", "below/two", "below/.git/HEAD"):
        (folder / name).write_text(name)
    return folder


def test_what_is_forced_in_is_held_to_the_same_rules(root, ignored):
    (ignored / "link").symlink_to("one")
    os.mkfifo(ignored / "below" / "pipe")
    (ignored / "ONE").write_text("one")
    with pytest.raises(Invalid) as refusal:
        stage_files(open_tree(root), ["__pycache__"], Adding(force=True))
    for each in ("__pycache__/link: is a sym", "__pycache__/below/pipe: is a named pipe", "__pycache__/ONE in case"):
        assert each in str(refusal.value)
    added = stage_files(open_tree(root), ["__pycache__"], Adding(force=True, skip=True))
    assert len(added.left_out) == 3
    assert sorted(open_tree(root).index.entries) == ["__pycache__/ONE", "__pycache__/below/two"]


def test_the_rest_of_an_ignored_folder_is_forced_in_beside_what_is_tracked(root, ignored):
    stage_files(open_tree(root), ["__pycache__/one"], Adding(force=True))
    (ignored / "three").write_text("3")
    stage_files(open_tree(root), ["__pycache__"], Adding())
    assert sorted(open_tree(root).index.entries) == ["__pycache__/one"]
    stage_files(open_tree(root), ["__pycache__"], Adding(force=True))
    assert sorted(open_tree(root).index.entries) == ["__pycache__/below/two", "__pycache__/one", "__pycache__/three"]


def test_a_name_that_differs_in_case_from_a_tracked_one_is_not_forced_in(root, ignored):
    (ignored / "ONE").write_text("one")
    stage_files(open_tree(root), ["__pycache__/one"], Adding(force=True))
    with pytest.raises(Invalid, match="__pycache__/ONE differ in case"):
        stage_files(open_tree(root), ["__pycache__/ONE"], Adding(force=True))
    assert sorted(open_tree(root).index.entries) == ["__pycache__/one"]


def test_an_ignored_link_is_named_when_it_is_forced(root, ignored):
    (ignored / "link").symlink_to("one")
    with pytest.raises(Invalid, match="__pycache__/link: is a symbolic link"):
        stage_files(open_tree(root), ["__pycache__/link"], Adding(force=True))
