"""Case files that load, and what they mean; files that do not, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aexl.errors import Invalid, NotFound
from aexl_pipelines.cases import vocabulary
from aexl_pipelines.cases.discovery import find_case_files
from aexl_pipelines.cases.loading import Overrides, beside_of
from aexl_pipelines.cases.schema import cases_schema, cases_specification
from aexl_pipelines.cases.vocabulary import RECORDS
from aexl_pipelines.language.problems import InvalidPipeline, Report
from aexl_pipelines.language.reading import read_yaml
from aexl_pipelines.language.source import Source, as_json

REFERENCE = Path(__file__).parents[4] / "docs" / "reference"
TEMPLATES = Path(__file__).parents[2] / "aexl_pipelines" / "templates"

PIPELINE = """
    pipeline:
      - id: invocation
        prompt: "{{ step.invocation.prompt }}"
      - id: review
        skill: ail/code_review
        on_result: [{contains: VULN, action: pause_for_human}]
      - id: loop
        do_while:
          max_iterations: 3
          exit_if: step.fix.response == "ok"
          steps: [{id: fix, prompt: x}]
      - id: call
        pipeline: helper
    pipelines:
      helper: [{id: only, prompt: x}]
    inputs: {count: {type: int, default: 3}}
    outputs: {verdict: "{{ step.review.response }}"}
"""

EVERYTHING = """
    version: "1"
    description: Everything.
    pipeline: p.yaml
    defaults:
      timeout: 30s
      answers: {review: fine}
      env: {A: one, B: two}
      expect: {steps: {review: completed}, max_cost: 0}
    matrix: {runner: [stub, declared], model: [small, large]}
    cases:
      - name: all of it
        prompt: Do it
        inputs: {count: 4}
        files: {a.txt: text, sub/b.txt: ./p.yaml}
        answers:
          loop::fix: [no, {text: ok, files: {c.txt: x, a.txt: null}}]
          "*": {json: {a: 1}, input_tokens: 3, output_tokens: 4, cost: 0.01, seconds: 0}
        gates: {review: approve, "*": [{edit: new, reason: why}, reject]}
        env: {B: three}
        budget: 1
        expect:
          contains: [a, b]
          not_contains: c
          matches: /x/i
          status: completed
          exit_code: 0
          message: {is_empty: true}
          outputs: {verdict: {starts_with: fi}}
          steps:
            loop#2::fix: {equals: ok, branch: none}
            review: {contains: fine, prompt: Do it, branch: 1, asked: true, json: {"a[0].b": 3}}
            call/only: {schema: {type: object}}
          files: {a.txt: absent, c.txt: {equals: x}}
          changed: [a.txt, c.txt]
          holds: [inputs.count > 3, "step.review.response contains 'fine'"]
          max_duration: 10s
          max_tokens: 100
          max_calls: 9
          max_cost: 0.10
      - name: short
        skip: not yet
