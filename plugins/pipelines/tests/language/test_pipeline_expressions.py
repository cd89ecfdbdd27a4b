"""The full grammar, ail's grammar, templates and shell lines."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexl_pipelines.language.conditions import condition_holds, parse_condition
from aexl_pipelines.language.expressions.errors import ExpressionError, NotComparable, Unresolved
from aexl_pipelines.language.expressions.evaluating import evaluate, holds
from aexl_pipelines.language.expressions.formatting import format_expression
from aexl_pipelines.language.expressions.parsing import DEEPEST, parse_expression
from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.expressions.references import Reference, look_up, parse_reference
from aexl_pipelines.language.expressions.tree import (
    Comparison,
    Constant,
    Emptiness,
    Junction,
    Listed,
    Matching,
    Negation,
    Word,
)
from aexl_pipelines.language.shell import render_shell
from aexl_pipelines.language.templates import parse_template

VALUES = {
    "step": {
        "review": {"response": '```json\n{"score": 3, "tags": ["x", "y"], "by": {"name": "Ann"}}\n```'},
        "tests": {"stdout": "2 failed\n", "stderr": "warning", "exit_code": 1},
        "list": {"response": "[1, 2]"},
        "a.b": {"response": "dotted"},
        "gone": {"status": "skipped"},
        "loop::fix": {"response": "inner"},
    },
    "last_response": "All OK",
    "inputs": {"level": 5, "name": "x"},
    "code_changed": True,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("step.review.score >= 3 and not (step.tests.exit_code == 0)", True),
        ("step.review.json.tags[1] == 'y'", True),
        ("step.review.by.name == 'Ann'", True),
        ("'x' in step.review.tags", True),
        ("inputs.level not in [1, 2, '5']", False),
        ("last_response contains 'ok' or never", True),
        ("last_response matches /^all/i and last_response not matches /^all/", True),
        ("step.tests.result starts_with '2 FAILED'", True),
        ("step.list.items is not empty", True),
        ("step.gone.response == '' and step.gone.response is empty", True),
        ("'10' > '9' and 'b' > 'a'", True),
        ("step.tests.stdout == '2 failed'", True),
        ("true == 1", False),
        ("if_code_changed", True),
        ("{{ inputs.level }} == 5.0", True),
        ("step.loop::fix.response == 'inner'", True),
        ("step.a.b.response == 'dotted'", True),
        ("[] or {}".replace("{}", "''"), False),
    ],
)
def test_an_expression_says_what_it_says(text, expected):
    assert holds(parse_expression(text), VALUES) is expected


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("1 < 2 < 3", 6, "an order compares two values"),
        ("foo == 1", 0, "in quotes if it is a text"),
        ("step.a.b = 1", 9, "write =="),
        ("last_response &", 14, "write and"),
        ("(last_response", 14, "to close the parenthesis"),
        ("last_response is full", 17, "'empty' is missing"),
        ("last_response matches /(a/", 22, "failed to compile"),
        ("last_response matches /(?=a)/", 22, "look-around"),
        ("last_response matches /a/g", 22, "the flag 'g'"),
        ("'open", 0, "no closing quote"),
        ("not", 3, "a value is missing"),
        ("[1, 2", 5, "',' or ']'"),
        ("1e999", 0, "too large"),
        ("", 0, "a value is missing"),
        ("'\\q'", 1, "the escape"),
    ],
)
def test_a_mistake_in_an_expression_is_said_at_its_character(text, offset, message):
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert caught.value.offset == offset
    assert message in f"{caught.value.message}; {caught.value.suggestion}"


def test_nesting_and_length_have_an_edge():
    parse_expression("(" * DEEPEST + "1" + ")" * DEEPEST)
    for text in ("(" * 500 + "1", "not " * 500 + "1", "[" * 500, "1 == " + "'" + "x" * 10_001):
        with pytest.raises(ExpressionError):
            parse_expression(text)


def test_values_without_an_order_are_an_error_and_unknown_names_too():
    with pytest.raises(NotComparable):
        holds(parse_expression("step.review.tags < 3"), VALUES)
    with pytest.raises(Unresolved, match=r"step\.nobody\.response"):
        holds(parse_expression("step.nobody.response == 1"), VALUES)


def test_a_pattern_that_is_slow_elsewhere_is_not_slow_here():
    evaluate(parse_expression("last_response matches /^(a+)+$/"), {"last_response": "a" * 50_000 + "b"})
    assert evaluate(parse_expression("last_response matches /b/"), {"last_response": "\ud800b"}) is True


names = st.sampled_from(["step", "inputs", "env"])
parts = st.one_of(st.integers(0, 99), st.text(min_size=1, max_size=6).filter(lambda text: text == text.strip()))
references = st.builds(lambda root, rest: Reference((root, *rest)), names, st.lists(parts, max_size=3)).filter(
    lambda each: each.parts[0] != "input"
)
texts = st.text(max_size=10)
constants = st.builds(
    Constant,
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**15), 10**15),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
)
patterns = st.builds(
    Pattern, st.sampled_from(["a/b", "x+", "\\d", "[/]", "a\\/b", "(?:a|b)"]), st.sampled_from(["", "i", "ims"])
)
values = st.recursive(
    st.one_of(constants, references, st.builds(Word, st.sampled_from(["always", "never", "if_code_changed"]))),
    lambda inner: st.builds(lambda items: Listed(tuple(items)), st.lists(inner, max_size=3)),
    max_leaves=4,
)


def _grown(inner):
    joined = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        st.builds(Negation, inner),
        st.builds(lambda operands: Junction("or", tuple(operands)), joined),
        st.builds(lambda operands: Junction("and", tuple(operands)), joined),
        st.builds(Comparison, st.sampled_from(["==", "<", ">="]), values, values),
        st.builds(Comparison, st.sampled_from(["in", "contains", "starts_with"]), inner, values, st.booleans()),
        st.builds(Emptiness, inner, st.booleans()),
        st.builds(Matching, inner, patterns, st.booleans()),
    )


@given(st.recursive(values, _grown, max_leaves=8))
@settings(max_examples=200, deadline=None)
def test_an_expression_that_is_written_reads_as_the_same(expression):
    text = format_expression(expression)
    again = parse_expression(text)
    assert format_expression(again) == text
    assert _patternless(again) == _patternless(expression)


def _patternless(expression):
    """Where it stands makes no difference, and a slash in a pattern may be written with or without its backslash."""
    return re.sub(r"offset=\d+", "", repr(expression)).replace("\\\\/", "/")


@given(st.text(alphabet=st.sampled_from("ab.[]()'\"/\\<>=! 019 notinmatchesandoriseptyfalse{}|,&é\n"), max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_expression_or_an_error_with_a_place_in_it(text):
    for parse in (parse_expression, parse_condition, parse_template):
        with contextlib.suppress(ExpressionError):
            parse(text)
            continue
        with pytest.raises(ExpressionError) as caught:
            parse(text)
        assert 0 <= caught.value.offset <= len(text)


def test_names_are_split_at_dots_and_brackets_and_early_spellings_are_modern():
    assert parse_reference('step["my id"].x[0]').parts == ("step", "my id", "x", 0)
    assert str(parse_reference('step["my id"].x[0]')) == 'step["my id"].x[0]'
    assert str(parse_reference("session.invocation_prompt")) == "step.invocation.prompt"
    assert str(parse_reference("input.x")) == "inputs.x"
    assert look_up(parse_reference("step.list.items"), VALUES) == [1, 2]
    for text in ("", ".", "a.", "a..b", "[0]", "a[", "a]b"):
        with pytest.raises(ExpressionError):
            parse_reference(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("always", True),
        ("never", False),
        ("if_code_changed", True),
        ("if_last_response_empty", False),
        ("{{ last_response }} contains 'ok'", True),
        ("{{ last_response }} == ' All OK '", True),
        ("{{ last_response }} == all ok", False),
        ("{{ last_response }} starts_with ALL", True),
        ("{{ last_response }} ends_with ok", True),
        ("{{ step.tests.exit_code }} != 0", True),
        ("{{ last_response }} matches /l o/i", True),
        ("a/b matches /a/b/", True),
        ("one and two == one and two", True),
        ("{{ last_response }} contains {{ inputs.name }}", False),
        ("{{ step.gone.response }} == ''", True),
        ("1 < 2 == 1 < 2", True),
    ],
)
def test_ails_grammar_is_kept_to_the_letter(text, expected):
    assert condition_holds(parse_condition(text), VALUES) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("if_code_chnged", "did you mean 'if_code_changed'"),
        ("a and b", "belong to 'if:'"),
        ("== x", "nothing stands before"),
        ("x ==", "nothing stands after"),
        ("x matches a", "no pattern"),
        ("x matches /a/g", "the flag 'g' is not supported"),
        ("x matches /a/x", "the flag 'x' is not supported"),
        ("x matches /(/", "failed to compile"),
        ("{{ == b", "is not closed"),
    ],
)
def test_what_is_no_condition_says_why(text, message):
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text)
    assert message in f"{caught.value.message}; {caught.value.suggestion}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ last_response }}, {a} and {{step.tests.exit_code}}", "All OK, {a} and 1"),
        ("{{ step.review.tags }}", '["x", "y"]'),
        ("{{ step.nobody.x | default('none }}') }}!", "none }}!"),
        ("{{ step.gone.response | default(inline: nothing) }}", "nothing"),
        ("{{ last_response | json }}", '"All OK"'),
        ("{{ last_response | quote }}", "'All OK'"),
        ('{{ "{{" }} x }}', "{{ x }}"),
        ("it's {{ last_response }}, isn't it? {{ inputs.name }}", "it's All OK, isn't it? x"),
        ("{{ step.a.b.response }}", "dotted"),
    ],
)
def test_a_template_is_filled_in(text, expected):
    assert parse_template(text).render(VALUES) == expected


def test_a_missing_value_is_never_an_empty_text():
    for text in ("{{ step.nobody.response }}", "{{ step.gone.response }}", "{{ env.X }}"):
        with pytest.raises(Unresolved):
            parse_template(text).render(VALUES)


def test_what_is_put_in_is_not_a_template():
    assert parse_template("{{ last_response }}").render({"last_response": "{{ env.KEY }}"}) == "{{ env.KEY }}"


def test_a_template_that_is_one_name_gives_the_value_itself():
    assert parse_template(" {{ step.list.items }} ").value(VALUES) == [1, 2]


NASTY = ["$(touch bad)", "`touch bad`", "'; touch bad; '", '"; touch bad; "', "a b  c\n*", "\\", "${HOME}", "é"]


@pytest.mark.slow
@pytest.mark.parametrize("quotes", ["{}", '"{}"', "'{}'", 'x"y{}z"'])
def test_no_value_is_ever_run_by_a_shell(tmp_path, quotes):
    line = parse_template("printf '%s' " + quotes.replace("{}", "{{ last_response | quote }}"))
    for value in NASTY:
        command, variables = render_shell(line, {"last_response": value})
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env={"PATH": os.environ["PATH"], **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert value in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_value_in_a_shell_line_keeps_its_default():
    line = parse_template("echo {{ inputs.absent | default('none') | quote }}")
    assert render_shell(line, VALUES) == ('echo "${AEXL_VALUE_1}"', {"AEXL_VALUE_1": "none"})
    assert json.dumps(render_shell(line, VALUES).variables)
