"""Holding results to the schemas that handlers declare."""

from __future__ import annotations

from typing import Any

from aexl.sdk.errors import InvalidInput
from aexl.sdk.registry import Handler
from aexl_runtime.protocol.plain import plain


def check_result(handler: Handler, result: Any) -> None:
    """Hold a result to the handler's ``output_schema``, if it has one.

    Raises:
        InvalidInput: If it does not match, or cannot be checked; says where, or why.
    """
    if handler.output_schema is None:
        return
    declared = f"the output_schema of {handler.kind} {handler.name!r}"
    try:
        exceptions, validators = import_checks()
    except ImportError:
        raise InvalidInput([f"{declared} needs the package 'jsonschema', which this interpreter has not"]) from None
    schema = plain(handler.output_schema)
    kind = validators.validator_for(schema)
    try:
        kind.check_schema(schema)
    except exceptions.SchemaError as error:
        raise InvalidInput([f"{declared} is none: {error.message}"]) from None
    problem = exceptions.best_match(kind(schema).iter_errors(result))
    if problem is not None:
        place = f"the result of {handler.kind} {handler.name!r} does not match its output_schema at {problem.json_path}"
        raise InvalidInput([f"{place}: {problem.message}"])


def import_checks() -> tuple[Any, Any]:
    """Return the modules that know JSON Schema, which take long to import."""
    from jsonschema import exceptions, validators  # type: ignore[import-untyped]  # it has no types

    return exceptions, validators
