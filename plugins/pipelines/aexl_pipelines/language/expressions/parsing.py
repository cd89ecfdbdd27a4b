"""The full grammar of ``if:``. Pure.

::

    any        = all ("or" all)*
    all        = inverse ("and" inverse)*
    inverse    = "not" inverse | relation
    relation   = value [ order value
                       | ["not"] ("in" | "contains" | "starts_with" | "ends_with") value
                       | ["not"] "matches" /pattern/flags
                       | "is" ["not"] "empty" ]
    order      = "==" | "!=" | "<" | "<=" | ">" | ">="
    value      = number | "text" | 'text' | true | false | null | [value, ...] | name | (any)
    name       = step.ID.FIELD..., last_response, inputs.NAME, ...

Two orders do not follow one another: ``1 < x < 3`` is an error that says so.
"""

from __future__ import annotations

import math
from typing import Final, get_args

from aexl_pipelines.language.expressions.errors import ExpressionError
from aexl_pipelines.language.expressions.patterns import Pattern, compile_pattern, read_literal
from aexl_pipelines.language.expressions.references import parse_reference
from aexl_pipelines.language.expressions.tokens import Token, split, unquote
from aexl_pipelines.language.expressions.tree import (
    Comparison,
    Constant,
    Emptiness,
    Expression,
    Junction,
    Listed,
    Matching,
    Named,
    Negation,
    Operator,
    Word,
)

DEEPEST: Final = 40
"""Parentheses, lists and negations within one another."""
ROOTS: Final = (
    "step",
    "last_response",
    "session",
    "pipeline",
    "env",
    "do_while",
    "for_each",
    "inputs",
    "secrets",
)
"""What a name may begin with."""

_ORDERS: Final = {"==", "!=", "<", "<=", ">", ">="}
_RELATIONS: Final = {"in", "contains", "starts_with", "ends_with"}
_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}


def parse_expression(text: str) -> Expression:
    """Return the expression that a text is.

    Raises:
        ExpressionError: If it is none; says where and what to write.
    """
    parser = _Parser(split(text))
    found = parser.any(0)
    parser.end()
    return found


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> Token | None:
        """Return the next word and go on, if it is one of these."""
        token = self._token
        if token.kind in {"word", "mark"} and token.text in texts:
            self._at += 1
            return token
        return None

    def _expect(self, text: str, why: str) -> None:
        if self._take(text) is None:
            raise self._unexpected(f"{text!r} is missing {why}")

    def _unexpected(
        self, message: str, suggestion: str = "complete it, as in step.tests.exit_code == 0"
    ) -> ExpressionError:
        token = self._token
        got = "it ends here" if token.kind == "end" else f"there is {token.text[:40]!r}"
        return ExpressionError(f"{message}: {got}", token.offset, suggestion)

    def end(self) -> None:
        token = self._token
        if token.kind == "end":
            return
        hint = "join two conditions with and, or"
        if token.text in _ORDERS:
            hint = "an order compares two values; write a < b and b < c"
        raise ExpressionError(f"nothing more is expected at {token.text[:40]!r}", token.offset, hint)

    def any(self, depth: int) -> Expression:
        return self._junction("or", depth)

    def _junction(self, word: str, depth: int) -> Expression:
        operands = [self._operand(word, depth)]
        offset = self._token.offset
        while self._take(word):
            operands.append(self._operand(word, depth))
        if len(operands) == 1:
            return operands[0]
        return Junction("or" if word == "or" else "and", tuple(operands), offset)

    def _operand(self, word: str, depth: int) -> Expression:
        return self._junction("and", depth) if word == "or" else self._inverse(depth)

    def _inverse(self, depth: int) -> Expression:
        if depth > DEEPEST:
            raise ExpressionError(
                f"the expression is nested more than {DEEPEST} levels deep", self._token.offset, "make two steps of it"
            )
        token = self._take("not")
        if token is not None:
            return Negation(self._inverse(depth + 1), token.offset)
        return self._relation(depth)

    def _relation(self, depth: int) -> Expression:
        left = self._value(depth)
        offset = self._token.offset
        if self._take("is"):
            negated = self._take("not") is not None
            self._expect("empty", "after 'is'")
            return Emptiness(left, negated, offset)
        token = self._take(*_ORDERS)
        if token is not None:
            return Comparison(_operator(token), left, self._value(depth), False, offset)
        negated = self._take("not") is not None
        if self._take("matches"):
            return Matching(left, self._pattern(), negated, offset)
        token = self._take(*_RELATIONS)
        if token is not None:
            return Comparison(_operator(token), left, self._value(depth), negated, offset)
        if negated:
            raise self._unexpected("'in', 'contains', 'starts_with', 'ends_with' or 'matches' is missing after 'not'")
        return left

    def _pattern(self) -> Pattern:
        token = self._token
        if token.kind == "pattern":
            self._at += 1
            return read_literal(token.text, token.offset)
        if token.kind == "text":
            self._at += 1
            return compile_pattern(unquote(token), "", token.offset)
        raise self._unexpected("a pattern is missing after 'matches'", "write it between slashes, as in /FAIL/i")

    def _value(self, depth: int) -> Expression:
        if depth > DEEPEST:
            raise ExpressionError(
                f"the expression is nested more than {DEEPEST} levels deep", self._token.offset, "make two steps of it"
            )
        token = self._token
        self._at += token.kind != "end"
        if token.kind == "number":
            return Constant(_number(token), token.offset)
        if token.kind == "text":
            return Constant(unquote(token), token.offset)
        if token.kind == "name":
            reference = parse_reference(token.text, token.offset)
            if reference.root not in ROOTS:
                hint = f"write {token.text!r} in quotes if it is a text"
                raise ExpressionError(f"the name {token.text[:60]!r} is not known", token.offset, hint)
            return reference
        if token.kind == "word" and token.text in _CONSTANTS:
            return Constant(_CONSTANTS[token.text], token.offset)
        for name in get_args(Named):
            if token.kind == "word" and token.text == name:
                return Word(name, token.offset)
        if token.kind == "mark" and token.text == "(":
            inner = self.any(depth + 1)
            self._expect(")", "to close the parenthesis")
            return inner
        if token.kind == "mark" and token.text == "[":
            return self._list(token, depth)
        self._at -= token.kind != "end"
        raise self._unexpected("a value is missing")

    def _list(self, opening: Token, depth: int) -> Expression:
        items: list[Expression] = []
        while not self._take("]"):
            items.append(self._value(depth + 1))
            if self._take(",") is None and self._token.text != "]":
                raise self._unexpected("',' or ']' is missing in the list")
        return Listed(tuple(items), opening.offset)


def _operator(token: Token) -> Operator:
    for operator in get_args(Operator):
        if operator == token.text:
            return operator  # type: ignore[no-any-return]  # get_args forgets what it takes apart
    raise AssertionError(token)


def _number(token: Token) -> int | float:
    if token.text.lstrip("-").isdigit() and len(token.text) < 20:
        return int(token.text)
    value = float(token.text)
    if not math.isfinite(value):
        raise ExpressionError(f"the number {token.text[:40]} is too large", token.offset, "write a smaller one")
    return value