"""


def test_a_case_file_is_read_whole(write, loader):
    found = loader()
    trials = found.trials(write(PIPELINE, EVERYTHING))

    assert found.report.problems == ()
    assert [trial.name for trial in trials[:4]] == [
        "all of it (runner=stub, model=small)",
        "all of it (runner=stub, model=large)",
        "all of it (runner=declared, model=small)",
        "all of it (runner=declared, model=large)",
    ]
    first, short = trials[0], trials[4]
    setup = first.case.setup
    assert (setup.timeout, setup.budget, dict(first.inputs)) == (30.0, 1_000_000_000, {"count": 4})
    assert (setup.files["a.txt"], "pipeline:" in setup.files["sub/b.txt"]) == ("text", True)
    assert setup.env == {"A": "one", "B": "three"}
    assert setup.answers["loop::fix"][1].files == {"c.txt": "x", "a.txt": None}
    assert setup.answers["*"][0].text == '{"a":1}'
    assert [answer.choice for answer in setup.gates["*"]] == ["edit", "reject"]
    assert (short.case.skip, dict(short.inputs)) == ("not yet", {"count": 3})
    titles = [check.title for check in setup.checks]
    assert titles.count("run: max_cost $0.10") == 1
    assert not any("max_cost $0.00" in title for title in titles)
    assert {"answer: contains a", "answer: contains b", "step review: status completed"} <= set(titles)
    assert {"step review: json a[0].b = 3", "asked of review: contains Do it", "file a.txt: absent"} <= set(titles)


def test_every_check_knows_its_line(write, loader):
    path = write(PIPELINE, EVERYTHING)
    lines = path.read_text().splitlines()
    for check in loader().trials(path)[0].case.setup.checks:
        assert any(word in lines[check.place.line - 1] for word in (check.what, check.name, str(check.wanted)))


def test_the_command_line_counts_before_the_matrix(write, loader):
    path = write(PIPELINE, EVERYTHING)
    trials = loader().trials(path, Overrides(runners=("claude",), models=("m1", "m2")))
    assert [(trial.runner, trial.model) for trial in trials[:2]] == [("claude", "m1"), ("claude", "m2")]


def test_every_mistake_is_reported_with_its_place_and_a_suggestion(problems):
    found = problems(
        PIPELINE,
        """
        cases:
          - name: one
            promt: x
            inputs: {cuont: 3}
            runner: claud
            answers: {reviw: a}
            gates: {review: maybe}
            expect:
              steps: {review: complet, lop: ran, call/onyl: ran}
              outputs: {verdct: a}
              holds: step.reviw.response == "a"
              max_cost: free
              json: [a]
              matches: /(/
              files: {../x: exists}
          - name: one
            inputs: {count: many}
            folder: ./absent
        """,
    )
    assert [line.split(" ", 1)[0] for line in found] == [
        "4:5:", "5:14:", "6:5:", "7:15:", "8:21:", "10:23:", "10:32:", "10:42:", "11:17:", "12:14:", "13:17:",
        "14:13:", "15:16:", "16:15:", "17:5:", "18:14:", "19:13:",
    ]  # fmt: skip
    assert "did you mean 'prompt'?" in found[0]
    assert "did you mean 'claude'?" in found[2]
    assert "did you mean 'review'?" in found[3]
    assert "did you mean 'call/only'?" in found[7]
    assert "did you mean 'verdict'?" in found[8]


def test_what_is_wrong_with_the_pipeline_is_wrong_with_its_cases(write, loader):
    found = loader()
    found.trials(write("pipeline: [{id: a, promt: x}]", "cases: [{name: a}, {name: b}]"))
    with pytest.raises(InvalidPipeline, match=r"the cases have 1 problem:\n  p\.yaml:1:20: .*'prompt'") as caught:
        found.unwrap()
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ("cases: []", "cases must have at least 1 entry"),
        ("version: '1'", "the file needs the key 'cases'"),
        ("cases: [{prompt: x}]", "needs the key 'name'"),
        ("cases: [{name: a, pipeline: q.yaml}]", "there is no file q.yaml"),
        ("cases: [{name: a, gates: {review: {choice: edit}}}]", "an edit needs the text"),
        ("cases: [{name: a, answers: {review: {text: a, json: b}}}]", "'text' or 'json', not both"),
        ("cases: [{name: a, answers: {review: {message: b}}}]", "'message' goes with 'error'"),
        ("cases: [{name: a, prompt: ./absent.md}]", "there is no file absent.md"),
        ("cases: [{name: a, folder: 3}]", "there is no folder 3"),
        ("- 1", "the file must be a mapping with 'cases:'"),
        ("cases: [{name: a, expect: {steps: {review: {branch: 0}}}}]", "branch must be the number of a branch"),
    ],
)
def test_what_cannot_be_is_refused(problems, cases, said):
    assert any(said in line for line in problems(PIPELINE, cases))


def test_an_input_that_is_required_must_be_given(problems):
    pipeline = "inputs: {word: {}}\npipeline: [{id: a, prompt: '{{ inputs.word }}'}]"
    assert problems(pipeline, "cases: [{name: a}]") == [
        "1:9: the input 'word' of p.yaml is missing; add word: and a value to 'inputs:'"
    ]
    assert problems(pipeline, "cases: [{name: a, inputs: {word: b}}]") == []


def test_a_file_may_have_just_so_many_cases(problems, monkeypatch):
    monkeypatch.setattr(vocabulary, "MOST_CASES", 3)

    def cases(count):
        return "cases: [" + ", ".join(f"{{name: c{number}}}" for number in range(count)) + "]"

    assert problems(PIPELINE, cases(3)) == []
    assert any("at most 3 cases" in line for line in problems(PIPELINE, cases(4)))


def test_below_a_call_that_is_known_only_when_it_runs_any_step_may_be(problems):
    pipeline = "pipeline: [{id: invocation, prompt: x}, {id: call, pipeline: './{{ last_response }}.yaml'}]"
    assert problems(pipeline, "cases: [{name: a, expect: {steps: {call/any: ran}}}]") == []
    assert problems(pipeline, "cases: [{name: a, expect: {steps: {cal/any: ran}}}]") != []


def test_a_pipeline_is_found_beside_its_cases(tmp_path):
    for name in ("a.yaml", "b.ail.yaml", ".aexl.yaml"):
        (tmp_path / name).touch()
    assert beside_of(tmp_path / "a.cases.yaml") == tmp_path / "a.yaml"
    assert beside_of(tmp_path / "b.cases.yml") == tmp_path / "b.ail.yaml"
    assert beside_of(tmp_path / ".aexl.cases.yaml") == tmp_path / ".aexl.yaml"
    assert beside_of(tmp_path / "c.cases.yaml") is None


def test_case_files_are_found_where_pipelines_are(tmp_path):
    for name in (".aexl.cases.yaml", ".aexl/deep/x.cases.yaml", "src/y.cases.yaml", "src/node_modules/z.cases.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def names(*given):
        return [path.relative_to(tmp_path).as_posix() for path in find_case_files(given, tmp_path)]

    assert names() == [".aexl.cases.yaml", ".aexl/deep/x.cases.yaml"]
    assert names(tmp_path / "src") == ["src/y.cases.yaml"]
    assert names(tmp_path / "src/y.cases.yaml", tmp_path / "src") == ["src/y.cases.yaml"]
    (tmp_path / "empty/.git").mkdir(parents=True)
    with pytest.raises(NotFound, match="there are no cases"):
        find_case_files([], tmp_path / "empty")
    with pytest.raises(NotFound, match="no file or folder"):
        names(tmp_path / "absent")
    (tmp_path / "plain.yaml").touch()
    with pytest.raises(Invalid, match=r"must end with \.cases\.yaml"):
        names(tmp_path / "plain.yaml")


def test_without_names_the_cases_of_the_folder_and_of_those_above_it_count(tmp_path):
    for name in (".git/x", "r.cases.yaml", "a/.ail/b.cases.yaml", "a/b/c.cases.yaml", "a/other/d.cases.yaml"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).touch()
    (tmp_path / "outside.cases.yaml").touch()
    found = find_case_files([], tmp_path / "root/a/b")
    assert [path.name for path in found] == ["c.cases.yaml", "b.cases.yaml", "r.cases.yaml"]


def test_the_page_and_the_schema_are_those_of_the_tables():
    assert (REFERENCE / "pipeline-cases.md").read_text() == cases_specification("prose")
    assert (REFERENCE / "pipeline-cases.schema.json").read_text() == cases_specification("schema")


@pytest.fixture(scope="module")
def validator():
    Draft202012Validator.check_schema(cases_schema())
    return Draft202012Validator(cases_schema())


def value_of(text):
    return as_json(read_yaml(Source("f", text), Report()))


def test_the_schema_takes_what_the_loader_takes(validator):
    texts = [EVERYTHING, *(path.read_text() for path in TEMPLATES.glob("*.cases.yaml"))]
    assert len(texts) >= 5
    for text in texts:
        assert [error.message for error in validator.iter_errors(value_of(text))] == []


keys = st.sampled_from([*sorted({key.name for record in RECORDS for key in record.keys}), "x-a", "review", "*", ""])
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.floats(-2, 9),
    st.sampled_from(
        ["review", "approve", "/a/", "./x", "5m", "step.a == 3", "stub", "none", "", "../a", "./\0", "ran"]
    ),
)


def grown(inner):
    return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4)


@given(st.lists(st.dictionaries(keys, st.recursive(leaves, grown, max_leaves=12), max_size=6), max_size=3))
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_tree_is_cases_or_problems_with_places_and_never_a_crash(write, loader, validator, cases):
    text = json.dumps({"cases": [{"name": f"c{number}", **case} for number, case in enumerate(cases)]})
    found = loader()
    found.trials(write(PIPELINE, text))
    assert all(problem.place.line >= 1 and problem.message for problem in found.report.problems)
    if not found.report.problems:
        assert list(validator.iter_errors(value_of(text))) == []
