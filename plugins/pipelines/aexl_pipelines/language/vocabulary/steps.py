"""A step: its one primary key, and what can be said of every step. Pure."""

from __future__ import annotations

import difflib
from typing import Any, Final, get_args

import msgspec

from aexl.errors import ConfigError
from aexl_pipelines.language.kinds import (
    INVALID,
    Choice,
    Duration,
    Either,
    Flag,
    Identifier,
    Kind,
    ListOf,
    MapOf,
    Name,
    Number,
    Text,
)
from aexl_pipelines.language.model import (
    ActionBody,
    Body,
    Branch,
    DoWhileBody,
    ForEachBody,
    McpBody,
    OnTimeout,
    PipelineBody,
    PipelineTarget,
    PromptBody,
    Question,
    ShellBody,
    SkillBody,
    SpecBody,
    Step,
    StepAction,
    UseBody,
)
from aexl_pipelines.language.parts import Budget, Extra, Prompt, Provider, Resume, Sampling, Tools
from aexl_pipelines.language.problems import suggest
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.skills import Skill
from aexl_pipelines.language.source import Fields
from aexl_pipelines.language.templates import Template, literal
from aexl_pipelines.language.texts import (
    Arguments,
    ConditionText,
    ExpressionText,
    PromptText,
    TargetText,
    TemplateText,
    as_written,
)
from aexl_pipelines.language.vocabulary.agents import PROVIDER, SAMPLING, TOOLS, RunnerName
from aexl_pipelines.language.vocabulary.bodies import CONTEXT, ChainEntry, JsonSchema
from aexl_pipelines.language.vocabulary.limits import BUDGET, RESUME, RETRY, read_failure, read_timeout
from aexl_pipelines.language.vocabulary.loops import loop_records
from aexl_pipelines.language.vocabulary.prompts import EXTRAS, SkillName
from aexl_pipelines.language.vocabulary.results import ON_RESULT

PRIMARY: Final = ("prompt", "skill", "pipeline", "action", "context", "do_while", "for_each", "use")


_OF_AGENTS: Final = (
    "model",
    "runner",
    "provider",
    "system_prompt",
    "append_system_prompt",
    "tools",
    "sampling",
    "resume",
)

HOOKS: Final = ("run_before", "run_after", "override", "disable")


def _build_step(values: Values) -> object:
    for hook in HOOKS:
        if hook in values:
            hint = "hooks stand in the list 'pipeline:' of a file with 'FROM:'"
            values.problem(hook, f"there is nothing that {hook!r} could refer to here", hint)
    body = _body(values)
    _check_together(values, body)
    branches = _branches(values)
    on_error, retry = read_failure(values)
    words: dict[str, Any] = {
        name: values.get(name, str) for name in ("model", "runner", "on_timeout") if values.get(name, str) is not None
    }
    on_headless: Any = values.get("on_headless", str, "skip")
    condition: Any = values.any("condition")
    expression: Any = values.any("if")
    return Step(
        id=values.get("id", str, ""),
        path="",
        body=body if body is not None else PromptBody(prompt=Prompt(template=literal(""))),  # reported already
        place=values.node.place,
        message=values.get("message", Template),
        on_headless=on_headless,
        default_value=values.get("default_value", Template),
        tools=values.get("tools", Tools),
        provider=values.get("provider", Provider),
        system_prompt=values.get("system_prompt", Prompt),
        append_system_prompt=values.all("append_system_prompt", Extra),
        resume=values.get("resume", Resume),
        condition=None if condition is INVALID else condition,
        if_=None if expression is INVALID else expression,
        on_result=branches,
        on_error=on_error,
        retry=retry,
        before=values.all("before", Step),
        then=values.all("then", Step),
        async_=values.get("async", bool, False),
        depends_on=values.all("depends_on", str),
        output_schema=values.get("output_schema", dict),
        input_schema=values.get("input_schema", dict),
        sampling=values.get("sampling", Sampling),
        disabled=values.get("disabled", bool, False),
        required=values.get("required", bool, False),
        timeout=read_timeout(values),
        idle_timeout=values.get("idle_timeout", float),
        budget=values.get("budget", Budget),
        cache=values.get("cache", bool, False),
        env=values.map("env", Template),
        display=values.get("display", bool, True),
        log=values.get("log", bool, True),
        trace=values.get("trace", bool, True),
        **words,
    )


def _body(values: Values) -> Body | None:
    """Return what a step does, or ``None`` after having reported that this is not clear."""
    written = [name for name in PRIMARY if name in values]
    if written == ["prompt", "pipeline"]:
        written = ["pipeline"]
    if not written and _is_misspelled(values):
        return None
    if len(written) != 1:
        found = f"not {' and '.join(written)}" if written else "and has none"
        message = f"a step needs exactly one primary field ({', '.join(PRIMARY)}), {found}"
        values.reader.problem(values.node, message, "make two steps of it" if written else "add 'prompt:'")
        return None
    match values.any(written[0]):
        case Prompt() as prompt:
            return PromptBody(prompt=prompt)
        case Skill() as skill:
            return SkillBody(skill=skill, arguments=_skill_arguments(values))
        case PipelineTarget() as target:
            return PipelineBody(target=target, prompt=values.get("prompt", Prompt))
        case ShellBody() | SpecBody() | McpBody() | DoWhileBody() | ForEachBody() as body:
            return body
        case str() as word if written[0] == "action":
            action: Any = word
            return ActionBody(action=action)
        case str() as name:
            return _use(values, name)
        case _:
            return None


