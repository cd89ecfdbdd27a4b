"""``FROM``, hooks, and what ``show --resolved`` prints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl.errors import Unavailable
from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.language.checking import essence
from aexl_pipelines.language.loading import load_file, load_source
from aexl_pipelines.language.source import Source
from aexl_pipelines.language.writing import write_resolved, write_tree

BASE = """\
version: "1"
defaults: {model: m, tools: {allow: [Read]}, sampling: {top_p: 0.5, temperature: 1}}
pipeline:
  - id: first
    prompt: one
    before: ["think"]
    then:
      - prompt: two
      - {id: named, prompt: three}
  - id: loop
    do_while:
      max_iterations: 2
      exit_when: "{{ last_response }} contains x"
      steps:
        - {id: fix, prompt: mend}
        - {id: test, context: {shell: make}}
  - {id: last, prompt: end, required: true}
pipelines:
  side: [{id: a, prompt: b}]
"""


@pytest.fixture
def inherit(tmp_path, load):
    (tmp_path / "base.yaml").write_text(BASE)

    def heir(text):
        return load("FROM: ./base.yaml\n" + text, "heir.yaml")

    return heir


def ids(steps):
    return [step.path for step in steps]


def test_hooks_happen_in_order_and_the_rest_comes_last(inherit):
    pipeline = inherit(
        "pipeline:\n"
        "  - {id: new, prompt: n}\n"
        "  - {run_before: last, id: b, prompt: b}\n"
        "  - {run_after: last, id: a, prompt: a}\n"
        "  - {override: first, prompt: other}\n"
        "  - {disable: loop}\n"
    ).unwrap()

    assert ids(pipeline.steps) == ["first", "b", "last", "a", "new"]
    assert pipeline.steps[0].body.prompt.template.source == "other"
    assert pipeline.steps[0].then == ()
    assert ids(pipeline.pipelines["side"]) == ["side::a".removeprefix("side::")]


def test_hooks_reach_into_chains_and_loops_by_path(inherit):
    pipeline = inherit(
        "pipeline:\n"
        "  - {override: 'first::then::0', prompt: other}\n"
        "  - {disable: 'first::before::0'}\n"
        "  - {run_before: 'first::then::named', prompt: between}\n"
        "  - {run_after: 'loop::fix', id: more, prompt: x}\n"
        "  - {disable: 'loop::test'}\n"
    ).unwrap()
    first, loop, _ = pipeline.steps

    assert [entry.body.prompt.template.source for entry in first.then] == ["other", "between", "three"]
    assert first.before == ()
    assert ids(loop.body.steps) == ["loop::fix", "loop::more"]


def test_defaults_merge_field_by_field_and_tools_as_a_whole(inherit):
    defaults = inherit("defaults: {tools: {deny: [Bash]}, sampling: {top_p: 0.1}, runner: codex}\n").unwrap().defaults

    assert (defaults.model, defaults.runner) == ("m", "codex")
    assert (defaults.tools.allow, defaults.tools.deny) == ((), ("Bash",))
    assert (defaults.sampling.top_p, defaults.sampling.temperature) == (0.1, 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "pipeline: [{disable: frist}]",
            "heir.yaml:2:22: the base has no step 'frist' to disable; did you mean 'first'?",
        ),
        ("pipeline: [{disable: last}]", "heir.yaml:2:12: the step 'last' is required: an heir cannot disable it"),
        ("pipeline: [{override: last, prompt: x}]", "heir.yaml:2:12: the step 'last' is required"),
        ("pipeline: [{override: first, id: other, prompt: x}]", "heir.yaml:2:34: 'override' keeps the id 'first'"),
        ("pipeline: [{disable: first}, {disable: first}]", "heir.yaml:2:40: disable: first stands here twice"),
        ("pipeline: [{disable: first, run_after: first}]", "a step is one hook"),
        ("pipeline: [{disable: first, prompt: x}]", "'disable' takes nothing away but the step"),
        ("pipeline: [{run_after: first, id: last, prompt: x}]", "the id 'last' is taken"),
        (
            "pipeline: [{run_after: 'loop::fix', id: y, prompt: x}, {override: loop, prompt: x}]",
            "heir.yaml:2:24: the step 'loop::fix' is gone with what it was in",
        ),
    ],
)
def test_a_hook_that_cannot_be_is_a_problem(inherit, text, expected):
    found = [str(problem) for problem in inherit(text + "\n").problems]
    assert any(expected in line for line in found), found


def test_a_named_pipeline_with_a_required_step_cannot_be_replaced(tmp_path, load):
    (tmp_path / "base.yaml").write_text(
        "pipeline: [{id: x, prompt: y}]\npipelines: {side: [{id: a, prompt: b, required: true}]}\n"
    )
    [problem] = load("FROM: base.yaml\npipelines: {side: [{id: c, prompt: d}]}\n").problems
    assert "has the required step 'a'" in problem.message


def test_files_that_inherit_one_another_in_a_circle_are_a_problem(tmp_path, load_path):
    (tmp_path / "a.yaml").write_text("FROM: ./b.yaml\n")
    (tmp_path / "b.yaml").write_text("FROM: ./c/../a.yaml\n")
    (tmp_path / "c").mkdir()
    loaded = load_path(tmp_path / "a.yaml")
    assert "config/circular-inheritance" in {problem.code for problem in loaded.problems}


def test_a_base_from_the_web_is_pinned_and_fetched_by_its_hash(tmp_path):
    wanted = hashlib.sha256(BASE.encode()).hexdigest()
    asked = []

    def fetch(url, sha256):
        asked.append((url, sha256))
        return BASE

    files = DiskFiles(tmp_path, tmp_path, fetch)
    path = tmp_path / "p.yaml"
    path.write_text(f"FROM: https://example.org/b.yaml#sha256={wanted}\npipeline: [{{disable: loop}}]\n")
    loaded = load_file(path, files)

    assert ids(loaded.unwrap().steps) == ["first", "last"]
    assert asked == [("https://example.org/b.yaml", wanted)]
    assert "https://example.org/b.yaml:4" in write_resolved(loaded, tmp_path)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://example.org/b.yaml", "must be pinned"),
        ("http://example.org/b.yaml", "needs https"),
        ("snapshot:abc", "names no snapshot"),
        ("snapshot:" + "a" * 64 + "/../x", "names no snapshot"),
        ("snapshot:" + "a" * 64, "there are no snapshots here"),
        ("./absent.yaml", "there is no file absent.yaml"),
    ],
)
def test_a_base_that_cannot_be_had_is_a_problem(load, base, expected):
    [problem, *_] = load(f"FROM: {base}\npipeline: [{{id: a, prompt: b}}]\n").problems
    assert expected in str(problem)


def test_a_base_may_be_a_file_of_a_snapshot(tmp_path):
    kept = tmp_path / "kept"
    (kept / "flows").mkdir(parents=True)
    (kept / "flows/base.yaml").write_text("pipeline: [{id: a, prompt: ./a.md}]\n")
    (kept / "flows/a.md").write_text("from the snapshot")
    files = DiskFiles(tmp_path, tmp_path, snapshot=lambda name: kept)
    text = f"FROM: snapshot:{'a' * 64}/flows/base.yaml\n"
    loaded = load_source(Source("p.yaml", text, tmp_path), files)

    assert loaded.unwrap().steps[0].body.prompt.template.source == "from the snapshot"
    assert loaded.layers == ("p.yaml", "snapshot:aaaaaaaaaaaa/flows/base.yaml")


def test_a_file_of_the_web_names_no_files_beside_it(tmp_path):
    files = DiskFiles(tmp_path, tmp_path, lambda url, sha256: "pipeline: [{id: a, prompt: ./a.md}]\n")
    loaded = load_source(Source("p.yaml", f"FROM: https://e.org/x#sha256={'a' * 64}\n", tmp_path), files)
    assert "leads nowhere" in loaded.problems[0].message
    with pytest.raises(Unavailable):
        DiskFiles(tmp_path, tmp_path).fetch("https://e.org", "x")


@pytest.mark.parametrize(
    "name",
    [
        "current/grandchild.yaml",
        "early/inherits.yaml",
        "own/additions.yaml",
        "ail/.ail/ops/default.yaml",
        "early/no-version.yaml",
    ],
)
def test_what_is_resolved_loads_to_the_same_from_another_folder(files_folder, load_path, disk, finder, tmp_path, name):
    loaded = load_path(files_folder / name)
    text = write_resolved(loaded, tmp_path)
    again = load_source(Source("resolved.yaml", text, tmp_path), disk, finder)

    assert again.problems == ()
    assert essence(again.unwrap()) == essence(loaded.unwrap())
    assert write_resolved(again, tmp_path, origins=False) == write_resolved(loaded, tmp_path, origins=False)


def test_every_line_says_where_it_comes_from(files_folder, load_path, disk):
    loaded = load_path(files_folder / "current/grandchild.yaml")
    seen = 0
    for line in write_resolved(loaded, files_folder / "current").splitlines():
        text, mark, origin = line.rpartition("  # ")
        if not mark:
            continue
        name, _, number = origin.rpartition(":")
        written = Path(name).read_text().splitlines()[int(number) - 1]
        key = text.strip().removeprefix("- ").split(":")[0].strip('"')
        assert key in written, (line, written)
        seen += 1
    assert seen > 100


words = st.sampled_from(
    [
        "plain",
        "two words",
        " x ",
        "a: b",
        "- a",
        "#c",
        "{{ last_response }}",
        "multi\nline\n",
        "tab\tq",
        "é☃\U0001f600",
        "'q'",
        '"',
        "yes",
        "1",
        "null",
        "a\n\n\n",
        "\n x",
        "x\\y",
        "true",
        "{",
        "|",
        "@a",
        "\x85\u2028",
    ]
)
step_fields = st.fixed_dictionaries(
    {"prompt": words},
    optional={
        "model": words.filter(lambda text: text.strip()),
        "message": words.filter(lambda text: text.strip()),
        "timeout": st.sampled_from([5, 2.5, "1h2m"]),
        "cache": st.booleans(),
        "env": st.dictionaries(st.sampled_from(["A", "B_C"]), words, max_size=2),
        "condition": st.sampled_from(["always", "{{ last_response }} == 'a: b'"]),
        "if": st.sampled_from(["last_response == 'x' or not true"]),
        "then": st.lists(words.filter(lambda text: text.strip()), max_size=2),
        "sampling": st.sampled_from([{"temperature": 1, "stop_sequences": ["#", " "]}, {"thinking": False}]),
    },
).filter(lambda fields: fields["prompt"].strip() and not ("if" in fields and "condition" in fields))


@given(st.lists(step_fields, min_size=1, max_size=4), st.data())
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_pipeline_with_hooks_resolves_to_a_file_that_means_the_same(as_tree, fields, data):
    here = Path("/nowhere")
    files = DiskFiles(here, here, lambda url, sha256: base)
    steps = [{"id": f"s{number}", **each} for number, each in enumerate(fields)]
    base = write_tree(as_tree({"version": "1", "pipeline": steps}))
    hooks = []
    for number in range(len(steps)):
        hook = data.draw(st.sampled_from(["run_before", "run_after", "override", "disable", None]))
        if hook == "disable":
            hooks.append({"disable": f"s{number}"})
        elif hook is not None:
            own = {} if hook == "override" else {"id": f"h{number}"}
            hooks.append({hook: f"s{number}", **own, **data.draw(step_fields)})
    heir = {"FROM": f"https://e.org/b#sha256={'0' * 64}", "pipeline": [*hooks, {"id": "end", "prompt": "x"}]}
    loaded = load_source(Source("heir.yaml", write_tree(as_tree(heir)), here), files)
    assert loaded.problems == ()
    again = load_source(Source("again.yaml", write_resolved(loaded, here), here), files)
    assert [str(problem) for problem in again.problems] == []
    assert essence(again.unwrap()) == essence(loaded.unwrap())


def test_an_heir_without_its_base_is_looked_at_all_the_same(load):
    loaded = load(
        """\
FROM: ./absent.yaml
pipeline:
  - {run_after: base, id: own, promt: x}
  - {disable: other}
  - {override: base, prompt: "{{ step.base.response }}"}
""",
        name="heir.yaml",
    )
    assert [str(problem) for problem in loaded.problems] == [
        "heir.yaml:1:7: there is no file absent.yaml; a path is relative to the file that it stands in",
        "heir.yaml:3:32: there is no key 'promt' in step; did you mean 'prompt'?",
    ]
    only = load("FROM: https://e.org/base.yaml\npipeline: [{disable: a}]")
    assert [problem.place.line for problem in only.problems] == [1]
