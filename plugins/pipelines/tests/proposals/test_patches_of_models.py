"""Diffs as models write them: found by their lines, applied exactly, or refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aexl.errors import Invalid
from aexl_pipelines.language.problems import Report
from aexl_pipelines.language.reading import read_yaml
from aexl_pipelines.language.source import Source, as_json
from aexl_pipelines.proposals.answers import read_answer
from aexl_pipelines.proposals.comments import keep_comments
from aexl_pipelines.proposals.diffs import apply_hunks, make_diff, read_diff

LINE = st.sampled_from(["a", "b", "  c", "", "- id: x", "-- d", "++ e", "@ f", "# g", "\\ h", "long " * 5])
TEXT = st.builds(lambda lines, end: "\n".join(lines) + ("\n" if end and lines else ""), st.lists(LINE), st.booleans())


@example("\n", "a\n\n")
@given(TEXT, TEXT)
def test_a_diff_that_was_made_applies_to_what_it_was_made(old, new):
    patch = make_diff("f.yaml", old, new)
    if patch:
        assert apply_hunks(old, read_diff(patch, ["f.yaml"])) == new
    else:
        assert old == new


@given(st.text(max_size=300), TEXT)
def test_any_answer_is_read_or_refused(answer, old):
    with suppress(Invalid):
        found = read_answer(answer)
        if found.kind == "patch":
            assert isinstance(apply_hunks(old, read_diff(found.text, ["f.yaml"])), str)


FILE = "".join(f"line {n}\n" for n in range(1, 30)) + "same\nsame\n"


@pytest.mark.parametrize(
    "head",
    ["@@ -3,3 +3,3 @@", "@@ -20,9 +1,1 @@ context", "@@ @@", "@@", "@@ ... @@", "@@ -0,0 +0,0 @@"],
)
def test_wrong_numbers_do_no_harm(head):
    patch = f"--- a/f\n+++ b/f\n{head}\n line 3\n-line 4\n+LINE 4\n line 5\n\n"
    assert apply_hunks(FILE, read_diff(patch, ["f"])) == FILE.replace("line 4\n", "LINE 4\n")


def test_a_hunk_that_fits_twice_is_refused_unless_it_says_where():
    patch = "--- f\n+++ f\n@@ -{} +1 @@\n-same\n+other\n"
    with pytest.raises(Invalid, match="2 places"):
        apply_hunks(FILE, read_diff(patch.format(1), ["f"]))
    assert apply_hunks(FILE, read_diff(patch.format(31), ["f"])).endswith("same\nother\n")


def test_later_hunks_follow_the_shift_of_earlier_ones():
    patch = "--- f\n+++ f\n@@ -1 +1,3 @@\n line 1\n+x\n+y\n@@ -30 +32 @@\n-same\n+other\n"
    assert apply_hunks(FILE, read_diff(patch, ["f"])).endswith("other\nsame\n")


@pytest.mark.parametrize(
    ("given_name", "fits"),
    [
        ("a/.aexl.yaml", True),
        (".aexl.yaml", True),
        ("a/pipes/.aexl.yaml", True),
        ("/home/x/pipes/.aexl.yaml", True),
        ('"a/.aexl.yaml"\t2026-01-01', True),
        ("a/aexl.yaml", False),
        ("a/other/.aexl.yaml", False),
        ("/etc/.aexl.yaml", False),
        ("/dev/null", False),
        ("", False),
    ],
)
def test_only_the_one_file_may_be_named(given_name, fits):
    patch = f"--- {given_name}\n+++ {given_name.replace('a/', 'b/', 1)}\n@@ -1 +1 @@\n-a\n+b\n"
    if fits:
        assert read_diff(patch, ["/home/x/pipes/.aexl.yaml"])
    else:
        with pytest.raises(Invalid, match="touches"):
            read_diff(patch, ["/home/x/pipes/.aexl.yaml"])


def test_a_fence_within_a_longer_fence_is_text():
    answer = "````yaml\npipeline:\n  - id: a\n    prompt: |\n```\ncode\n```\n````"
    assert read_answer(answer).text == "pipeline:\n  - id: a\n    prompt: |\n```\ncode\n```\n"


def test_an_answer_in_json_will_do():
    assert read_answer('{"patch": "@@"}') == ("patch", "@@")
    assert read_answer('{"file": "pipeline: []"}') == ("file", "pipeline: []")


def meaning(text):
    report = Report()
    tree = read_yaml(Source("f", text), report)
    return None if tree is None or report.problems else as_json(tree)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a: 1", "a: 1 # one", "# top", "b:", "  - x # y", "  - 'z # no'", "c: |", "  # in", ""]))
)
def test_comments_that_are_put_back_change_no_meaning(lines):
    old = "\n".join(lines) + "\n"
    new = "\n".join(line for line in lines if not line.startswith("#")) + "\n"
    assert keep_comments(old, old) == old
    assert meaning(keep_comments(old, new)) == meaning(new)
