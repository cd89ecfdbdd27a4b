"""``on_result``: what follows from an answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.kinds import INVALID, Anything, Either, Flag, ListOf, Name, Schema, Text
from aexl_pipelines.language.model import (
    Always,
    Branch,
    BranchAction,
    ConditionMatcher,
    ExitCode,
    ExpressionMatcher,
    Matcher,
    Operand,
    PipelineTarget,
    Question,
)
from aexl_pipelines.language.problems import suggest
from aexl_pipelines.language.reader import Reader, kind_error
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.source import AnyNode, Fields, Scalar
from aexl_pipelines.language.templates import Template
from aexl_pipelines.language.texts import (
    ConditionText,
    ExpressionText,
    FieldPath,
    PatternText,
    TargetText,
    TemplateText,
    read_target,
)

ACTIONS: Final = tuple(word for word in get_args(BranchAction) if word != "pipeline")
MATCHERS: Final = (
    "contains",
    "starts_with",
    "is_empty",
    "equals",
    "in",
    "matches",
    "exit_code",
    "expression",
    "if",
    "always",
)
_OF_FIELD: Final = frozenset(get_args(Operand))


@dataclass(frozen=True)
class _Action:
    """What to do: a word, or ``pipeline: PATH`` as one text or as a mapping."""

    word: BranchAction
    pipeline: PipelineTarget | None = None


@dataclass(frozen=True)
class ActionText:
    """An action of a branch."""

    words: str = f"one of {', '.join(ACTIONS)}, or 'pipeline: PATH'"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Fields) and list(node.values) == ["pipeline"]:
            target = TargetText().read(node.values["pipeline"], "pipeline", reader)
            return _Action("pipeline", target) if isinstance(target, PipelineTarget) else INVALID
        text = node.text.strip() if isinstance(node, Scalar) else ""
        if isinstance(node, Scalar) and text.startswith("pipeline:"):
            path = text.removeprefix("pipeline:").strip()
            if not path:
                reader.problem(node, "the action 'pipeline:' names no pipeline", "write 'pipeline: ./other.yaml'")
                return INVALID
            target = read_target(node, path, reader)
            return INVALID if target is None else _Action("pipeline", target)
        for word in get_args(BranchAction):
            if text == word != "pipeline":
                return _Action(word)
        if isinstance(node, Scalar) and text:
            reader.problem(node, f"there is no action {text[:60]!r}", suggest(text, ACTIONS) or f"write {self.words}")
        else:
            kind_error(reader, node, name, self.words)
        return INVALID

    def schema(self) -> Schema:
        pipeline: Schema = {"type": "object", "properties": {"pipeline": Text().schema()}}
        pipeline |= {"required": ["pipeline"], "additionalProperties": False}
        return {"anyOf": [{"enum": list(ACTIONS)}, {"type": "string", "pattern": r"^\s*pipeline:\s*\S"}, pipeline]}


@dataclass(frozen=True)
class _Code:
    words: str = "a whole number, or any (any but 0)"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and -1 <= value <= 255:
            return ExitCode(code=value)
        if isinstance(node, Scalar) and node.text.strip() == "any":
            return ExitCode()
        kind_error(reader, node, name, self.words, "write 1, or any")
        return INVALID

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "integer", "minimum": -1, "maximum": 255}, {"const": "any"}]}


@dataclass(frozen=True)
class _AlwaysKind:
    words: str = "true"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Fields):
            return THEN.read(node, name, reader)
        if isinstance(node, Scalar) and node.value in (None, True):
            return Always()
        reader.problem(node, "always can only be true", "leave the branch out to have it never")
        return INVALID

    def schema(self) -> Schema:
        return {"anyOf": [{"const": True}, {"type": "null"}, THEN.schema()]}


@dataclass(frozen=True)
class _Then:
    """What a branch does, apart from when."""

    action: _Action
    message: Template | None
    prompt: Template | None
    target: str | None


def _build_then(values: Values) -> object:
    action = values.get("action", _Action)
    if action is None:
        return INVALID
    prompt = values.get("prompt", Template)
    if prompt is not None and action.word != "pipeline":
        values.problem("prompt", "a branch's prompt is for 'action: \"pipeline: PATH\"'", "put it into a step")
    return _Then(action, values.get("message", Template), prompt, values.get("target", str))


_DO: Final = (
    Key("action", ActionText(), f'`{"`, `".join(ACTIONS)}`, or `"pipeline: PATH"`.', required=True),
    Key("message", TemplateText(), "What a person is shown at a gate."),
    Key("prompt", TemplateText(), "With a pipeline: its invocation's prompt."),
    Key("target", Name(), "The step whose answer the action is about; this one by default."),
)
THEN: Final = Record(
    title="branch action",
    words="a mapping with an action",
    text="What to do, as `if_true` and `if_false` take it; an action by itself will do.",
    build=_build_then,
    keys=_DO,
)


@dataclass(frozen=True)
class _ThenWord:
    words: str = "an action"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        action = ActionText().read(node, name, reader)
        return _Then(action, None, None, None) if isinstance(action, _Action) else INVALID

    def schema(self) -> Schema:
        return ActionText().schema()


_THEN_KIND: Final = Either("an action, or a mapping with one", _ThenWord(), THEN)
_WHEN: Final = (
    Key("contains", Text(blank=True), "The answer has this text in it, whatever the case."),
    Key("starts_with", Text(), "The answer begins with this text, whatever the case."),
    Key("is_empty", Flag(), "The answer is blank; `false`: it is not."),
    Key("field", FieldPath(), "A field of the step's JSON answer that the other matchers then ask about."),
    Key("equals", Anything(), "The answer, or the field, is this value."),
    Key("in", ListOf(Anything(), least=1), "The answer, or the field, is one of these values.", "aexl"),
    Key("matches", PatternText(), "The answer matches `/pattern/flags`; linear time, flags `i`, `m`, `s`."),
    Key("exit_code", _Code(), "The program's exit code; `any` is any but 0."),
    Key("expression", ConditionText(), "A condition in the grammar of `condition`."),
    Key("if", ExpressionText(), "An expression in the grammar of `if`.", "aexl"),
)


def read_matcher(values: Values) -> Matcher | None:
    """Return the one matcher of a branch, or ``None`` after having reported that there is not one."""
    written = [name for name in MATCHERS if name in values]
    field: Any = values.any("field") if isinstance(values.any("field"), tuple) else None
    if len(written) != 1:
        found = f"not {' and '.join(written)}" if written else "and has none"
        hint = "keep one" if written else "add 'equals: VALUE'" if "field" in values else "add always: true"
        message = f"a branch needs exactly one matcher ({', '.join(MATCHERS)}), {found}"
        values.reader.problem(values.node, message, hint)
        return None
    name = written[0]
    if field is not None and name not in _OF_FIELD:
        values.problem("field", f"'field' does not go together with {name!r}", "remove one of the two")
    return _matcher(name, values.any(name), field)


def _matcher(name: str, value: object, field: tuple[str | int, ...] | None) -> Matcher | None:
    for operand in get_args(Operand):
        if operand == name:
            if isinstance(value, Pattern):
                return Question(operand=operand, pattern=value, field=field)
            return None if value is INVALID else Question(operand=operand, value=value, field=field)
    match value:
        case ExitCode() | Always():
            return value
        case _Then():
            return Always()
        case _ if value is INVALID or value is None:
            return None
        case _ if name == "expression":
            return ConditionMatcher(condition=value)  # type: ignore[arg-type]  # what ConditionText reads
        case _:
            return ExpressionMatcher(expression=value)  # type: ignore[arg-type]  # what ExpressionText reads


def _branch(matcher: Matcher, then: _Then, values: Values) -> Branch:
    return Branch(
        matcher=matcher,
        action=then.action.word,
        message=then.message,
        prompt=then.prompt,
        target=then.target,
        pipeline=then.action.pipeline,
        place=values.node.place,
    )


def _build_branch(values: Values) -> object:
    matcher = read_matcher(values)
    nested = values.any("always")
    if isinstance(nested, _Then):  # always: {action: ...}
        if "action" in values:
            values.problem("action", "the action stands here twice", "leave the one in 'always' out")
        return INVALID if matcher is None else _branch(matcher, nested, values)
    if "action" not in values and not isinstance(values.node.values.get("always"), Fields):
        values.reader.problem(values.node, "a branch needs the key 'action'", "add action: continue")
    then = _build_then(values)
    return _branch(matcher, then, values) if matcher is not None and isinstance(then, _Then) else INVALID


BRANCH: Final = Record(
    title="on_result branch",
    words="a mapping with a matcher and an action",
    text="Branches are tried in order; the first whose matcher fits counts; if none fits, the run goes on.",
    build=_build_branch,
    keys=[
        *_WHEN,
        Key("always", _AlwaysKind(), "`true`: whatever the answer is."),
        *(Key(key.name, key.kind, key.text, key.of) for key in _DO),
    ],
)


def _build_map(values: Values) -> object:
    matcher = read_matcher(values)
    yes, no = values.get("if_true", _Then), values.get("if_false", _Then)
    if "if_true" not in values and "if_false" not in values:
        values.reader.problem(
            values.node, "on_result as a mapping needs 'if_true'", "or write branches as a list, each with 'action'"
        )
    if matcher is None:
        return INVALID
    going_on = _Then(_Action("continue"), None, None, None)
    return (_branch(matcher, yes or going_on, values), *((_branch(Always(), no, values),) if no is not None else ()))


RESULT_MAP: Final = Record(
    title="on_result mapping",
    words="a list of branches, or a mapping with a matcher, if_true and if_false",
    text="The form with one question. With `input_schema` on the step, `field` is one of the step's input; else of its answer.",
    build=_build_map,
    keys=[
        *_WHEN,
        Key("if_true", _THEN_KIND, "What to do if it fits."),
        Key("if_false", _THEN_KIND, "What to do if not; go on by default."),
    ],
)

ON_RESULT: Final = Either(RESULT_MAP.words, None, RESULT_MAP, ListOf(BRANCH, least=1))
RECORDS: Final = (BRANCH, RESULT_MAP, THEN)
