"""ail's grammar of ``condition:``, ``expression:`` and ``exit_when:``, to the letter. Pure.

``always``, ``never``, a named condition, or ``LEFT operator RIGHT``. Outside of
braces the operators are looked for in this order: ``matches``, ``starts_with``,
``ends_with``, ``contains`` (with space on both sides), ``!=``, ``==``. ``and``,
``or`` and ``<`` are words like any other here; ``if:`` is the key that knows them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

from aexl_pipelines.language.expressions.errors import ExpressionError
from aexl_pipelines.language.expressions.evaluating import is_empty
from aexl_pipelines.language.expressions.patterns import Pattern, read_literal
from aexl_pipelines.language.expressions.tree import Named
from aexl_pipelines.language.problems import suggest
from aexl_pipelines.language.templates import Template, parse_template

TextOperator = Literal["starts_with", "ends_with", "contains", "!=", "=="]

_OPERATORS: Final = ("matches", "starts_with", "ends_with", "contains", "!=", "==")
_FULL: Final = re.compile(r"\s(and|or|not|in|is)\s|[<>]")


@dataclass(frozen=True, slots=True)
class NamedCondition:
    """A condition that is one word."""

    name: Named


@dataclass(frozen=True, slots=True)
class TextCondition:
    """Two texts and what is asked of them."""

    left: Template
    operator: TextOperator
    right: Template
    right_offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class PatternCondition:
    """A text and a pattern."""

    left: Template
    pattern: Pattern


Condition: TypeAlias = NamedCondition | TextCondition | PatternCondition


def parse_condition(text: str) -> Condition:
    """Return the condition that a text is.

    Raises:
        ExpressionError: If it is none.
    """
    word = text.strip()
    for name in get_args(Named):
        if word == name:
            return NamedCondition(name)
    parse_template(text)  # so that braces that do not close are what is reported
    outside = _mask(text)
    for operator in _OPERATORS:
        found = re.search(rf"\s{operator}(?=\s)" if operator[0].isalpha() else re.escape(operator), outside)
        if found is not None:
            start = found.start() + (1 if operator[0].isalpha() else 0)
            return _binary(text, operator, start, start + len(operator))
    hint = suggest(word, get_args(Named)) if word.isidentifier() else ""
    if not hint and _FULL.search(outside):
        hint = "and, or, not and comparisons of numbers belong to 'if:'"
    raise ExpressionError(
        f"the condition {word[:60]!r} has no operator",
        0,
        hint or "write always, never, or LEFT == RIGHT (also !=, contains, starts_with, ends_with, matches)",
    )


def _mask(text: str) -> str:
    """Return the text with what stands in braces made unreadable, character for character."""
    return re.sub(r"\{\{.*?\}\}", lambda found: "\0" * len(found[0]), text, flags=re.DOTALL)


def _binary(text: str, operator: str, start: int, end: int) -> Condition:
    left, right = text[:start].strip(), text[end:].strip()
    if not left:
        raise ExpressionError(
            f"nothing stands before {operator!r}", start, f"write {{{{ step.ID.response }}}} {operator} 'text'"
        )
    if not right:
        raise ExpressionError(
            f"nothing stands after {operator!r}", end, f"write {{{{ step.ID.response }}}} {operator} 'text'"
        )
    right_offset = end + len(text[end:]) - len(text[end:].lstrip())
    template = _shifted(left, len(text) - len(text.lstrip()))
    if operator == "matches":
        return PatternCondition(template, read_literal(right, right_offset))
    if len(right) >= 2 and right[0] == right[-1] and right[0] in "'\"":
        right, right_offset = right[1:-1], right_offset + 1
    for known in get_args(TextOperator):
        if operator == known:
            return TextCondition(template, known, _shifted(right, right_offset), right_offset)
    raise AssertionError(operator)


def _shifted(text: str, offset: int) -> Template:
    """Parse a part of a condition; what is wrong with it is said at its place in the whole."""
    try:
        return parse_template(text)
    except ExpressionError as error:
        raise ExpressionError(error.message, error.offset + offset, error.suggestion) from error


def condition_holds(condition: Condition, values: Mapping[str, object]) -> bool:
    """Say whether a condition is true. What a skipped step did not say is an empty text.

    Raises:
        Unresolved: If a name in it is not known.
    """
    match condition:
        case NamedCondition(name="always"):
            return True
        case NamedCondition(name="never"):
            return False
        case NamedCondition(name="if_code_changed"):
            return bool(values.get("code_changed"))
        case NamedCondition():
            return is_empty(values.get("last_response"))
        case PatternCondition():
            return condition.pattern.found_in(condition.left.text(values))
        case TextCondition():
            return _compare(condition.operator, condition.left.text(values), condition.right.text(values))


def _compare(operator: TextOperator, left: str, right: str) -> bool:
    match operator:
        case "==":
            return left.strip() == right.strip()
        case "!=":
            return left.strip() != right.strip()
        case "contains":
            return right.casefold() in left.casefold()
        case "starts_with":
            return left.casefold().startswith(right.casefold())
        case "ends_with":
            return left.casefold().endswith(right.casefold())
