"""The graph, its drawings, JSON, skills, inputs, branches, and where files are found."""

from __future__ import annotations

import pytest

from aexl.errors import Invalid, NotFound
from aexl_pipelines.language.builtin_skills import BUILT_IN, built_in
from aexl_pipelines.language.discovery import choose, find_all, find_default, find_project
from aexl_pipelines.language.drawing import draw_dot, draw_mermaid, draw_terminal
from aexl_pipelines.language.exporting import as_data
from aexl_pipelines.language.inputs import bind_inputs
from aexl_pipelines.language.matching import Result, first_branch
from aexl_pipelines.language.ordering import settled, waits
from aexl_pipelines.language.planning import plan_pipeline
from aexl_pipelines.language.problems import Report
from aexl_pipelines.language.schemas import check_answer, mismatch, schema_problem
from aexl_pipelines.language.skills import SkillFinder, read_skill, render_skill, skill_folders
from aexl_pipelines.language.source import Source

BRANCHES = """\
pipeline:
  - {id: start, prompt: x}
  - {id: left, prompt: x, async: true}
  - {id: right, prompt: x, async: true, depends_on: left}
  - {id: middle, prompt: x}
  - {id: both, action: join, depends_on: [left, right]}
  - {id: end, prompt: x, if: "last_response == '\\"<b>'"}
"""


def test_a_step_waits_for_the_one_before_it_and_for_what_it_depends_on(load):
    steps = load(BRANCHES).unwrap().steps

    assert waits(steps) == {
        "start": (),
        "left": ("start",),
        "right": ("start", "left"),
        "middle": ("start",),
        "both": ("middle", "left", "right"),
        "end": ("both",),
    }
    assert settled(steps)["middle"] == {"start"}
    assert settled(steps)["right"] == {"start", "left"}
    assert settled(steps)["end"] == {"start", "left", "right", "middle", "both"}


def test_the_drawings_have_every_step_and_escape_what_they_must(load, files_folder, load_path):
    plan = plan_pipeline(load(BRANCHES).unwrap())
    mermaid, dot, terminal = draw_mermaid(plan), draw_dot(plan), draw_terminal(plan)

    assert "s1 -.-> s2" in mermaid
    assert "#34;#60;b#62;" in mermaid
    assert r"\"<b>" in dot
    assert dot.count("{") == dot.count("}")
    assert "├╌ right  [prompt]  async  after left" in terminal
    big = plan_pipeline(load_path(files_folder / "current/grandchild.yaml").unwrap())
    for draw in (draw_mermaid, draw_dot, draw_terminal):
        assert all(step.id.rpartition("::")[2] in draw(big) for step in big.steps)
    assert "subgraph" in draw_mermaid(big)
    assert max(len(line) for line in draw_terminal(big, 60).splitlines()) <= 60
    inner = next(step for step in big.steps if step.path == "each::again::try")
    assert inner.parent == "each::again"


def test_a_pipeline_is_json_in_the_words_of_its_file(load_path, files_folder):
    import json

    data = as_data(load_path(files_folder / "current/everything.yaml").unwrap())
    assert json.loads(json.dumps(data)) == data
    gate = next(step for step in data["steps"] if step["id"] == "gate")
    assert gate["condition"] == "{{ step.both.response }} matches /a\\/b|c/i"
    assert gate["body"] == {"type": "action", "action": "pause_for_human"}


def test_skills_are_found_where_agents_keep_them(files_folder):
    finder = SkillFinder(skill_folders(files_folder, files_folder / "nobody"))
    assert finder.find("release-notes") == files_folder / ".claude/skills/release-notes"
    assert dict(finder.all()).keys() == {"pci-checker", "release-notes"}
    assert finder.find("absent") is None
    assert "release-notes" in finder.suggest("release-note", [])


