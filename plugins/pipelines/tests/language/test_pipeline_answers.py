"""Texts that are JSON, and what of them UTF-8 can have."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl_pipelines.language.answers import decode_answer, decode_json, whole_text
from aexl_pipelines.language.expressions.references import look_up, parse_reference
from aexl_pipelines.language.expressions.tokens import split, unquote
from aexl_pipelines.language.templates import parse_template


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{"a": "half \ud83d"}', {"a": "half \ufffd"}),
        (r'["\udc00x", "\ud83d\ude00"]', ["\ufffdx", "😀"]),
        (r'{"\ud83d": 1e3}', {"\ufffd": 1000.0}),
        (r'"\\ud83d \u00e9"', "\\ud83d é"),
        ('```json\n{"a": 1}\n```', {"a": 1}),
    ],
)
def test_what_json_names_and_no_text_can_have_is_replaced(text, value):
    assert decode_answer(text) == value


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_made_whole_and_any_value_written(text):
    whole = whole_text(text)
    assert whole.encode().decode() == whole
    assert whole_text(whole) == whole
    value = decode_json(json.dumps({text: [text]}))
    assert json.dumps(value, ensure_ascii=False).encode()


def test_names_and_quoted_texts_of_the_language_are_whole():
    assert look_up(parse_reference("step.a.b"), {"step": {"a": {"response": r'{"b": "\ud83d"}'}}}) == "\ufffd"
    assert str(parse_reference(r'step["\ud83d"]')).encode()
    assert unquote(split(r'"\ud83d \ud83d\ude00"')[0]) == "\ufffd 😀"
    assert parse_template(r'{{ "\ud83d" }}').render({}) == "\ufffd"
