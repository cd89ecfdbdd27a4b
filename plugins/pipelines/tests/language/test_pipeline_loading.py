"""Files that load, and what they mean; files that do not, and what is said of them."""

from __future__ import annotations

import pytest

from aexl_pipelines.language.expressions.formatting import format_expression
from aexl_pipelines.language.model import Always, ExitCode, PromptBody, Question, ShellBody, SkillBody
from aexl_pipelines.language.parts import Retry
from aexl_pipelines.language.problems import InvalidPipeline

VALID = [
    "early/quality-gates.yaml",
    "early/no-version.yaml",
    "early/inherits.yaml",
    "early/always.yaml",
    "current/everything.yaml",
    "current/child.yaml",
    "current/body.yaml",
    "current/heir.yaml",
    "current/grandchild.yaml",
    "own/additions.yaml",
    "own/other.yaml",
    "ail/.ail/ops/default.yaml",
]


@pytest.mark.parametrize("name", VALID)
def test_every_example_loads_from_another_folder(files_folder, load_path, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_path(files_folder / name)
    assert loaded.problems == ()
    assert loaded.unwrap().steps


def test_twelve_mistakes_are_twelve_problems_each_with_its_place(files_folder, load_path):
    loaded = load_path(files_folder / "wrong/twelve.yaml")
    lines = [problem.place.line for problem in loaded.problems]

    assert lines == [2, 5, 8, 10, 11, 12, 14, 17, 19, 22, 25, 27]
    assert all(problem.suggestion for problem in loaded.problems)
    with pytest.raises(InvalidPipeline, match="12 problems") as caught:
        loaded.unwrap()
    assert caught.value.exit_code == 3


def test_early_spellings_mean_what_the_current_ones_mean(files_folder, load_path):
    pipeline = load_path(files_folder / "early/quality-gates.yaml").unwrap()
    tests, audit, refactor = pipeline.steps

    assert (pipeline.defaults.provider.name, pipeline.defaults.provider.model) == ("openai", "gpt-4o-mini")
    assert pipeline.defaults.on_error == refactor.on_error == "pause_for_human"
    assert tests.condition.name == "if_code_changed"
    assert tests.provider.model == "claude-opus-4-5"
    assert [branch.action for branch in audit.on_result] == ["pause_for_human", "continue"]
    assert isinstance(audit.on_result[1].matcher, Always)
    assert audit.on_result[0].message.source.startswith("Something")
    assert str(next(refactor.body.prompt.template.references)) == "step.invocation.prompt"


def test_a_missing_version_and_meta_are_no_fault(files_folder, load_path):
    pipeline = load_path(files_folder / "early/no-version.yaml").unwrap()

    assert (pipeline.version, pipeline.description) == ("1", "Reviews what was said.")
    assert pipeline.extra["meta"]["author"] == "somebody"
    assert pipeline.providers["fast"].name == "groq"
    assert pipeline.steps[1].timeout == 60.0
    assert pipeline.steps[1].body.skill.allowed_tools == ("Read", "Grep")


def test_values_are_typed_and_units_are_ours(files_folder, load_path):
    pipeline = load_path(files_folder / "own/additions.yaml").unwrap()
    judge = next(step for step in pipeline.steps if step.id == "judge")

    assert pipeline.budget.usd == 1_500_000_000
    assert pipeline.budget.time == 1800.0
    assert pipeline.defaults.retry == Retry(times=2)
    assert judge.retry.wait_before(3) == 8.0
    assert judge.retry.jitter == 0.5
    assert judge.on_result[0].matcher == Question(operand="in", value=("reject", "unsure"), field=("verdict",))
    assert judge.on_result[2].matcher.field == ("findings", 0, "file")
    assert format_expression(judge.if_).endswith("last_response matches /ok/i")
    assert pipeline.secrets["GITHUB_TOKEN"].env == "GITHUB_TOKEN"


def test_steps_know_their_paths(files_folder, load_path):
    pipeline = load_path(files_folder / "current/everything.yaml").unwrap()
    plan = next(step for step in pipeline.steps if step.id == "plan")
    each = next(step for step in pipeline.steps if step.id == "each")

    assert [entry.path for entry in plan.before] == ["plan::before::0", "plan::before::style", "plan::before::2"]
    assert plan.then[0].then[0].path == "plan::then::0::then::0"
    assert each.body.steps[1].body.steps[0].path == "each::again::try"
    assert isinstance(plan.before[0].body, SkillBody)
    assert isinstance(plan.before[2].body, PromptBody)
    assert pipeline.steps[1].on_result[1].matcher == ExitCode()


def test_the_body_of_a_loop_may_be_a_file(files_folder, load_path):
    pipeline = load_path(files_folder / "current/everything.yaml").unwrap()
    mend = next(step for step in pipeline.steps if step.id == "mend")

    assert [step.path for step in mend.body.steps] == ["mend::check", "mend::fix"]
    assert mend.body.file.endswith("body.yaml")


def test_a_relative_path_is_relative_to_its_file_and_files_called_are_loaded(files_folder, load_path):
    loaded = load_path(files_folder / "current/everything.yaml")
    plan = next(step for step in loaded.unwrap().steps if step.id == "plan")

    assert plan.system_prompt.template.source.startswith("Write tests for")
    assert plan.append_system_prompt[2].file.endswith("prompts/tests.md")
    sub = next(step for step in loaded.unwrap().steps if step.id == "sub")
    assert loaded.child(sub.body.target.file).steps[0].id == "only"
    assert sorted(path.name for path in loaded.children) == ["child.yaml", "everything.yaml"]


def test_braces_in_a_line_of_shell_of_an_ail_file_are_braces(files_folder, load_path):
    ps, ask = load_path(files_folder / "ail/.ail/ops/default.yaml").unwrap().steps

    assert isinstance(ps.body, ShellBody)
    assert list(ps.body.command.substitutions) == []
    assert [place.is_filtered("quote") for place in ask.append_system_prompt[0].template.substitutions] == [True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pipeline: []", "1:11: pipeline must have at least 1 entry"),
        ("pipeline:\n  - id: a\n", "2:5: a step needs exactly one primary field"),
        ("pipeline:\n  - id: a\n    prompt: x\n    action: join\n", "2:5: a step needs exactly one primary field"),
        ("pipeline:\n  - prompt: x\n", "2:5: a step needs the key 'id'"),
        (
            "pipeline:\n  - id: a\n    prompt: x\n  - id: invocation\n    prompt: y\n",
            "4:5: 'invocation' is the first step",
        ),
        ("pipeline:\n  - id: a\n    prompt: x\n    max_retries: 2\n", "4:5: max_retries needs 'on_error: retry'"),
        ("pipeline:\n  - id: a\n    prompt: x\n    on_error: retry\n", "4:5: on_error: retry needs 'max_retries'"),
        ("pipeline:\n  - id: a\n    prompt: x\n    async: true\n", "2:5: nothing waits for the async step 'a'"),
        ("pipeline:\n  - id: a\n    prompt: x\n    depends_on: [a]\n", "2:5: the step 'a' depends on itself"),
        (
            "pipeline:\n  - id: a\n    prompt: '{{ step.b.response }}'\n  - id: b\n    prompt: x\n",
            "3:17: the step 'b' runs later",
        ),
        (
            "pipeline:\n  - id: a\n    context: {shell: ls}\n  - id: b\n    prompt: '{{ step.a.response }}'\n",
            "5:17: the step 'a' is no agent's",
        ),
        ("pipeline:\n  - id: a\n    prompt: '{{ for_each.item }}'\n", "3:17: for_each.item has a value only within"),
        (
            "pipeline:\n  - id: a\n    for_each:\n      over: '{\"a\": 1}'\n",
            "4:13: over must be a list, or a text that gives",
        ),
        ("pipeline:\n  - id: a\n    prompt: '{{ inputs.x }}'\n", "3:17: there is no input 'x'"),
        ("pipeline:\n  - id: a\n    prompt: '{{ last_response'\n", "3:14: '{{' is not closed"),
        ("pipeline:\n  - id: a\n    prompt: ./absent.md\n", "3:13: there is no file absent.md"),
        ("pipeline:\n  - id: a\n    pipeline: nobody\n", "3:15: there is no pipeline 'nobody'"),
        ("pipeline:\n  - disable: a\n", "2:5: there is nothing that 'disable' could refer to"),
        (
            "pipeline:\n  - id: a\n    prompt: x\n    tools: {alow: [x]}\n",
            "4:13: there is no key 'alow' in tools; did you mean 'allow'?",
        ),
        (
            "pipeline:\n  - id: a\n    prompt: x\n    output_schema: {type: nothing}\n",
            "4:20: output_schema is no JSON Schema",
        ),
        (
            "pipeline:\n  - id: a\n    prompt: x\n    output_schema: {$ref: 'http://x/y'}\n",
            "4:20: output_schema is no JSON Schema: the reference",
        ),
        (
            "pipelines: {a: [{id: x, pipeline: b}], b: [{id: y, pipeline: a}]}\npipeline: [{id: z, prompt: p}]\n",
            "1:17: the pipelines call one another in a circle: a -> b -> a",
        ),
        (
            "inputs: {n: {type: integer, default: x}}\npipeline: [{id: z, prompt: p}]\n",
            "1:38: the input 'n' must be of type integer",
        ),
        ("- id: a\n", "1:1: a pipeline file is a mapping"),
        ("version: '1'\n", "1:1: the file has no 'pipeline:'"),
    ],
)
def test_a_mistake_is_said_at_its_place(problems, text, expected):
    found = problems(text)
    assert any(line.startswith(expected) for line in found), found


