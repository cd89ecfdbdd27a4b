"""From an expression back to a text that reads as the same expression. Pure."""

from __future__ import annotations

import json

from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.expressions.references import Reference
from aexl_pipelines.language.expressions.tree import (
    Comparison,
    Constant,
    Emptiness,
    Expression,
    Junction,
    Listed,
    Matching,
    Negation,
    Word,
)


def format_expression(expression: Expression) -> str:
    """Return the text of an expression, with parentheses only where they are needed."""
    return _format(expression, 0)


def _format(expression: Expression, level: int) -> str:
    """Write for a place that takes ``or`` (0), ``and`` (1), ``not`` (2), or a value alone (3)."""
    own, text = _text_of(expression)
    return f"({text})" if own < level else text


def _text_of(expression: Expression) -> tuple[int, str]:
    """Return how tightly an expression holds together, and its text."""
    match expression:
        case Junction():
            own = 0 if expression.word == "or" else 1
            return own, f" {expression.word} ".join(_format(each, own + 1) for each in expression.operands)
        case Negation():
            return 2, f"not {_format(expression.operand, 2)}"
        case Comparison():
            word = f"not {expression.operator}" if expression.negated else expression.operator
            return 2, f"{_format(expression.left, 3)} {word} {_format(expression.right, 3)}"
        case Matching():
            word = "not matches" if expression.negated else "matches"
            return 2, f"{_format(expression.left, 3)} {word} {_format_pattern(expression.pattern)}"
        case Emptiness():
            return 2, f"{_format(expression.operand, 3)} {'is not empty' if expression.negated else 'is empty'}"
        case Constant() | Listed() | Word() | Reference():
            return 3, _format_value(expression)


def _format_value(value: Constant | Listed | Word | Reference) -> str:
    match value:
        case Constant():
            return _format_constant(value.value)
        case Listed():
            return f"[{', '.join(_format(item, 3) for item in value.items)}]"
        case Word():
            return value.name
        case Reference():
            return str(value)


def _format_constant(value: bool | float | str | None) -> str:
    if isinstance(value, float):
        text = repr(value)
        return text if "." in text or "e" in text else f"{text}.0"
    return json.dumps(value, ensure_ascii=False).replace("\\b", "\\u0008").replace("\\f", "\\u000c")


def _format_pattern(pattern: Pattern) -> str:
    """Write a pattern so that no slash or line end in it ends it early."""
    pieces = []
    escaped = False
    for character in pattern.source:
        if not escaped and character == "/":
            pieces.append("\\/")
        elif character == "\n":
            pieces.append("n" if escaped else "\\n")
        else:
            pieces.append(character)
        escaped = character == "\\" and not escaped
    return f"/{''.join(pieces)}/{pattern.flags}"
