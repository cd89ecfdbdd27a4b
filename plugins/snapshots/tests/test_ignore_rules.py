"""What the differential test cannot say: limits, time, and the examples of gitignore(5)."""

from __future__ import annotations

import time

import pytest

from aexl.errors import Invalid
from aexl_snapshots.worktree.credentials import DEFAULT_RULES
from aexl_snapshots.worktree.ignore import LARGEST, RuleFile, Rules

MIB = 1024 * 1024


def ignored(rules, path, *, folder=False):
    return Rules.of(rules).ignore(path.rpartition(b"/")[2], path, folder)


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        (b"hello.*", b"a/hello.c", True),
        (b"/hello.*", b"a/hello.c", False),
        (b"/hello.*", b"hello.c", True),
        (b"doc/frotz", b"a/doc/frotz", False),
        (b"**/foo/bar", b"x/y/foo/bar", True),
        (b"a/**/b", b"a/b", True),
        (b"a/**/b", b"a/x/y/b", True),
        (b"abc/**", b"abc/x/y", True),
        (b"foo/*", b"foo/a/b", False),
        (b"*.log\n!keep.log", b"keep.log", False),
        (b"\\#a", b"#a", True),
        (b"\\!a", b"!a", True),
        (b"a\\ ", b"a ", True),
        (b"a ", b"a", True),
        (b"a\\", b"a\\", False),
        (b"# a", b"# a", False),
        (b"build/", b"build", False),
    ],
)
def test_the_manual_holds(rules, path, expected):
    assert ignored(rules, path) is expected


def test_a_slash_at_the_end_means_folders_only():
    assert ignored(b"build/", b"build", folder=True)


def test_a_nested_file_wins_over_its_parents_and_is_anchored_where_it_lies():
    rules = Rules.of(b"*.log").below(b"sub/", b"!a.log\n/b")
    assert not rules.ignore(b"a.log", b"sub/a.log", False)
    assert rules.ignore(b"c.log", b"sub/c.log", False)
    assert rules.ignore(b"b", b"sub/b", False)
    assert not rules.ignore(b"b", b"sub/deep/b", False)


@pytest.mark.parametrize(
    "piece", [b"*", b"*a", b"?", b"[a]", b"[[:", b"a*", b"**/", b"[", b"\\a", b"*a/", b"a**", b"*?"]
)
def test_a_mebibyte_of_wildcards_is_judged_at_once(piece):
    text = (piece * MIB)[:MIB]
    path = b"/".join([b"a" * 100] * 40)
    started = time.process_time()
    rules = Rules.of(text)
    for _ in range(3):
        rules.ignore(b"a" * 100, path, False)
    assert time.process_time() - started < 0.5


def test_an_ignore_file_has_a_size_limit():
    assert not RuleFile(b"#" * LARGEST)
    with pytest.raises(Invalid, match=str(LARGEST)):
        RuleFile(b"#" * (LARGEST + 1))


@pytest.mark.parametrize("name", [b".env", b".env.local", b"server.pem", b"id_rsa", b"a/.netrc", b"x/credentials.json"])
def test_the_defaults_ignore_secrets(name):
    assert ignored(DEFAULT_RULES.encode(), name)


@pytest.mark.parametrize("name", [b".env.example", b"env.py", b"keys.py", b"id_rsa.pub", b".aexlignore"])
def test_the_defaults_ignore_nothing_else(name):
    assert not ignored(DEFAULT_RULES.encode(), name)
