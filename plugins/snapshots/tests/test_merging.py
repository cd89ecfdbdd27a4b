"""A merge that waits for a person: nothing of the other side is lost until it is finished or given up."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from aexl.api import ObjectId
from aexl.errors import Conflict, NotFound
from aexl_snapshots.disk.files import RealFiles
from aexl_snapshots.maintenance.local import check_here, collect_here
from aexl_snapshots.progress import unwatched
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.applying import restore
from aexl_snapshots.worktree.committing import Author, commit
from aexl_snapshots.worktree.index import Index, read_index
from aexl_snapshots.worktree.joining import give_up, join
from aexl_snapshots.worktree.staging import Adding, stage_files, unstage_files
from aexl_snapshots.worktree.tree import WorkTree

BEGUN = {"gone": "1\n", "mine": "1\n", "text": "1\n", "same": "1\n"}
OURS = {"mine": "ours\n", "text": "ours\n", "same": "1\n"}
THEIRS = {"gone": "theirs\n", "text": "theirs\n", "same": "1\n", "new": "theirs\n"}
CONFLICTS = {"gone", "mine", "text"}


class Merging(NamedTuple):
    """A project of which two sides were made from one snapshot."""

    root: Path
    author: Author
    ours: ObjectId
    theirs: ObjectId

    @property
    def tree(self):
        return WorkTree(Repository.open(self.root))

    def begin(self):
        joined = join(self.tree, self.theirs, self.author, mark=True, meter=unwatched())
        assert {each.path for each in joined.conflicts} == CONFLICTS

    def read(self):
        return {path.name: path.read_text() for path in self.root.iterdir() if path.is_file()}

    def add(self, *places, **how):
        stage_files(self.tree, list(places), Adding(**how))

    def commit(self):
        return commit(self.tree, "merged", self.author)


@pytest.fixture
def merging(tmp_path):
    root, author = tmp_path / "tree", Author("Ada", tmp_path / "home")
    root.mkdir()
    Repository.init(root)

    def make(files):
        for path in root.iterdir():
            if path.is_file():
                path.unlink()
        for name, text in files.items():
            (root / name).write_text(text)
        tree = WorkTree(Repository.open(root))
        stage_files(tree, [""], Adding())
        return commit(tree, "made", author).id

    first, theirs = make(BEGUN), make(THEIRS)
    repository = Repository.open(root)
    repository.move_head(first, expected=theirs)
    return Merging(root, author, make(OURS), theirs)


async def test_gc_keeps_the_other_side_of_an_unfinished_merge(merging):
    merging.begin()
    tree = merging.tree
    await collect_here(tree.repository, grace=0, keep=tree.staged)
    assert merging.tree.repository.resolve(merging.theirs[:12]) == merging.theirs
    merging.add("")
    assert merging.commit().snapshot.parents == (merging.ours, merging.theirs)
    tree = merging.tree
    await collect_here(tree.repository, grace=0, keep=tree.staged)
    assert (await check_here(tree.repository, read_data=True)).is_sound
    assert not tree.repository.pins()


def test_a_commit_refuses_to_follow_a_snapshot_that_is_not_here(merging):
    with merging.tree.changing() as index:
        index.begin_merge("0" * 64, {})
    with pytest.raises(NotFound, match=r"0{64}.*restore main --force"):
        merging.commit()
    assert merging.tree.head == merging.ours


def test_a_commit_is_refused_until_each_conflict_is_staged_anew(merging):
    merging.begin()
    with pytest.raises(Conflict, match="  text: both sides changed it, in 1 place\n"):
        merging.commit()
    merging.add("text", "mine")
    assert set(merging.tree.index.conflicts) == {"gone"}
    with pytest.raises(Conflict, match="gone: removed here, changed there"):
        merging.commit()
    (merging.root / "gone").unlink()
    merging.add("gone")
    made = merging.commit()
    assert made.snapshot.parents == (merging.ours, merging.theirs)
    assert set(merging.tree.tree_of(made.id)) == {"mine", "new", "same", "text"}
    assert not merging.tree.index.merging


def test_adding_what_is_known_settles_also_what_only_the_other_side_has(merging):
    merging.begin()
    merging.add("", known_only=True)
    assert "gone" in merging.tree.tree_of(merging.commit().id)


def test_unstaging_and_restoring_what_is_staged_settle_nothing(merging):
    merging.begin()
    unstage_files(merging.tree, [""])
    restore(merging.tree, None, ["text"], force=True)
    assert set(merging.tree.index.conflicts) == CONFLICTS


def test_restoring_a_file_from_a_snapshot_settles_it(merging):
    merging.begin()
    restore(merging.tree, merging.theirs, ["text"], force=True)
    assert set(merging.tree.index.conflicts) == {"gone", "mine"}
    assert merging.read()["text"] == "theirs\n"


@pytest.mark.parametrize("settled", [False, True])
def test_a_merge_that_is_given_up_leaves_what_was_before_it(merging, settled):
    (merging.root / "same").write_text("local\n")
    (merging.root / "staged").write_text("staged\n")
    merging.add("staged")
    before, staged = merging.read(), dict(merging.tree.index.entries)
    merging.begin()
    (merging.root / "text").write_text("half settled\n")
    if settled:
        merging.add("gone", "text")
    give_up(merging.tree, unwatched())
    assert merging.read() == before
    index = merging.tree.index
    assert (index.entries, index.merging, index.conflicts) == (staged, (), {})
    assert not merging.tree.repository.pins()
    with pytest.raises(NotFound, match="no merge"):
        give_up(merging.tree, unwatched())


def test_giving_a_merge_up_loses_no_work_on_what_was_not_in_conflict(merging):
    merging.begin()
    (merging.root / "new").write_text("work\n")
    before = merging.read()
    with pytest.raises(Conflict, match="new: has changes"):
        give_up(merging.tree, unwatched())
    assert merging.read() == before
    assert set(merging.tree.index.conflicts) == CONFLICTS


def test_a_local_edit_of_a_file_that_the_merge_left_alone_stays(merging):
    (merging.root / "mine").write_text("local\n")
    merging.begin()
    give_up(merging.tree, unwatched())
    assert merging.read() == {**OURS, "mine": "local\n"}


def test_what_was_given_up_is_no_parent_and_comes_again(merging):
    merging.begin()
    give_up(merging.tree, unwatched())
    (merging.root / "unrelated").write_text("unrelated\n")
    merging.add("unrelated")
    assert merging.commit().snapshot.parents == (merging.ours,)
    merging.begin()


def test_restoring_everything_from_a_snapshot_waits_for_the_merge_or_gives_it_up(merging):
    merging.begin()
    before = merging.read()
    with pytest.raises(Conflict, match="pull --abort"):
        restore(merging.tree, merging.ours, [""])
    assert merging.read() == before
    restore(merging.tree, merging.ours, [""], force=True)
    assert merging.read() == OURS
    assert merging.tree.status().is_clean
    assert not merging.tree.index.merging
    assert not merging.tree.repository.pins()


def test_another_merge_waits_for_the_first_one(merging):
    merging.begin()
    with pytest.raises(Conflict, match="pull --abort"):
        join(merging.tree, merging.theirs, merging.author, mark=True, meter=unwatched())


def test_conflicts_come_back_from_the_file_and_an_index_of_before_them_is_read(tmp_path):
    index = Index()
    index.begin_merge("ab" * 32, {"a": "both sides changed it"})
    index.save(tmp_path / "index", RealFiles())
    again = read_index(tmp_path / "index")
    assert (again.merging, again.conflicts) == (("ab" * 32,), {"a": "both sides changed it"})
    with_conflicts = index._encode()
    body = msgspec.msgpack.decode(with_conflicts[len(b"aexl-index-1\n") + 32 :])
    old = msgspec.msgpack.encode(body[:3])
    (tmp_path / "index").write_bytes(b"aexl-index-1\n" + hashlib.sha256(old).digest() + old)
    again = read_index(tmp_path / "index")
    assert (again.merging, again.conflicts) == (("ab" * 32,), {})
