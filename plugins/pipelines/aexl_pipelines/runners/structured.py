"""Answers as JSON: found in what a model says, and held to the schema that was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from aexl.errors import Invalid
from aexl_pipelines.language import schemas

Schema = Mapping[str, object]

_FENCE: Final = re.compile(r"```[ \t]*[\w+-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```", re.DOTALL)


class FoundAnswer(NamedTuple):
    """An answer as JSON; or what is wrong with it, a sentence."""

    value: object
    fault: str = ""


def check_schema(schema: Schema) -> None:
    """See that a schema is one.

    Raises:
        Invalid: If it is not; says where.
    """
    problem = schemas.schema_problem(schema)
    if problem:
        raise Invalid(f"the JSON Schema cannot be used: {problem}")


def fault_of(value: object, schema: Schema) -> str:
    """Return what is wrong with a JSON value, an empty string if nothing is."""
    try:
        schemas.check_value(schema, value)
    except Invalid as error:
        return str(error)
    return ""


def find_answer(text: str, schema: Schema) -> FoundAnswer:
    """Return the JSON that an answer is, or that stands in it, held to a schema."""
    fault = "the answer is no JSON"
    for candidate in _candidates(text):
        try:
            value = msgspec.json.decode(candidate)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            continue
        fault = fault_of(value, schema)
        if not fault:
            return FoundAnswer(value)
    return FoundAnswer(None, fault)


def ask_for(schema: Schema) -> str:
    """Return the sentences with which a model is asked for an answer, where its runner has no way of its own."""
    return (
        "Answer with one JSON value and nothing else: no explanation, no code fence. "
        f"It must be valid against this JSON Schema:\n{json.dumps(schema, ensure_ascii=False)}"
    )


def _candidates(text: str) -> Iterator[str]:
    """Yield what may be the answer: all of it, then what is fenced, the last one first, then from brace to brace."""
    yield text.strip()
    yield from reversed(_FENCE.findall(text))
    for opening, closing in ("{}", "[]"):
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end:
            yield text[start : end + 1]
