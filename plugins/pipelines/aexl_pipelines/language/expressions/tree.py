"""What an expression is made of. Offsets say where in the text, and make no difference between two expressions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.expressions.references import Reference

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "contains", "starts_with", "ends_with"]
Named = Literal["always", "never", "if_code_changed", "if_last_response_empty"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text, ``true``, ``false`` or ``null``."""

    value: bool | int | float | str | None
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of values."""

    items: tuple[Expression, ...]
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Word:
    """A condition that has a name."""

    name: Named
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Negation:
    """``not`` something."""

    operand: Expression
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Junction:
    """Two or more things joined by ``and`` or by ``or``."""

    word: Literal["and", "or"]
    operands: tuple[Expression, ...]
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values and what is asked of them."""

    operator: Operator
    left: Expression
    right: Expression
    negated: bool = False
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Matching:
    """A value and a pattern."""

    left: Expression
    pattern: Pattern
    negated: bool = False
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Emptiness:
    """A value that must, or must not, be empty."""

    operand: Expression
    negated: bool = False
    offset: int = field(default=0, compare=False)


Expression: TypeAlias = Constant | Listed | Word | Reference | Negation | Junction | Comparison | Matching | Emptiness
