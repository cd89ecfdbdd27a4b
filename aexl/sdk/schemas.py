"""The JSON Schema of a handler's input, for who describes it."""

from __future__ import annotations

import inspect
from typing import Any

from aexl.sdk.inputs import shape_of
from aexl.sdk.registry import Handler
from aexl.sdk.types import schema_of

_ANY_OBJECT = {"type": "object"}


def input_schema(handler: Handler) -> dict[str, Any]:
    """Return what a handler takes, as JSON Schema 2020-12; any object where its annotations do not say.

    Raises:
        TypeError: If an annotation names what does not exist.
    """
    if handler.graph or not getattr(handler.fn, "__annotations__", None):
        return dict(_ANY_OBJECT)
    shape = shape_of(handler.fn)
    defs: dict[str, Any] = {}
    if shape.whole is not None:
        schema = schema_of(shape.whole, defs)
        if list(schema) == ["$ref"] and not _refers(defs, schema["$ref"]):
            schema = defs.pop(schema["$ref"].rpartition("/")[2])
    else:
        empty = inspect.Parameter.empty
        properties = {name: schema_of(kind, defs) for name, (kind, _) in shape.fields.items()}
        for name, (_, default) in shape.fields.items():
            if default is not empty and isinstance(default, str | int | float | bool | None):
                properties[name] = {**properties[name], "default": default}
        schema = {
            "type": "object",
            "properties": properties,
            "required": [name for name, (_, default) in shape.fields.items() if default is empty],
            **({"additionalProperties": False} if shape.closed else {}),
        }
    return (
        {**_ANY_OBJECT, **schema, **({"$defs": defs} if defs else {})}
        if "$ref" not in schema
        else {
            **schema,
            "$defs": defs,
        }
    )


def _refers(defs: dict[str, Any], name: str) -> bool:
    return any(_mentions(each, name) for each in defs.values())


def _mentions(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        return value.get("$ref") == name or any(_mentions(each, name) for each in value.values())
    return isinstance(value, list) and any(_mentions(each, name) for each in value)
