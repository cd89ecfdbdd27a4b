"""The JSON Schema, the page and the spec are made of the tables, and agree with the loader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl_pipelines.language.problems import Report
from aexl_pipelines.language.reading import read_yaml
from aexl_pipelines.language.records import Record
from aexl_pipelines.language.schema import pipeline_schema
from aexl_pipelines.language.source import Source, as_json
from aexl_pipelines.language.specification import section, sections, specification
from aexl_pipelines.language.vocabulary.files import FILE, RECORDS
from aexl_pipelines.language.words import PARTS, is_part
from aexl_pipelines.language.writing import write_tree

FOLDER = Path(__file__).parent / "files"
REFERENCE = Path(__file__).parents[4] / "docs" / "reference"


@pytest.fixture(scope="module")
def validator():
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(pipeline_schema())
    return Draft202012Validator(pipeline_schema())


def value_of(text):
    return as_json(read_yaml(Source("f", text), Report()))


def test_the_published_schema_is_that_of_the_tables():
    assert (REFERENCE / "pipeline.schema.json").read_text() == specification("schema")


def test_the_page_is_that_of_the_tables():
    assert (REFERENCE / "pipelines.md").read_text() == specification("prose")


def test_the_schema_takes_every_file_that_the_loader_takes(validator, files_folder):
    files = sorted(files_folder.glob("*/*.yaml")) + sorted(files_folder.glob("ail/.ail/*/*.yaml"))
    assert len(files) > 12
    for path in files:
        faults = [error.message for error in validator.iter_errors(value_of(path.read_text()))]
        assert (faults == []) is (path.parent.name != "wrong"), (path, faults[:2])


@pytest.mark.parametrize(
    "text",
    [
        "pipeline: [{id: a, promt: x}]",
        "pipeline: [{id: a}]",
        "pipeline: [{id: a, prompt: x, action: join}]",
        "pipeline: []",
        "version: '1'",
        "pipeline: [{id: a, prompt: x, on_error: explode}]",
        "pipeline: [{id: a, prompt: x, sampling: {top_p: 2}}]",
        "pipeline: [{id: a, prompt: x, on_result: [{action: break}]}]",
        "pipeline: [{id: a, prompt: x, on_result: [{contains: a, matches: /b/, action: break}]}]",
        "pipeline: [{id: a, prompt: x, timeout: soon}]",
        "pipeline: [{id: a, context: {}}]",
        "pipeline: [{id: a, prompt: x, async: 'yes'}]",
        "pipelin: [{id: a, prompt: x}]",
        "budget: -1\npipeline: [{id: a, prompt: x}]",
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(validator, problems, text):
    assert list(validator.iter_errors(value_of(text)))
    assert problems(text)


def test_every_table_is_published_and_every_key_is_explained():
    page = specification("prose")
    for record in RECORDS:
        assert f"### {record.title}\n" in page
        assert record.slug in pipeline_schema()["$defs"]
        for key in record.keys:
            assert f"| `{key.name}`" in page
            assert key.text.endswith((".", "…"))
    assert len({record.slug for record in RECORDS}) == len(RECORDS)


def test_no_table_is_forgotten():
    found = set()

    def visit(kind):
        if isinstance(kind, Record):
            if kind.slug in found:
                return
            found.add(kind.slug)
            for key in kind.keys:
                visit(key.value)
        for name in ("item", "scalar", "fields", "items"):
            inner = getattr(kind, name, None)
            if inner is not None and not isinstance(inner, str):
                visit(inner)
        if callable(getattr(kind, "inner", None)):
            visit(kind.inner())

    visit(FILE)
    assert found <= {record.slug for record in RECORDS}
    assert {record.slug for record in RECORDS} - found <= {"branch_action"}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_the_spec_is_there(part):
    text = specification(part)
    assert len(text) > 200
    assert "{[" not in text


def test_the_short_form_is_short_and_ails_names_are_taken():
    assert len(specification("core")) < len(specification("compact")) < len(specification("prose"))
    assert is_part("s05")
    assert is_part("r02")
    assert not is_part("s5")
    assert specification("r02") == specification("runner")
    assert all(section(title) for title in sections())
    assert section("nothing") is None


def grown(inner):
    return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4)


keys = st.sampled_from([*sorted({key.name for record in RECORDS for key in record.keys}), "x-a", "typo", ""])
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.floats(-2, 9),
    st.sampled_from(
        [
            "always",
            "{{ last_response }}",
            "a == b",
            "./x",
            "join",
            "pipeline: ./x",
            "",
            "5m",
            "/a/",
            "{{",
            "ail/janitor",
            "retry",
            "~",
            "https://a#b",
            "snapshot:x",
            "a::b",
            "step.a.b < 3",
            "./\0",
            "\ud800",
            "./\ud800/x.yaml",
        ]
    ),
)


@given(
    st.dictionaries(keys, st.recursive(leaves, grown, max_leaves=25), max_size=6),
    st.lists(st.dictionaries(keys, st.recursive(leaves, grown, max_leaves=12), max_size=6), max_size=3),
)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_tree_is_a_pipeline_or_problems_with_places_and_never_a_crash(as_tree, load, validator, root, steps):
    text = write_tree(as_tree({**root, "pipeline": steps, "version": "1"}))
    loaded = load(text)
    assert (loaded.pipeline is None) is bool(loaded.problems)
    for problem in loaded.problems:
        assert problem.place.line >= 1
        assert problem.message
        assert problem.suggestion, problem.message
    if loaded.pipeline is not None:
        assert list(validator.iter_errors(value_of(text))) == []
        json.dumps(value_of(text))


def _places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*path, key))


def _replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(copy[path[0]], path[1:], new)
    return copy


@given(
    st.sampled_from(["current/everything.yaml", "own/additions.yaml"]),
    st.randoms(use_true_random=False),
    leaves | grown(leaves),
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_file_with_anything_put_anywhere_is_a_pipeline_or_problems(
    as_tree, load, validator, whole, name, random, new
):
    value = whole(name)
    path = random.choice(list(_places(value))[1:])
    changed = _replaced(value, path, new)
    loaded = load(write_tree(as_tree(changed)), folder=FOLDER / name.split("/")[0])
    if not loaded.problems:
        assert list(validator.iter_errors(changed)) == []
    assert all(problem.place.line >= 1 for problem in loaded.problems)


@pytest.fixture(scope="module")
def whole():
    values = {name: value_of((FOLDER / name).read_text()) for name in ("current/everything.yaml", "own/additions.yaml")}
    return values.__getitem__