def test_the_text_of_a_skill_goes_to_the_model_untouched_but_for_its_arguments(files_folder):
    path = files_folder / "skills/pci-checker/SKILL.md"
    skill = read_skill(Source("SKILL.md", path.read_text(), path.parent, path), Report())

    text = render_skill(skill, {}, "the answer with $ARGUMENTS and {{ x }}")
    assert "card numbers in the answer with $ARGUMENTS and {{ x }}. Do not fill in {{ this }}." in text
    assert str(path.parent) in text
    named = render_skill(skill, {"level": "high"}, "unused")
    assert "level: high" in named
    assert "unused" not in named


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_skill_that_comes_with_aexl_takes_the_last_answer(name):
    assert "MY WORK" in render_skill(built_in(name), {}, "MY WORK")
    assert built_in(name.replace("ail/", "aexl/")) is built_in(name)
    assert "$" not in render_skill(built_in(name), {}, "MY WORK")


def test_what_is_wrong_with_a_skill_is_said():
    for text, expected in (
        ("no front matter", "no front matter"),
        ("---\nname: Bad Name\ndescription: x\n---\n", "small letters"),
        ("---\ndescription: x\n---\n", "no name"),
        ("---\nname: a\ndescription: " + "x" * 1025 + "\n---\n", "1,024"),
        ("---\n- a\n---\n", "must be a mapping"),
    ):
        report = Report()
        read_skill(Source("SKILL.md", text), report)
        assert any(expected in problem.message for problem in report.problems), text


def test_inputs_are_typed_bounded_and_asked_for(load):
    text = (
        "inputs:\n"
        "  n: {type: int, default: 3, minimum: 1, maximum: 9}\n"
        "  who: {description: Who?}\n"
        "  flag: {type: boolean, default: false}\n"
        "  kind: {choices: [a, b], default: a}\n"
        "  tags: {type: list, required: false}\n"
        "pipeline: [{id: a, prompt: x}]\n"
    )
    inputs = load(text).unwrap().inputs

    bound = bind_inputs(inputs, {"n": "9", "flag": "yes", "tags": "x, y"}, lambda name, wanted: "Ann")
    assert bound == {"n": 9, "who": "Ann", "flag": True, "kind": "a", "tags": ["x", "y"]}
    with pytest.raises(Invalid) as caught:
        bind_inputs(inputs, {"n": "10", "kind": "c", "knd": "a"})
    message = str(caught.value)
    assert "did you mean 'kind'" in message
    assert "at most 9" in message
    assert "one of a, b" in message
    assert "'who' is missing" in message


def test_answers_are_held_against_schemas_fences_stripped():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    assert check_answer(schema, '```json\n{"n": 1}\n```') == {"n": 1}
    for answer, expected in (
        ("nope", "no JSON"),
        ('{"n": "x"}', "n: 'x' is not of type 'integer'"),
        ("[" * 9999, "no JSON"),
    ):
        with pytest.raises(Invalid, match=expected.replace("(", r"\(")):
            check_answer(schema, answer)
    assert check_answer({"pattern": "^(a+)+$"}, '"' + "a" * 5000 + '"')
    assert "leads out" in schema_problem({"$ref": "https://e.org/s"})
    assert "failed to compile" in schema_problem({"pattern": "(?=a)"})
    assert mismatch({"type": "object"}, {"type": "array"})
    assert mismatch({}, {"type": "array"}) is None


@pytest.mark.parametrize(
    ("branch", "result", "expected"),
    [
        ("contains: ''", Result(), True),
        ("contains: ok", Result(answer="All OK"), True),
        ("starts_with: no", Result(answer=" No."), True),
        ("is_empty: true", Result(answer=" \n"), True),
        ("is_empty: false", Result(answer=" \n"), False),
        ("exit_code: any", Result(exit_code=3), True),
        ("exit_code: any", Result(exit_code=0), False),
        ("exit_code: 0", Result(exit_code=0), True),
        ("exit_code: any", Result(), False),
        ("matches: /a.c/i", Result(answer="xABC"), True),
        ("field: v.x\n        equals: 1", Result(answer='```\n{"v": {"x": 1.0}}\n```'), True),
        ("field: v\n        in: [a, b]", Result(answer='{"v": "b"}'), True),
        ("field: v\n        is_empty: true", Result(answer="no json"), True),
        ("field: v\n        equals: null", Result(answer="no json"), False),
        ("equals: [1]", Result(answer="[1]"), True),
        ("equals: yes it is", Result(answer="yes it is\n"), True),
        ('expression: "{{ step.a.exit_code }} == 1"', Result(), True),
        ("if: step.a.exit_code > 0", Result(), True),
        ("always: true", Result(), True),
    ],
)
def test_a_branch_fits_as_its_matcher_says(load, branch, result, expected):
    step = (
        load(
            f"pipeline:\n  - id: a\n    context: {{shell: x}}\n    on_result:\n      - action: break\n        {branch}\n"
        )
        .unwrap()
        .steps[0]
    )
    assert (first_branch(step.on_result, result, {"step": {"a": {"exit_code": 1}}}) is not None) is expected


