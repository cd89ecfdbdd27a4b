"""Lines compared and merged: against git's own tools, and within bounds of time."""

from __future__ import annotations

import random
import subprocess
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexl_snapshots.worktree.lines import find_matches, unified
from aexl_snapshots.worktree.textmerge import is_text, merge_texts, split_lines

LINE = st.sampled_from([b"a\n", b"b\n", b"c\n", b"d\n", b"\n", b"e e\r\n"])
TEXT = st.builds(
    lambda lines, rest: b"".join(lines) + rest, st.lists(LINE, max_size=25), st.sampled_from([b"", b"end"])
)


@given(TEXT, TEXT)
def test_matches_are_equal_and_in_order(old, new):
    a, b = split_lines(old), split_lines(new)
    i = j = 0
    for match in find_matches(a, b):
        assert match.old >= i
        assert match.new >= j
        assert a[match.old : match.old + match.size] == b[match.new : match.new + match.size]
        i, j = match.old + match.size, match.new + match.size
    assert (i, j) == (len(a), len(b))


def apply(folder, old, new):
    """Have git apply our diff, and return what it makes."""
    (folder / "f").write_bytes(old)
    patch = b"--- a/f\n+++ b/f\n" + b"".join(unified(split_lines(old), split_lines(new)))
    done = subprocess.run(["git", "apply", "-"], cwd=folder, input=patch, capture_output=True, check=False)
    assert done.returncode == 0, (done.stderr, patch)
    return (folder / "f").read_bytes()


@pytest.mark.slow
def test_git_applies_the_diffs(tmp_path):
    rng = random.Random(5)
    for _ in range(100):
        old, new = (
            b"".join(rng.choices([b"a\n", b"b\n", b"c\n", b"%d\n" % rng.randint(0, 40)], k=30)) for _ in range(2)
        )
        if rng.random() < 0.5:
            new = old.replace(b"b\n", b"x\n", 2)[: rng.choice([None, -1])]
        if old != new and new:
            assert apply(tmp_path, old, new) == new


@given(TEXT, TEXT)
def test_a_side_that_changed_nothing_gives_way(base, other):
    assert merge_texts(base, base, other) == (other, 0)
    assert merge_texts(base, other, base) == (other, 0)
    assert merge_texts(base, other, other) == (other, 0)


@given(TEXT, TEXT, TEXT)
@settings(max_examples=50)
def test_a_merge_is_the_same_from_both_sides_unless_it_conflicts(base, ours, theirs):
    one, two = merge_texts(base, ours, theirs), merge_texts(base, theirs, ours)
    assert one.conflicts == two.conflicts
    if not one.conflicts:
        assert one == two


def test_changes_in_different_places_both_count():
    base = b"1\n2\n3\n4\n5\n6\n7\n"
    merged = merge_texts(base, base.replace(b"1", b"one"), base.replace(b"7", b"seven"))
    assert merged == (b"one\n2\n3\n4\n5\n6\nseven\n", 0)


def test_changes_in_one_place_stand_between_markers():
    merged = merge_texts(b"1\n2\n3\n", b"1\nours\n3\n", b"1\ntheirs\n3", labels=("mine", "origin"))
    assert merged.conflicts == 1
    assert merged.data == b"1\n<<<<<<< mine\nours\n3\n=======\ntheirs\n3\n>>>>>>> origin\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"a\n" * 20_000, b"b\n" * 20_000),
        (b"a\nb\n" * 20_000, b"b\na\na\n" * 15_000),
        (b"".join(b"%d\n" % n for n in range(40_000)), b"".join(b"%d\n" % n for n in range(40_000, 0, -1))),
    ],
)
@pytest.mark.slow
def test_texts_without_much_in_common_take_bounded_time(old, new):
    started = time.process_time()
    find_matches(split_lines(old), split_lines(new))
    assert time.process_time() - started < 5


def test_a_nul_makes_it_binary():
    assert is_text("naïve\n".encode())
    assert not is_text(b"\x7fELF\0")