def test_what_one_step_says_must_fit_what_the_next_one_takes(load):
    text = (
        "pipeline:\n"
        "  - {id: a, prompt: x, output_schema: {type: object, properties: {b: {}}}}\n"
        "  - {id: c, prompt: x, input_schema: {type: object, required: [d]}}\n"
    )
    [problem] = load(text).problems
    assert (problem.code, problem.place.line) == ("schema/compatibility-failed", 3)


def test_a_branch_that_nothing_waited_for_cannot_be_named(problems):
    text = (
        "pipeline:\n"
        "  - {id: side, prompt: x, async: true}\n"
        "  - {id: early, prompt: '{{ step.side.response }}'}\n"
        "  - {id: late, prompt: '{{ step.side.response }}', depends_on: side}\n"
        "  - {id: later, prompt: '{{ step.side.response }}'}\n"
    )
    [found] = problems(text)
    assert found == "3:29: the step 'side' may still run here; add 'side' to 'depends_on'"


def test_loops_nest_eight_deep_and_not_nine(problems):
    def nested(depth):
        inner = "{id: x, prompt: y}"
        for number in range(depth):
            inner = f"{{id: l{number}, do_while: {{max_iterations: 1, exit_when: a == b, steps: [{inner}]}}}}"
        return f"pipeline: [{inner}]"

    assert problems(nested(8)) == []
    assert any("nested more than 8 deep" in found for found in problems(nested(9)))


