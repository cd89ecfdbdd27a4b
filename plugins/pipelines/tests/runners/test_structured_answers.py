"""Answers as JSON: found, read, and held to their schema."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl.errors import Invalid
from aexl_pipelines.runners.structured import check_schema, fault_of, find_answer
from aexl_pipelines.runners.stub import example_of

NAMED = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "bob"}',
        '\n  {"name": "bob"}\n',
        '```json\n{"name": "bob"}\n```',
        'Here it is:\n\n```\n{"name": "bob"}\n```\nAnything else?',
        '```json\n{"name": 5}\n```\nNo, rather:\n```json\n{"name": "bob"}\n```',
        'Sure! {"name": "bob"} is the answer.',
    ],
)
def test_the_json_of_an_answer_is_found(text):
    assert find_answer(text, NAMED) == ({"name": "bob"}, "")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("I will not.", "the answer is no JSON"),
        ("", "the answer is no JSON"),
        ('{"name": 5}', "name: 5 is not of type 'string'"),
        ("{}", "'name' is a required property"),
        ("[" * 2000, "the answer is no JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, fault):
    found = find_answer(text, NAMED)

    assert found.value is None
    assert fault in found.fault


@pytest.mark.parametrize("schema", [{"type": "objekt"}, {"properties": 5}, {"$ref": "https://example.invalid/x.json"}])
def test_a_schema_that_is_none_or_refers_elsewhere_is_refused(schema):
    with pytest.raises(Invalid, match="the JSON Schema cannot be used"):
        check_schema(schema)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine may take a second for one value
@given(st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | st.text(), st.lists, max_leaves=5))
def test_every_json_value_comes_back_from_a_fence(value):
    assert find_answer(f"Look:\n```json\n{json.dumps(value)}\n```\n", {}).fault == ""
    assert find_answer(json.dumps(value), {}).value == value


@pytest.mark.parametrize(
    "schema",
    [
        NAMED,
        {"type": "array", "items": {"enum": ["a"]}, "minItems": 2},
        {"type": ["string", "null"], "minLength": 9},
        {"anyOf": [{"const": 5}, NAMED]},
        {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}, "b": {"type": "boolean"}}},
    ],
)
def test_the_stub_finds_an_example(schema):
    assert fault_of(example_of(schema), schema) == ""
