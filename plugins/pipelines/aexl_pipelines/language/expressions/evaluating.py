"""What an expression says of values. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from aexl_pipelines.language.expressions.errors import NotComparable
from aexl_pipelines.language.expressions.references import Reference, look_up
from aexl_pipelines.language.expressions.tree import (
    Comparison,
    Constant,
    Emptiness,
    Expression,
    Junction,
    Listed,
    Matching,
    Negation,
    Operator,
    Word,
)

_MOST: Final = 80


def holds(expression: Expression, values: Mapping[str, object]) -> bool:
    """Say whether an expression is true: not ``null``, ``false``, zero, blank or empty.

    Raises:
        Unresolved: If a name in it stands for nothing.
        NotComparable: If an order is asked of values that have none.
    """
    return is_true(evaluate(expression, values))


def evaluate(expression: Expression, values: Mapping[str, object]) -> object:
    """Return the value of an expression; see ``holds``."""
    match expression:
        case Constant():
            return expression.value
        case Reference():
            return look_up(expression, values)
        case Listed():
            return [evaluate(item, values) for item in expression.items]
        case Word():
            return _word(expression, values)
        case Negation():
            return not holds(expression.operand, values)
        case Junction():
            wanted = expression.word == "or"
            return any(holds(each, values) is wanted for each in expression.operands) is wanted
        case Emptiness():
            return is_empty(evaluate(expression.operand, values)) is not expression.negated
        case Matching():
            return expression.pattern.found_in(as_text(evaluate(expression.left, values))) is not expression.negated
        case Comparison():
            left, right = evaluate(expression.left, values), evaluate(expression.right, values)
            return compare(expression.operator, left, right) is not expression.negated


def _word(word: Word, values: Mapping[str, object]) -> bool:
    match word.name:
        case "always":
            return True
        case "never":
            return False
        case "if_code_changed":
            return bool(values.get("code_changed"))
        case "if_last_response_empty":
            return is_empty(values.get("last_response"))


def compare(operator: Operator, left: object, right: object) -> bool:
    """Say what one operator says of two values.

    Texts are compared without the space around them. A text that is a number
    equals that number, and nothing equals a blank text. ``contains``, ``starts_with``, ``ends_with`` and ``in`` a
    text take no notice of case.
    """
    match operator:
        case "==":
            return is_equal(left, right)
        case "!=":
            return not is_equal(left, right)
        case "in":
            return _has(right, left)
        case "contains":
            return _has(left, right)
        case "starts_with":
            return as_text(left).strip().casefold().startswith(as_text(right).strip().casefold())
        case "ends_with":
            return as_text(left).strip().casefold().endswith(as_text(right).strip().casefold())
        case "<" | "<=" | ">" | ">=":
            order = _order(left, right)
            return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def is_true(value: object) -> bool:
    """Say whether a value counts as true."""
    return bool(value) and not is_empty(value)


def is_empty(value: object) -> bool:
    """Say whether a value is nothing, a blank text, or a list or mapping without anything in it."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, Sequence | Mapping) and not value)


def as_text(value: object) -> str:
    """Return a value as it stands in a prompt: texts bare, nothing as no text, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def is_equal(left: object, right: object) -> bool:
    """Say whether two values are the same; see ``compare``."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) or isinstance(right, int | float):
        numbers = _number(left), _number(right)
        return None not in numbers and numbers[0] == numbers[1]
    if isinstance(left, str | None) and isinstance(right, str | None):
        return (left or "").strip() == (right or "").strip()
    return left == right


def _number(value: object) -> int | float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= _MOST:
        try:
            return int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
        except ValueError:
            return None
    return None


def _order(left: object, right: object) -> int:
    numbers = _number(left), _number(right)
    if numbers[0] is not None and numbers[1] is not None:
        if numbers[0] != numbers[0] or numbers[1] != numbers[1]:
            raise NotComparable(f"{_shown(left)} and {_shown(right)} have no order")
        return (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])
    if isinstance(left, str) and isinstance(right, str):
        one, other = left.strip(), right.strip()
        return (one > other) - (one < other)
    raise NotComparable(f"{_shown(left)} and {_shown(right)} have no order: compare two numbers or two texts")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST else text[:_MOST] + "..."


def _has(whole: object, part: object) -> bool:
    if isinstance(whole, Mapping):
        return as_text(part) in whole
    if isinstance(whole, list | tuple):
        return any(is_equal(item, part) for item in whole)
    return as_text(part).casefold() in as_text(whole).casefold()
