"""``do_while`` and ``for_each``. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, get_args

from aexl_pipelines.language.answers import decode_answer
from aexl_pipelines.language.kinds import (
    INVALID,
    Anything,
    Choice,
    Either,
    Identifier,
    Kind,
    ListOf,
    MapOf,
    Number,
    Schema,
    Text,
)
from aexl_pipelines.language.model import DoWhileBody, ForEachBody, OnMaximum, Step
from aexl_pipelines.language.reader import Reader
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.source import AnyNode, Items, Scalar
from aexl_pipelines.language.templates import Template
from aexl_pipelines.language.texts import ConditionText, ExpressionText, TemplateText

MOST_COMBINATIONS: Final = 1_000


@dataclass(frozen=True)
class _Counted:
    """A kind that is read as the body of a loop, so that loops within loops are counted."""

    inner: Callable[[], Kind]
    words: str = "a list of steps"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        with reader.in_loop(node):
            return self.inner().read(node, name, reader)

    def schema(self) -> Schema:
        return self.inner().schema()


@dataclass(frozen=True)
class _LoopFile:
    """A pipeline whose steps are the body: a name, or a file that is read now."""

    words: str = "the name of a pipeline, or the path of a file"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        if text.strip() in reader.named:
            return text.strip()
        if "{{" in text:
            reader.problem(
                node,
                f"the path of a loop's body is known before it runs, so {text[:60]!r} has no names",
                "write the path itself",
            )
            return INVALID
        return _Path(node)

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class _Path:
    node: Scalar


def _body(values: Values) -> tuple[tuple[Step, ...], str | None]:
    """Return the steps of a loop, and the file or the named pipeline that they come from."""
    if ("steps" in values) == ("pipeline" in values):
        both = "not both" if "steps" in values else "and has neither"
        values.reader.problem(
            values.node, f"{values.name} needs 'steps' or 'pipeline', {both}", "write steps: and below it the body"
        )
    reader = values.reader
    target = values.any("pipeline")
    if isinstance(target, str):
        return (), target
    if not isinstance(target, _Path):
        return values.all("steps", Step), None
    path = reader.path(target.node)
    if path is None or reader.steps_of is None:
        return (), None
    reader.texts[target.node] = path
    with reader.in_loop(target.node):
        return reader.steps_of(path, target.node.place, reader), str(path)


def _build_do_while(values: Values) -> DoWhileBody:
    if ("exit_when" in values) == ("exit_if" in values):
        both = "not both" if "exit_if" in values else "and has neither"
        values.reader.problem(
            values.node,
            f"do_while needs 'exit_when' or 'exit_if', {both}",
            "write exit_when: \"{{ last_response }} contains 'DONE'\"",
        )
    steps, file = _body(values)
    when: Any = values.any("exit_when")
    expression: Any = values.any("exit_if")
    on_maximum: Any = values.get("on_max_iterations", str, "abort_pipeline")
    return DoWhileBody(
        max_iterations=values.get("max_iterations", int, 1),
        exit_when=None if when is INVALID else when,
        exit_if=None if expression is INVALID else expression,
        on_max_iterations=on_maximum,
        steps=steps,
        file=file,
    )


@dataclass(frozen=True)
class _Over:
    """What a loop goes over: a template that gives a list, or the list itself."""

    words: str = "a list, or a text that gives one, as in '{{ step.plan.items }}'"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Items):
            return ListOf(Anything()).read(node, name, reader)
        found = TemplateText().read(node, name, reader)
        if isinstance(found, Template) and not _may_be_list(found):
            reader.problem(node, f"{name} must be {self.words}", "write [one, other], or '{{ step.ID.items }}'")
        return found

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "array"}, {"type": "string", "pattern": r"\{\{|\["}]}


def _may_be_list(text: Template) -> bool:
    """Say whether a text can give a list; of one without names that is known."""
    if any(True for _ in text.substitutions):
        return True
    try:
        return isinstance(decode_answer(text.render({})), list)
    except (ValueError, RecursionError):
        return False


def _build_for_each(values: Values) -> ForEachBody:
    if ("over" in values) == ("matrix" in values):
        both = "not both" if "over" in values else "and has neither"
        values.reader.problem(values.node, f"for_each needs 'over' or 'matrix', {both}", "write over: and a list")
    steps, file = _body(values)
    over: Any = values.any("over")
    matrix: Any = values.any("matrix")
    on_maximum: Any = values.get("on_max_items", str, "continue")
    if isinstance(matrix, dict):
        _check_matrix(values, matrix)
    return ForEachBody(
        over=over if isinstance(over, tuple | Template) else None,
        matrix=matrix if isinstance(matrix, dict) else None,
        variable=values.get("as", str, "item"),
        max_items=values.get("max_items", int),
        on_max_items=on_maximum,
        parallel=values.get("parallel", int, 1),
        steps=steps,
        file=file,
    )


def _check_matrix(values: Values, matrix: dict[str, object]) -> None:
    for axis in {"item", "index", "total"} & set(matrix):
        values.problem(
            "matrix", f"the axis {axis!r} has the name of one of the loop's own values", "give it another name"
        )
    count = 1
    for items in matrix.values():
        count *= max(len(items), 1) if isinstance(items, tuple) else 1
    if count > MOST_COMBINATIONS:
        values.problem(
            "matrix", f"the matrix has {count} combinations; at most {MOST_COMBINATIONS} are run", "shorten its lists"
        )


@dataclass(frozen=True)
class _Parallel:
    words: str = "a number of items at a time, or true for all"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return MOST_COMBINATIONS if node.value else 1
        return Number(1, MOST_COMBINATIONS, whole=True).read(node, name, reader)

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "boolean"}, Number(1, MOST_COMBINATIONS, whole=True).schema()]}


def loop_records(steps: Callable[[], Kind]) -> tuple[Record, Record]:
    """Return the tables of both loops; ``steps`` reads a list of steps."""
    body = (
        Key("steps", _Counted(steps), "The body. Ids are short within it; from outside: `step.LOOP::ID`."),
        Key("pipeline", _LoopFile(), "The body is that of a file, or of a named pipeline."),
    )
    do_while = Record(
        title="do_while",
        words="a mapping with max_iterations, exit_when and steps",
        text="The body, then the question, again and again until it holds. Its entry has the last answer, and `index` is how often it ran.",
        build=_build_do_while,
        keys=[
            Key("max_iterations", Number(1, 10_000, whole=True), "The most that the body runs.", required=True),
            Key("exit_when", ConditionText(), "Ends the loop when it holds; the grammar of `condition`."),
            Key("exit_if", ExpressionText(), "The same in the grammar of `if`.", "aexl"),
            Key(
                "on_max_iterations",
                Choice(get_args(OnMaximum)),
                "What happens when it has run that often; `abort_pipeline` by default.",
            ),
            *body,
        ],
    )
    for_each = Record(
        title="for_each",
        words="a mapping with over or matrix, and steps",
        text="The body, once for each item. An empty list is no error.",
        build=_build_for_each,
        keys=[
            Key("over", _Over(), "A list, or a text that gives a JSON list: `{{ step.plan.items }}`."),
            Key(
                "matrix",
                MapOf(Either("a list of values", _Over(), None, ListOf(Anything(), least=1)), Identifier(), 1),
                "Each combination of these lists, as `{{ for_each.AXIS }}`.",
                "aexl",
            ),
            Key("as", Identifier(), "What an item is called: `{{ for_each.NAME }}`; `item` by default."),
            Key("max_items", Number(1, 100_000, whole=True), "The most items."),
            Key("on_max_items", Choice(("continue", "abort_pipeline")), "With more: leave the rest, or end the run."),
            Key("parallel", _Parallel(), "How many at a time; `true` is all. 1 by default.", "aexl"),
            *body,
        ],
    )
    return do_while, for_each
