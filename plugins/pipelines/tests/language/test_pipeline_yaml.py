"""YAML with places: what is read, what is refused, and how long hostile files take."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl_pipelines.language.problems import Report
from aexl_pipelines.language.reading import DEEPEST, LARGEST, MOST_NODES, plain_value, read_yaml
from aexl_pipelines.language.source import Source, as_json
from aexl_pipelines.language.writing import write_tree


def read(text):
    report = Report()
    return read_yaml(Source("f.yaml", text), report), [str(problem) for problem in report.problems]


def test_everything_knows_where_it_stands():
    tree, found = read("a:\n  - b: 'c'\n")
    inner = tree.values["a"].items[0].values["b"]
    assert (found, inner.line, inner.column, inner.value) == ([], 2, 8, "c")


def test_a_place_in_a_text_is_found_in_plain_quoted_and_block_texts():
    tree, _ = read("a: one two\nb: 'one two'\nc: |\n  zero\n  one two\n")
    places = [tree.values[key].place_of(tree.values[key].text.index("two")) for key in "abc"]
    assert [(place.line, place.column) for place in places] == [(1, 8), (2, 9), (5, 7)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("012", 12),
        ("1e3", 1000.0),
        ("~", None),
        ("True", True),
        (".5", 0.5),
        ("", None),
        ("0x1F", "0x1F"),
    ],
)
def test_plain_texts_mean_what_yaml_1_2_says(text, value):
    assert plain_value(text) == value


def test_the_halves_that_json_writes_are_one_character():
    tree, found = read(r'a: "\ud83d\ude00 \U0001f600"')
    assert (found, as_json(tree)) == ([], {"a": "😀 😀"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "f.yaml:2:1: the key 'a' stands here twice; the first is in line 1"),
        ("a: !python/object x\n", "f.yaml:1:4: the tag '!python/object' means nothing here"),
        ('a: "half \\ud83d"', "f.yaml:1:4: this text has half a surrogate pair, which is no character"),
        ("a: *b\n", "f.yaml:1:4: the alias *b has no anchor before it"),
        ("a: &x {b: *x}\n", "f.yaml:1:11: the alias *x stands inside of what it repeats"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a file holds one pipeline; this is a second document"),
        ("? [a]\n: 1\n", "f.yaml:1:3: a key must be a text"),
        ("a: b: c\n", "f.yaml:1:5: this is not YAML: mapping values are not allowed here"),
        ("", "f.yaml:1:1: the file is empty"),
        ("a: \x07\n", "f.yaml:1:4: this is not YAML"),
    ],
)
def test_what_is_not_taken_is_said_with_its_place(text, expected):
    _, found = read(text)
    assert any(line.startswith(expected) for line in found), found


def test_several_mistakes_of_yaml_are_several_problems():
    _, found = read("a: 1\na: 2\nb: *c\nd: !e f\n")
    assert len(found) == 3


def test_aliases_and_merge_keys_share_values():
    tree, found = read("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n")
    assert (found, as_json(tree)) == ([], {"x": {"a": 1, "b": 2}, "y": {"b": 3, "a": 1}})


def test_the_bounds_hold_at_their_edges():
    def levels(count):
        return read("[" * count + "]" * count)[1]

    assert levels(DEEPEST + 1) == []
    assert "nested more than" in levels(DEEPEST + 2)[0]
    doubled = "a: &a [" + ", ".join("x" * 99) + "]\n"
    most = (MOST_NODES - 103) // 102
    assert read(doubled + "".join(f"b{n}: *a\n" for n in range(most // 2)))[1] == []
    assert "more than 60000 keys" in read(doubled + "".join(f"b{n}: *a\n" for n in range(most + 10)))[1][0]
    assert "characters" in read("#" * (LARGEST + 1))[1][0]


HOSTILE = {
    "billion laughs": "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "deep brackets": "[" * 500_000,
    "deep braces": "{a: " * 200_000,
    "deep dashes": "- " * 400_000,
    "many keys": "".join(f"k{n}:\n" for n in range(120_000)),
    "comments": "# c\n" * 250_000,
    "one long text": 'a: "' + "x\\n" * 300_000 + '"',
    "one long word": "a" * 1_000_000,
    "blank lines": "'" + "\n" * 900_000,
    "anchors": "&a " * 300_000,
    "question marks": "? " * 400_000,
    "tabs": "a:\n" + "\t" * 900_000 + "b",
    "one line of items": "[" + "a," * 500_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_or_read_in_bounded_time(name):
    begun = time.process_time()
    tree, found = read(HOSTILE[name])
    assert tree is not None or found
    assert time.process_time() - begun < 20


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`,?# \n\t\r~0.<\\é\x00\u2028\ufeff"), max_size=60))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_gives_a_tree_or_a_problem_and_never_a_crash(text):
    tree, found = read(text)
    assert tree is not None or found


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=8,
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_reads_as_the_same(as_tree, value):
    text = write_tree(as_tree(value))
    tree, found = read(text)
    assert found == []
    assert as_json(tree) == value
