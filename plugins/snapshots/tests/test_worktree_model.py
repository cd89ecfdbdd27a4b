"""Random trees and operations against a model: every state round-trips, and no work is lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from aexl.errors import Conflict
from aexl_snapshots.progress import unwatched
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.applying import restore
from aexl_snapshots.worktree.committing import Author, commit
from aexl_snapshots.worktree.joining import join
from aexl_snapshots.worktree.staging import Adding, stage_files, unstage_files
from aexl_snapshots.worktree.tree import WorkTree, within

NAMES = st.sampled_from(["a", "b", "c.txt", "d", "é", "x y"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.sampled_from([b"", b"1\n", b"2\n", b"1\n2\n3\n", b"\0binary", b"long\n" * 2000])
FILES = st.tuples(CONTENTS, st.booleans())


class Trees(RuleBasedStateMachine):
    """The model: files, what is staged and what each snapshot holds are dictionaries of (content, executable)."""

    snapshots = Bundle("snapshots")

    def __init__(self):
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="aexl-model-"))
        self.root = self.base / "tree"
        self.root.mkdir()
        self.author = Author("model", self.base / "home")
        self.repository = Repository.init(self.root)
        self.files, self.staged, self.head, self.kept = {}, {}, {}, {}

    def teardown(self):
        shutil.rmtree(self.base)

    @property
    def tree(self):
        return WorkTree(Repository.open(self.root))

    def put(self, path, value):
        """Write a file, and move away what stands in its way."""
        place = self.root / path
        for other in [*place.parents, place]:
            if (
                other != self.root
                and self.root in other.parents
                and other.exists()
                and (other != place) == other.is_file()
            ):
                gone = other.relative_to(self.root).as_posix()
                self.files = {each: v for each, v in self.files.items() if not within(each, [gone])}
                shutil.rmtree(other) if other.is_dir() else other.unlink()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(value[0])
        place.chmod(0o755 if value[1] else 0o644)
        self.files[path] = value

    @rule(path=PATHS, value=FILES)
    def write(self, path, value):
        self.put(path, value)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def remove(self, data):
        path = data.draw(st.sampled_from(sorted(self.files)))
        (self.root / path).unlink()
        del self.files[path]

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def rename(self, data):
        path = data.draw(st.sampled_from(sorted(self.files)))
        value = self.files.pop(path)
        (self.root / path).unlink()
        self.put(data.draw(PATHS), value)

    @rule(place=st.one_of(st.just(""), NAMES))
    def add(self, place):
        if place and not any(within(path, [place]) for path in (*self.files, *self.staged)):
            return
        stage_files(self.tree, [place], Adding())
        self.staged = {path: v for path, v in self.staged.items() if not within(path, [place])}
        self.staged |= {path: v for path, v in self.files.items() if within(path, [place])}

    @rule(place=st.one_of(st.just(""), NAMES))
    def unstage(self, place):
        if place and not any(within(path, [place]) for path in (*self.head, *self.staged)):
            return
        unstage_files(self.tree, [place])
        self.staged = {path: v for path, v in self.staged.items() if not within(path, [place])}
        self.staged |= {path: v for path, v in self.head.items() if within(path, [place])}

    @rule(target=snapshots)
    def commit(self):
        stage_files(self.tree, [""], Adding())
        self.staged = dict(self.files)
        if self.staged == self.head:
            with pytest.raises(Conflict):
                commit(self.tree, "again", self.author)
            return multiple()
        made = commit(self.tree, "one", self.author).id
        self.head = dict(self.staged)
        self.kept[made] = dict(self.head)
        return made

    @rule(snapshot=snapshots, force=st.booleans())
    def restore(self, snapshot, force):
        target = self.kept[snapshot]
        known = {value[0] for each in self.kept.values() for value in each.values()}
        lost = [
            path
            for path, value in self.files.items()
            if (path in self.head or path in target)
            and value[0] not in known
            and target.get(path, (None,))[0] != value[0]
        ]
        blocked = lost or self.strangers_in_the_way(target)
        try:
            restore(self.tree, snapshot, [""], force=force)
        except Conflict:
            assert blocked
            assert not force
            return
        assert force or not lost
        going = set(self.head) | (set(self.staged) if force else set())
        after = {path: v for path, v in self.files.items() if path not in going and path not in target}
        after = {path: v for path, v in after.items() if not self.clashes(path, target)}
        self.files = after | target
        self.staged = {path: v for path, v in self.staged.items() if path not in going and path not in target} | target
        if force:
            self.files = self.read()  # what stood in the way is gone, which the model does not follow
        assert {path: self.files.get(path) for path in target} == target

    def strangers_in_the_way(self, target):
        return [path for path in self.files if self.clashes(path, target)]

    @staticmethod
    def clashes(path, target):
        return any(other != path and (within(path, [other]) or within(other, [path])) for other in target)

    def read(self):
        return {
            path.relative_to(self.root).as_posix(): (path.read_bytes(), os.access(path, os.X_OK))
            for path in self.root.rglob("*")
            if path.is_file() and ".aexl" not in path.relative_to(self.root).parts
        }

    @rule(snapshot=snapshots)
    def clone(self, snapshot):
        """Materialise a snapshot elsewhere."""
        other = Path(tempfile.mkdtemp(dir=self.base))
        tree = WorkTree(self.repository, root=other, index_path=other / ".aexl" / "index", head_name="elsewhere")
        self.repository.directory.delete("heads/elsewhere")
        join(tree, snapshot, self.author, mark=False, meter=unwatched())
        made = {
            path.relative_to(other).as_posix(): (path.read_bytes(), os.access(path, os.X_OK))
            for path in other.rglob("*")
            if path.is_file() and ".aexl" not in path.relative_to(other).parts
        }
        assert made == self.kept[snapshot]

    @invariant()
    def files_are_as_expected(self):
        assert self.read() == self.files

    @invariant()
    def status_tells_the_truth(self):
        tree = self.tree
        status = tree.status()
        assert {path: entry.mode == "exec" for path, entry in tree.index.entries.items()} == {
            path: executable for path, (_, executable) in self.staged.items()
        }
        staged = {each for change in status.staged for each in (change.path, change.old_path) if each}
        assert staged == {p for p in {*self.staged, *self.head} if self.staged.get(p) != self.head.get(p)}
        assert {change.path for change in status.unstaged} == {
            path for path in self.staged if self.staged[path] != self.files.get(path)
        }
        assert set(status.untracked) == self.files.keys() - self.staged.keys()


Trees.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTrees = pytest.mark.slow(Trees.TestCase)


@pytest.mark.long
def test_many_random_trees():
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Trees,
        settings=settings(
            max_examples=2000, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
