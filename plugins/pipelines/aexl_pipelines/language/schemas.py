"""JSON Schemas of answers: checked when a file is loaded, and held against what a model says. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from aexl.errors import Invalid
from aexl_pipelines.language.answers import decode_answer

MOST_PROBLEMS: Final = 20


def schema_problem(schema: object) -> str | None:
    """Return what is wrong with a schema, or ``None``. References must stay within it: nothing is fetched."""
    if not isinstance(schema, Mapping):
        return "a schema is a mapping"
    from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]  # the package has no types

    try:
        text = json.dumps(schema, allow_nan=False)
    except (ValueError, TypeError):
        return "the schema has a value that JSON does not have"
    for reference in _references(schema):
        if not reference.startswith("#"):
            return f"the reference {reference[:80]!r} leads out of the schema"
    try:
        _validator_class().check_schema(schema)
        for pattern in _patterns(schema):
            _search(pattern, "")
        _compiled(text)
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path)
        return f"{error.message[:200]}{f' (at {where})' if where else ''}"
    except Invalid as error:
        return str(error)
    return None


def check_answer(schema: object, answer: str) -> object:
    """Return the JSON value of an answer; a fence of Markdown around it is no fault.

    Raises:
        Invalid: If it is no JSON, or not what the schema wants; names up to twenty faults.
    """
    try:
        value = decode_answer(answer)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the answer is no JSON: {error}") from error
    check_value(schema, value)
    return value


def check_value(schema: object, value: object) -> None:
    """Hold a JSON value against a schema; see ``check_answer``."""
    from referencing.exceptions import Unresolvable

    validator = _compiled(json.dumps(schema))
    try:
        found = [_sentence(error) for error, _ in zip(validator.iter_errors(value), range(MOST_PROBLEMS), strict=False)]
    except Unresolvable as error:
        raise Invalid(f"the schema refers to what it does not have: {error}") from error
    except RecursionError as error:
        raise Invalid("the schema refers to itself without end") from error
    if found:
        raise Invalid("the answer is not what the schema wants: " + "; ".join(found))


def _sentence(error: Any) -> str:
    where = "/".join(str(part) for part in error.absolute_path)
    message = str(error.message)
    return (f"{where}: " if where else "") + (message if len(message) <= 200 else message[:200] + "...")


@lru_cache(maxsize=64)
def _compiled(text: str) -> Any:
    from referencing import Registry

    return _validator_class()(json.loads(text), registry=Registry())


@lru_cache(maxsize=1)
def _validator_class() -> Any:
    """Return the validator of draft 2020-12 with patterns that cannot be slow."""
    from jsonschema import (  # type: ignore[import-untyped]  # the package has no types
        Draft202012Validator,
        ValidationError,
        validators,
    )

    def pattern(_validator: Any, wanted: str, instance: object, _schema: object) -> Iterator[Any]:
        if isinstance(instance, str) and not _search(wanted, instance):
            yield ValidationError(f"{instance[:80]!r} does not match {wanted!r}")

    def pattern_properties(validator: Any, wanted: Mapping[str, Any], instance: object, _: object) -> Iterator[Any]:
        if isinstance(instance, Mapping):
            for name, schema in wanted.items():
                for key, value in instance.items():
                    if _search(name, key):
                        yield from validator.descend(value, schema, path=key, schema_path=name)

    return validators.extend(Draft202012Validator, {"pattern": pattern, "patternProperties": pattern_properties})


def _search(pattern: str, text: str) -> bool:
    from aexl_pipelines.language.expressions.errors import ExpressionError
    from aexl_pipelines.language.expressions.patterns import compile_pattern

    try:
        return compile_pattern(pattern, "", 0).found_in(text)
    except ExpressionError as error:
        raise Invalid(f"{error.message} ({pattern[:80]!r})") from error


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in {"$ref", "$dynamicRef"} and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)


def _patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        properties = schema.get("patternProperties")
        if isinstance(properties, Mapping):
            yield from (str(name) for name in properties)
        for value in schema.values():
            yield from _patterns(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _patterns(item)


def mismatch(produced: object, consumed: object) -> str | None:
    """Say why what one step answers can never be what the next one takes; ``None`` where it may be."""
    if not isinstance(produced, Mapping) or not isinstance(consumed, Mapping):
        return None
    if "type" in produced and "type" in consumed and produced["type"] != consumed["type"]:
        return f"the step before answers with {produced['type']!r}, this one takes {consumed['type']!r}"
    properties = produced.get("properties")
    required = consumed.get("required")
    if isinstance(properties, Mapping) and isinstance(required, list):
        missing = [str(name) for name in required if name not in properties]
        if missing:
            return f"this step requires {', '.join(missing)}, which the answer before does not have"
    return None
