"""The JSON Schema of a handler's input, for who describes it, and of types."""

from __future__ import annotations

import collections.abc
import enum
import inspect
from typing import Any, Literal, get_args, get_origin

from aexl.sdk.inputs import shape_of
from aexl.sdk.registry import Handler
from aexl.sdk.types import (
    ANYTHING,
    LISTS,
    SCALARS,
    TABLES,
    TEXTS,
    UNIONS,
    WRAPPERS,
    fields_of,
    is_model,
    is_record,
)

_ANY_OBJECT = {"type": "object"}


def input_schema(handler: Handler) -> dict[str, Any]:
    """Return what a handler takes, as JSON Schema 2020-12; any object where its annotations do not say."""
    if handler.graph or handler.is_plain:
        return dict(_ANY_OBJECT)
    shape = shape_of(handler)
    defs: dict[str, Any] = {}
    if shape.whole is not None:
        schema = schema_of(shape.whole[1], defs)
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


def schema_of(kind: Any, defs: dict[str, Any]) -> dict[str, Any]:
    """Return a type as JSON Schema 2020-12; records that it contains are put into ``defs`` by name."""
    if get_origin(kind) in WRAPPERS:
        inner, *notes = get_args(kind)
        schema = schema_of(inner, defs)
        described = [note for note in notes if isinstance(note, str)]
        return {**schema, "description": described[0]} if described and "$ref" not in schema else schema
    if kind in (ANYTHING, object):
        return {}
    if kind in SCALARS:
        return {"type": SCALARS[kind][0]}
    if kind in TEXTS:
        return {"type": "string", "format": TEXTS[kind][0]}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in UNIONS:
        return {"anyOf": [schema_of(each, defs) for each in arguments]}
    if origin in LISTS or kind in LISTS:
        return _list_schema(origin or kind, arguments, defs)
    if origin in TABLES or kind in TABLES:
        values = schema_of(arguments[1], defs) if len(arguments) == 2 else {}
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    return _class_schema(kind, defs)


def _list_schema(origin: Any, arguments: tuple[Any, ...], defs: dict[str, Any]) -> dict[str, Any]:
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        each = [schema_of(kind, defs) for kind in arguments]
        return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}
    items = schema_of(arguments[0], defs) if arguments else {}
    unique = {"uniqueItems": True} if origin in (set, frozenset, collections.abc.Set) else {}
    return {"type": "array", **({"items": items} if items else {}), **unique}


def _class_schema(kind: Any, defs: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if is_model(kind):
        schema: dict[str, Any] = kind.model_json_schema(ref_template="#/$defs/{model}")
        defs.update(schema.pop("$defs", {}))
        return schema
    if not is_record(kind):
        return {}
    name = kind.__name__
    if name not in defs:
        defs[name] = {}  # a record may contain itself
        fields = fields_of(kind)
        defs[name] = {
            "type": "object",
            "properties": {field: schema_of(each, defs) for field, each, _ in fields},
            "required": [field for field, _, needed in fields if needed],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}