def test_a_slash_alone_makes_no_path(load):
    step = load("pipeline: [{id: a, prompt: /review this please}]").unwrap().steps[0]
    assert step.body.prompt.file is None


def test_a_file_that_calls_itself_is_loaded_once(tmp_path, load_path):
    path = tmp_path / "self.yaml"
    path.write_text("pipeline:\n  - id: again\n    if: last_response is empty\n    pipeline: ./self.yaml\n")
    loaded = load_path(path)
    assert loaded.problems == ()
    assert loaded.child(loaded.pipeline.steps[0].body.target.file) is loaded.pipeline


def test_a_loop_whose_body_is_its_own_file_ends_with_a_problem(tmp_path, load_path):
    path = tmp_path / "loop.yaml"
    path.write_text(
        "pipeline:\n  - id: again\n    do_while: {max_iterations: 1, exit_when: a == a, pipeline: ./loop.yaml}\n"
    )
    assert any("nested more than 8 deep" in problem.message for problem in load_path(path).problems)


def test_arguments_of_a_step_of_a_plugin_are_checked_where_it_is_known(problems):
    from aexl.errors import ConfigError, Problem

    def check(arguments):
        if "n" not in arguments:
            raise ConfigError([Problem(key="n", message="is missing")])

    types = {"count": check}
    assert problems("pipeline: [{id: a, use: count, with: {n: 1}}]", step_types=types) == []
    assert problems("pipeline: [{id: a, use: cuont}]", step_types=types) == [
        "1:20: no plugin has a step type 'cuont'; did you mean 'count'?"
    ]
    assert problems("pipeline: [{id: a, use: count, with: {}}]", step_types=types) == [
        "1:32: n: is missing; see what the plugin says of count"
    ]


def test_what_is_no_readable_file_is_a_problem_and_nothing_waits(tmp_path, load_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    (tmp_path / "most").write_bytes(b"x" * (1 << 20))
    names = ["pipe", "folder", "round", "bytes", "large", "absent", "folder/x/y", "nul\\0"]
    steps = "".join(f'  - {{id: "s{number}", prompt: "./{name}"}}\n' for number, name in enumerate([*names, "most"]))
    (tmp_path / "p.yaml").write_text("pipeline:\n" + steps)
    loaded = load_path(tmp_path / "p.yaml")

    assert [problem.place.line for problem in loaded.problems] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert {problem.code for problem in loaded.problems} == {"config/file-not-found"}
    assert load_path(tmp_path / "folder").problems[0].message == "folder is not a file"


def test_a_runner_that_is_not_there_is_reported_where_it_is_known_which_there_are(problems):
    text = (
        "defaults: {runner: CLAUDE}\npipeline: [{id: a, prompt: x, runner: cluade}, {id: b, prompt: x, runner: ollama}]"
    )
    assert problems(text) == []
    assert problems(text, runners={"claude": 1, "http": 1}) == [
        "2:39: there is no runner 'cluade'; did you mean 'claude'?"
    ]


def test_ails_name_of_a_runner_is_ours(load):
    [step] = load("pipeline: [{id: a, prompt: x, runner: Ollama}]").unwrap().steps
    assert step.runner == "http"


def test_what_only_an_agent_could_honour_is_said_of_steps_that_ask_none(load, problems):
    found = load(
        "pipeline: [{id: a, context: {shell: ls}, model: m, tools: {deny: [x]}}, {id: b, prompt: x, model: m}]"
    )
    assert [str(note) for note in found.notes] == [
        "p.yaml:1:42: 'model' has no effect on a step that asks no agent; remove it",
        "p.yaml:1:52: 'tools' has no effect on a step that asks no agent; remove it",
    ]
    assert found.pipeline is not None
    assert problems("pipeline: [{id: a, context: {shell: ls}, cache: true}]") == [
        "1:42: 'cache' is for steps that ask an agent; remove it"
    ]
    assert problems("pipeline: [{id: a, context: {shell: ls}, cache: false}]") == []