def _is_misspelled(values: Values) -> bool:
    """Say whether a key that does not exist, and was reported, is the primary one with a slip in it."""
    unknown = [name for name in values.node.values if name not in STEP.table]
    return any(difflib.get_close_matches(name[:80], PRIMARY, n=1, cutoff=0.6) for name in unknown)


def _skill_arguments(values: Values) -> dict[str, Template]:
    """Return what ``with:`` gives to a skill; its texts are templates."""
    node = values.node.values.get("with")
    if not isinstance(node, Fields):
        return {}
    found = {}
    for key, value in node:
        template = TemplateText(blank=True).read(value, key.text, values.reader)
        if isinstance(template, Template):
            found[key.text] = template
    return found


def _use(values: Values, name: str) -> UseBody:
    known = values.reader.step_types
    arguments = values.map("with", object)
    if known is not None and name not in known:
        values.problem(
            "use", f"no plugin has a step type {name[:60]!r}", suggest(name, known) or "install the plugin that has it"
        )
    elif known is not None:
        try:
            known[name]({key: as_written(value) for key, value in arguments.items()})
        except ConfigError as error:
            for problem in error.problems:
                message = f"{problem.key}: {problem.message}" if problem.key else problem.message
                values.problem("with", message, f"see what the plugin says of {name}")
    return UseBody(name=name, arguments=arguments)


def _check_together(values: Values, body: Body | None) -> None:
    """Report keys that mean nothing for what a step does, and pairs that contradict one another."""
    if "with" in values and not isinstance(body, SkillBody | UseBody) and body is not None:
        values.problem("with", "'with' is for 'skill' and 'use'", "remove it")
    action = body.action if isinstance(body, ActionBody) else None
    if action == "join" and not values.all("depends_on", str) and "depends_on" not in values:
        values.reader.problem(values.node, "join needs 'depends_on', the steps to wait for", "add depends_on: [ID]")
    if values.get("on_headless", str) == "use_default" and "default_value" not in values:
        values.problem("on_headless", "on_headless: use_default needs 'default_value'", "add default_value:")
    if body is None:
        return
    if not isinstance(body, PromptBody | SkillBody):
        _check_agentless(values)
    if action != "modify_output":
        for key in ("on_headless", "default_value"):
            if key in values:
                values.problem(key, f"{key!r} is for 'action: modify_output'", "remove it")
    if values.get("on_error", str) in {"fail_fast", "wait_for_all"} and not (
        action == "join" or isinstance(body, ForEachBody)
    ):
        values.problem(
            "on_error",
            f"{values.get('on_error', str)!r} is for 'action: join' and 'for_each'",
            "write abort_pipeline or continue",
        )
    for key in ("condition", "if"):
        if key == "if" and "condition" in values and key in values:
            values.problem("if", "a step has 'condition' or 'if', not both", "join the two in 'if'")


def _check_agentless(values: Values) -> None:
    """Report what only an agent could honour: our own key as wrong, ail's, which ail takes anywhere, as a note."""
    if values.get("cache", bool, False):
        values.problem("cache", "'cache' is for steps that ask an agent", "remove it")
    for key in _OF_AGENTS:
        if key in values:
            place = values.node.keys[key].place
            values.reader.report.note(place, f"{key!r} has no effect on a step that asks no agent", "remove it")


def _branches(values: Values) -> tuple[Branch, ...]:
    branches = values.all("on_result", Branch)
    node = values.node.values.get("on_result")
    schema = values.get("input_schema", dict)
    if not isinstance(node, Fields) or schema is None:
        return branches
    asked = [branch.matcher for branch in branches if isinstance(branch.matcher, Question)]
    for matcher in asked:
        name = str(matcher.field[0]) if matcher.field else None
        known = [*(schema.get("properties") or {}), *(schema.get("required") or [])]
        if name is not None and name not in known:
            values.reader.problem(node.values["field"], f"input_schema has no property {name!r}", suggest(name, known))
    return tuple(
        msgspec.structs.replace(branch, matcher=msgspec.structs.replace(branch.matcher, of_input=True))
        if isinstance(branch.matcher, Question) and branch.matcher.field is not None
        else branch
        for branch in branches
    )


def _steps() -> Kind:
    return ListOf(STEP, least=1)


DO_WHILE, FOR_EACH = loop_records(_steps)


def _chain() -> Kind:
    return ListOf(Either("a step, or a text for a prompt", ChainEntry(), STEP), single=True)


