"""Trees compared and merged, as dictionaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import FileChange
from aexl.errors import Invalid
from aexl_snapshots.objects.ids import object_id
from aexl_snapshots.objects.manifest import Entry, Manifest
from aexl_snapshots.worktree.status import fold_untracked
from aexl_snapshots.worktree.treediff import compare_trees, find_renames
from aexl_snapshots.worktree.treemerge import merge_trees


def tree(**files):
    """Return entries; ``a__b`` stands for ``a/b``, and ``*`` before the content for executable."""
    made = {}
    for name, text in files.items():
        path, data = name.replace("__", "/"), text.lstrip("*").encode()
        made[path] = Entry(path, "exec" if text.startswith("*") else "file", len(data), object_id(data))
    return made


def merge(base, ours, theirs):
    """Merge; contents of both sides become ``ours+theirs``, in conflict."""

    def contents(before, mine, other):
        return mine._replace(id=object_id(b"both"), size=4), "both changed it"

    merged = merge_trees(base, ours, theirs, contents)
    return merged.entries, [conflict.path for conflict in merged.conflicts]


TREES = st.dictionaries(
    st.sampled_from(["a", "b", "d/a", "d/b", "d/e/c"]), st.sampled_from(["1", "2", "3", "*1"]), max_size=5
).map(lambda files: tree(**{path.replace("/", "__"): text for path, text in files.items()}))


@given(TREES, TREES)
def test_the_changes_lead_from_one_tree_to_the_other(old, new):
    now = dict(old)
    for change in compare_trees(old, new):
        now.pop(change.old_path or change.path, None)
    for change in compare_trees(old, new):
        if change.kind != "removed":
            now[change.path] = new[change.path]
    assert now == new


@given(TREES, TREES)
def test_a_merge_with_a_side_that_changed_nothing_is_the_other_side(base, other):
    assert merge(base, base, other) == (other, [])
    assert merge(base, other, base) == (other, [])
    assert merge(base, other, other) == (other, [])


@given(TREES, TREES, TREES)
def test_what_is_merged_can_be_a_snapshot(base, ours, theirs):
    try:
        Manifest(merge(base, ours, theirs)[0].values())
    except Invalid as error:
        pytest.fail(str(error))


def test_a_move_is_one_change_and_prefers_the_same_name():
    old, new = tree(a__x="1", b="1", empty=""), tree(z="1", c__x="1", other="")
    assert find_renames(old, new) == {"a/x": "c/x", "b": "z"}
    assert [change.kind for change in compare_trees(old, new)] == ["renamed", "removed", "added", "renamed"]
    assert compare_trees(old, new)[0] == FileChange(kind="renamed", path="c/x", old_path="a/x", old_size=1, new_size=1)


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "expected", "conflicts"),
    [
        (tree(a="1"), tree(a="2"), tree(a="1", b="1"), tree(a="2", b="1"), []),
        (tree(a="1"), tree(), tree(a="1"), tree(), []),
        (tree(a="1"), tree(), tree(a="2"), tree(a="2"), ["a"]),
        (tree(a="1"), tree(a="2"), tree(), tree(a="2"), ["a"]),
        (tree(a="1"), tree(a="2"), tree(a="3"), tree(a="both"), ["a"]),
        (tree(), tree(a="2"), tree(a="3"), tree(a="both"), ["a"]),
        (tree(a="1"), tree(a="*1"), tree(a="2"), tree(a="*2"), []),
        (tree(a="1"), tree(b="1"), tree(a="2"), tree(b="2"), []),
        (tree(a="1"), tree(a="2"), tree(b="1"), tree(b="2"), []),
        (tree(), tree(a="1"), tree(a__b="2"), tree(a="1"), ["a/b"]),
        (tree(), tree(readme="1"), tree(README="2"), tree(readme="1"), ["README"]),
        (tree(), tree(dir__a="1"), tree(DIR__b="2"), tree(dir__a="1"), ["DIR/b"]),
    ],
)
def test_merges(base, ours, theirs, expected, conflicts):
    assert merge(base, ours, theirs) == (expected, conflicts)


def test_a_folder_stands_for_all_that_is_unknown_in_it():
    assert fold_untracked(["a/b/c", "a/b/d", "k/n", "z"], ["k/t"]) == ["a/", "k/n", "z"]
