"""A pipeline as JSON values, in the words of its file. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from aexl_pipelines.language.conditions import NamedCondition, PatternCondition, TextCondition
from aexl_pipelines.language.expressions.formatting import format_expression
from aexl_pipelines.language.expressions.patterns import Pattern
from aexl_pipelines.language.expressions.references import Reference
from aexl_pipelines.language.expressions.tree import (
    Comparison,
    Constant,
    Emptiness,
    Junction,
    Listed,
    Matching,
    Negation,
    Word,
)
from aexl_pipelines.language.planning import format_condition
from aexl_pipelines.language.problems import Place
from aexl_pipelines.language.templates import Template


def as_data(value: object) -> object:
    """Return a part of a pipeline; what is a default is left out, templates and conditions are texts."""
    match value:
        case Template():
            return value.source
        case NamedCondition() | TextCondition() | PatternCondition():
            return format_condition(value) or "always"
        case (
            Constant()
            | Listed()
            | Word()
            | Reference()
            | Negation()
            | Junction()
            | Comparison()
            | Matching()
            | Emptiness()
        ):
            return format_expression(value)
        case Pattern() | Place():
            return str(value)
        case msgspec.Struct():
            return _struct(value)
        case Mapping():
            return {name: as_data(each) for name, each in value.items()}
        case list() | tuple():
            return [as_data(each) for each in value]
        case _:
            return value


def _struct(value: msgspec.Struct) -> dict[str, object]:
    found: dict[str, object] = {}
    kind = type(value).__name__
    if kind.endswith(("Body", "Matcher")) or kind in {"Question", "ExitCode", "Always"}:
        found["type"] = kind.removesuffix("Body").removesuffix("Matcher").lower()
    for field in msgspec.structs.fields(value):
        each = getattr(value, field.name)
        if field.required or each not in (field.default, (), {}):
            found[field.encode_name] = as_data(each)
    return found