STEP: Final = Record(
    title="step",
    words="a mapping that is a step",
    text=f"A step has exactly one of `{'`, `'.join(PRIMARY)}` (`prompt` may stand beside `pipeline`).",
    build=_build_step,
    open=("x-", "meta"),
    keys=[
        Key(
            "id",
            Name(),
            "Its name, of which there is one in a list. `invocation` is the first step: the human's prompt and its answer.",
        ),
        Key("prompt", PromptText(), "Ask an agent. With `pipeline`: the other pipeline's invocation prompt."),
        Key(
            "skill",
            SkillName(),
            "Ask an agent with the instructions of a skill: a built-in one, one that is found by name, or the path of its folder.",
        ),
        Key(
            "pipeline",
            TargetText(),
            "Run another pipeline: a name of `pipelines:`, or a path (names in braces are filled in).",
        ),
        Key("action", Choice(get_args(StepAction)), "Do something that is no agent's work; see *Actions*."),
        Key("context", CONTEXT, "Run a line of shell, or another source of text."),
        Key("do_while", DO_WHILE, "Repeat steps until a condition holds."),
        Key("for_each", FOR_EACH, "Repeat steps for each item of a list."),
        Key("use", Name(), "A step type of a plugin.", "aexl"),
        Key("with", Arguments(), "Arguments of `skill` or `use`; texts may hold `{{ names }}`."),
        Key(
            "condition",
            ConditionText(),
            "When it runs: `always`, `never`, `if_code_changed`, `if_last_response_empty`, or `LEFT operator RIGHT`.",
        ),
        Key("if", ExpressionText(), "When it runs, in the full grammar.", "aexl"),
        Key("disabled", Flag(), "`true`: it does not run."),
        Key(
            "model",
            Text(),
            "The model. `defaults.model` < `defaults.provider` < step `provider` < step `model` < `--model`.",
        ),
        Key("runner", RunnerName(), "Which agent: `claude`, `codex`, `http`, …"),
        Key("provider", PROVIDER, "Where its model calls go."),
        Key("system_prompt", PromptText(), "Replaces the agent's own: a text, or a path."),
        Key("append_system_prompt", EXTRAS, "Additions to the system prompt, in order."),
        Key("tools", TOOLS, "Which tools it may use."),
        Key("sampling", SAMPLING, "How the model picks its words."),
        Key("resume", RESUME, "Go on in an earlier step's session."),
        Key("on_result", ON_RESULT, "What follows from its answer."),
        Key(
            "on_error",
            Choice(("abort_pipeline", "continue", "retry", "pause_for_human", "fail_fast", "wait_for_all")),
            "What follows from a failure; for `join` and parallel loops `fail_fast` or `wait_for_all`.",
        ),
        Key("max_retries", Number(1, 100, whole=True), "With `on_error: retry`: further attempts, at once."),
        Key("retry", RETRY, "Further attempts, with waits.", "aexl"),
        Key("timeout", Duration(), "The longest that one attempt may take.", "aexl"),
        Key("timeout_seconds", Duration(), "The same."),
        Key("idle_timeout", Duration(), "The longest silence of an agent.", "aexl"),
        Key(
            "on_timeout",
            Choice(get_args(OnTimeout)),
            "What follows from a time that ran out; as `on_error` by default.",
        ),
        Key("before", _chain, "Steps before it, which see its values; a text is a prompt, or a skill's name."),
        Key("then", _chain, "Steps after it."),
        Key("async", Flag(), "Begin it, and go on. Some later step must have it in `depends_on`."),
        Key("depends_on", ListOf(Name(), single=True), "Steps before it that must have ended."),
        Key("output_schema", JsonSchema(), "What its answer must be: JSON of this schema, given or by path."),
        Key("input_schema", JsonSchema(), "What the answer before it must be."),
        Key("message", TemplateText(), "What a person is shown at a gate."),
        Key(
            "on_headless",
            Choice(("skip", "abort", "use_default")),
            "`modify_output` without a person: go on, end, or take `default_value`.",
        ),
        Key("default_value", TemplateText(blank=True), "See `on_headless`."),
        Key("budget", BUDGET, "The most that it may use, within the run's budget.", "aexl"),
        Key("cache", Flag(), "`true`: not asked again while its prompt, model, inputs and files are the same.", "aexl"),
        Key("env", MapOf(TemplateText(blank=True), Identifier()), "Variables for its program.", "aexl"),
        Key("required", Flag(), "`true`: a file that inherits it cannot disable or override it."),
        Key("display", Flag(), "`false`: its text is not shown while it runs."),
        Key("log", Flag(), "`false`: its texts are not kept in the run's log, only that it ran."),
        Key("trace", Flag(), "`false`: its agent's tools and thoughts are not kept."),
        Key("run_before", Text(), "With `FROM`: this step runs before that one."),
        Key("run_after", Text(), "With `FROM`: this step runs after that one."),
        Key("override", Text(), "With `FROM`: this is what that step does instead; the id stays."),
        Key("disable", Text(), "With `FROM`: that step is gone."),
    ],
)


STEPS: Final = ListOf(STEP, least=1)


RECORDS: Final = (STEP, DO_WHILE, FOR_EACH)
