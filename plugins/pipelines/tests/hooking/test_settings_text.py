"""Settings files are changed without touching what is not ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.errors import Invalid
from aexl_pipelines.hooking.jsonc import append, parse, remove

PATH = ("hooks", "Stop")
OURS = {"hooks": [{"type": "command", "command": "aexl"}]}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SETTINGS = st.dictionaries(st.text().filter(lambda key: key != "hooks"), JSON, max_size=4)

COMMENTED = """\
// mine
{
    "model": "opus", // the large one
    /* hooks
       of mine */
    "hooks": {
        "Stop": [
            {"hooks": [{"type": "command", "command": "mine"}]}, // first
        ],
    },
}
"""


def cut(text):
    """Take the last element out again."""
    array = parse(text).member("hooks").member("Stop")
    return remove(text, array, array.children[-1])


def without_empty(text):
    root = parse(text)
    hooks = root.member("hooks")
    stop = hooks.member("Stop")
    if not stop.children:
        if len(hooks.children) == 1:
            return remove(text, root, hooks)
        return remove(text, hooks, stop)
    return text


@given(JSON, st.sampled_from([None, 0, 2, "\t"]))
def test_what_is_json_is_read_as_json(value, indent):
    assert parse(json.dumps(value, indent=indent)).plain() == value


@given(
    SETTINGS,
    st.lists(JSON, max_size=3),
    st.sampled_from([None, 2, 4, "\t"]),
    st.sampled_from(["none", "object", "array"]),
)
def test_what_is_added_is_there_and_taking_it_out_gives_the_same_bytes(settings, entries, indent, there):
    document = dict(settings)
    if there != "none":
        document["hooks"] = {"Other": [1]}
    if there == "array":
        document["hooks"]["Stop"] = entries
    text = json.dumps(document, indent=indent)
    added = append(text, PATH, OURS)
    found = json.loads(added)
    assert found["hooks"]["Stop"][-1] == OURS
    assert {key: value for key, value in found.items() if key != "hooks"} == settings
    removed = cut(added)
    if there == "array" and entries:
        assert removed == text
    elif there != "array":
        assert without_empty(removed) == text


@pytest.mark.parametrize("text", ["", "\n", "{}", "{}\n", "{ }", '{"a": 1}', '{\n  "a": 1\n}\n'])
def test_an_empty_or_short_file_gets_it_and_is_as_before_without_it(text):
    added = append(text, PATH, OURS)
    assert json.loads(added)["hooks"]["Stop"] == [OURS]
    left = without_empty(cut(added))
    assert json.loads(left) == json.loads(text or "{}") if text.strip() else json.loads(left) == {}
    assert left == text or not text.strip() or not json.loads(text)


def test_comments_and_trailing_commas_stay():
    added = append(COMMENTED, PATH, OURS)
    for line in COMMENTED.splitlines():
        assert line.split("//")[0].rstrip().rstrip(",") in added
    assert parse(added).plain()["hooks"]["Stop"][1] == OURS
    assert parse(cut(added)).plain() == parse(COMMENTED).plain()
    assert cut(added) == COMMENTED


@pytest.mark.parametrize(
    "text", ["[1, 2,]", "[1 /* a */]", "[1, /* a */]", "[\n 1, // a\n 2 // b\n]", "[\n 1 // a\n]", "[]"]
)
def test_lists_of_any_style_are_as_before(text):
    document = f'{{"hooks": {{"Stop": {text}}}}}'
    added = append(document, PATH, OURS)
    assert parse(added).plain()["hooks"]["Stop"][-1] == OURS
    assert cut(added) == document


def test_a_comment_between_is_kept():
    text = '{"hooks": {"Stop": [1, /* why */ 2]}}'
    assert cut(text) == '{"hooks": {"Stop": [1 /* why */ ]}}'


def test_the_files_own_indentation_is_used():
    assert '\n\t\t"Stop": [' in append('{\n\t"a": 1\n}', PATH, 1)
    assert '\n        "Stop": [' in append('{\n    "a": 1\n}', PATH, 1)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1",
        '{"a" 1}',
        '{"a": }',
        "{'a': 1}",
        "nope",
        '{"a": 1} x',
        '{"a": "\\x"}',
        "[1 2]",
        "/* open",
        '"\n"',
        "[" * 200,
    ],
)
def test_what_is_no_json_is_refused_with_its_line(text):
    with pytest.raises(Invalid, match=r"settings.json:\d+: it is not JSON"):
        parse(text, "settings.json")


@given(st.text(alphabet='{}[]",:/*\\ \n1atrue', max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        parse(text)
    except Invalid:
        return


@pytest.mark.parametrize("text", ["[]", "1", '{"hooks": []}', '{"hooks": {"Stop": {}}}'])
def test_settings_of_another_shape_are_not_touched(text):
    with pytest.raises(Invalid, match="nothing was changed"):
        append(text, PATH, OURS, "settings.json")