def test_the_mapping_with_an_input_schema_asks_about_the_input(load):
    text = (
        "pipeline:\n  - id: a\n    prompt: x\n    input_schema: {type: object, properties: {k: {}}}\n"
        "    on_result: {field: k, equals: 2, if_true: break, if_false: {action: abort_pipeline}}\n"
    )
    branches = load(text).unwrap().steps[0].on_result
    for value, action in ((2, "break"), (3, "abort_pipeline")):
        result = Result(answer='{"k": 9}', checked_input={"k": value})
        assert first_branch(branches, result, {}).action == action


def test_the_order_in_which_files_are_found(tmp_path):
    home, project = tmp_path / "home", tmp_path / "project"
    below = project / "src" / "deep"
    below.mkdir(parents=True)
    names = ["home:pipelines/default.yaml", ".ail/default.yaml", ".ail.yaml", ".aexl/default.yaml", ".aexl.yaml"]
    assert find_default(project, home) is None
    for name in names:
        path = home / name.removeprefix("home:") if name.startswith("home:") else project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("pipeline: []\n")
        assert find_default(project, home) == path
    assert find_project(below) == project
    assert find_default(below, home) == project / ".aexl.yaml"


def test_a_file_in_a_folder_above_that_is_no_project_is_nobodys(tmp_path):
    (tmp_path / ".ail.yaml").write_text("pipeline: []\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert find_default(inner, tmp_path / "home") is None
    assert find_default(tmp_path, tmp_path / "home") == tmp_path / ".ail.yaml"


def test_pipelines_have_the_names_that_ail_gives_them(tmp_path):
    home = tmp_path / "home"
    for name in (".ail/ops/default.yaml", ".ail/review/code-review.ail.yaml", ".aexl/quick.yaml", ".ail/skills/x.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("pipeline: []\n")
    (home / "pipelines").mkdir(parents=True)
    (home / "pipelines/mine.yaml").write_text("pipeline: []\n")

    assert [found.name for found in find_all(tmp_path, home)] == ["mine", "ops", "quick", "review/code-review"]
    assert choose("ops", tmp_path, home) == tmp_path / ".ail/ops/default.yaml"
    with pytest.raises(NotFound, match="did you mean 'quick'"):
        choose("qick", tmp_path, home)
    with pytest.raises(NotFound, match="no pipeline file"):
        choose("./absent.yaml", tmp_path, home)


def test_the_language_knows_no_loop_and_no_network():
    import subprocess
    import sys

    program = (
        "import pkgutil, sys, aexl_pipelines.language as language\n"
        "for module in pkgutil.walk_packages(language.__path__, 'aexl_pipelines.language.'):\n"
        "    __import__(module.name)\n"
        "print(sorted({'trio', 'httpx', 'typer', 'jsonschema', 're2', 'ruamel.yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_entries_of_a_chain_run_in_order_and_have_names_of_their_own(problems):
    text = (
        "pipeline:\n  - id: a\n    prompt: x\n    then:\n      - {id: b, prompt: y, async: true}\n"
        "      - {id: b, prompt: z}\n"
    )
    assert [line.split(":")[0] for line in problems(text)] == ["5", "6"]
