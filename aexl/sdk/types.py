"""Python types and JSON: what a type looks like as JSON Schema, and values of it made of JSON's."""

from __future__ import annotations

import base64
import binascii
import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin

ANYTHING: Final = typing.Any

Problems = list[str]

_SCALARS: Final[Mapping[Any, tuple[str, str]]] = {
    str: ("string", "a text"),
    bool: ("boolean", "true or false"),
    int: ("integer", "a whole number"),
    float: ("number", "a number"),
    type(None): ("null", "null"),
}
_LISTS: Final = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Set)
_TABLES: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_TEXTS: Final[Mapping[Any, tuple[str, str]]] = {
    dt.datetime: ("date-time", "a date and time"),
    dt.date: ("date", "a date"),
    dt.time: ("time", "a time"),
    uuid.UUID: ("uuid", "a UUID"),
    decimal.Decimal: ("decimal", "a decimal number"),
    bytes: ("byte", "base64"),
}
_WRAPPERS: Final = (typing.Annotated, typing.Required, typing.NotRequired)
_UNIONS: Final = (Union, types.UnionType)


def is_object(kind: Any) -> bool:
    """Return whether JSON's value of a type is an object, or may be anything."""
    kind = _plain(kind)
    if kind in (ANYTHING, object):
        return True
    return (get_origin(kind) or kind) in _TABLES or _is_record(kind) or _is_model(kind)


def _plain(kind: Any) -> Any:
    while get_origin(kind) in _WRAPPERS:
        kind = get_args(kind)[0]
    return kind


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or typing.is_typeddict(kind))


def _is_model(kind: Any) -> bool:
    """Models of pydantic, found without importing it: a project that has some has imported it."""
    return isinstance(kind, type) and callable(getattr(kind, "model_validate", None))


def _fields(kind: Any) -> list[tuple[str, Any, bool]]:
    """Return name, type and necessity of a record's fields."""
    hints = typing.get_type_hints(kind, include_extras=True)
    if typing.is_typeddict(kind):
        return [(name, hints[name], name in kind.__required_keys__) for name in hints]
    missing = dataclasses.MISSING
    return [
        (field.name, hints[field.name], field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(kind)
        if field.init
    ]


def schema_of(kind: Any, defs: dict[str, Any]) -> dict[str, Any]:
    """Return a type as JSON Schema 2020-12; records that it contains are put into ``defs`` by name."""
    if get_origin(kind) in _WRAPPERS:
        inner, *notes = get_args(kind)
        schema = schema_of(inner, defs)
        described = [note for note in notes if isinstance(note, str)]
        return {**schema, "description": described[0]} if described and "$ref" not in schema else schema
    if kind in (ANYTHING, object):
        return {}
    if kind in _SCALARS:
        return {"type": _SCALARS[kind][0]}
    if kind in _TEXTS:
        return {"type": "string", "format": _TEXTS[kind][0]}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in _UNIONS:
        return {"anyOf": [schema_of(each, defs) for each in arguments]}
    if origin in _LISTS or kind in _LISTS:
        return _list_schema(origin or kind, arguments, defs)
    if origin in _TABLES or kind in _TABLES:
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
    if _is_model(kind):
        schema: dict[str, Any] = kind.model_json_schema(ref_template="#/$defs/{model}")
        defs.update(schema.pop("$defs", {}))
        return schema
    if not _is_record(kind):
        return {}
    name = kind.__name__
    if name not in defs:
        defs[name] = {}  # a record may contain itself
        fields = _fields(kind)
        defs[name] = {
            "type": "object",
            "properties": {field: schema_of(each, defs) for field, each, _ in fields},
            "required": [field for field, _, needed in fields if needed],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def convert(value: Any, kind: Any, path: str, problems: Problems) -> Any:
    """Return a JSON value as a value of a type; what does not fit is added to ``problems``."""
    kind = _plain(kind)
    if kind in (ANYTHING, object):
        return value
    if kind in _SCALARS:
        return _scalar(value, kind, path, problems)
    if kind in _TEXTS:
        return _text(value, kind, path, problems)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if not any(value == each and type(value) is type(each) for each in arguments):
            problems.append(f"{path}: must be {' or '.join(map(repr, arguments))}, not {_shown(value)}")
        return value
    if origin in _UNIONS:
        return _union(value, arguments, path, problems)
    if origin in _LISTS or kind in _LISTS:
        return _list(value, origin or kind, arguments, path, problems)
    if origin in _TABLES or kind in _TABLES:
        return _table(value, arguments, path, problems)
    return _object(value, kind, path, problems)


def _scalar(value: Any, kind: Any, path: str, problems: Problems) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        problems.append(f"{path}: must be {_SCALARS[kind][1]}, not {_shown(value)}")
    return value


def _text(value: Any, kind: Any, path: str, problems: Problems) -> Any:
    try:
        if not isinstance(value, str) and not (kind is decimal.Decimal and type(value) in (int, float)):
            raise ValueError
        if kind is bytes:
            return base64.b64decode(value, validate=True)
        if kind in (uuid.UUID, decimal.Decimal):
            return kind(str(value))
        return kind.fromisoformat(value)
    except (ValueError, binascii.Error, decimal.InvalidOperation):
        problems.append(f"{path}: must be {_TEXTS[kind][1]}, not {_shown(value)}")
        return value


def _union(value: Any, kinds: tuple[Any, ...], path: str, problems: Problems) -> Any:
    best: Problems | None = None
    for kind in kinds:
        found: Problems = []
        made = convert(value, kind, path, found)
        if not found:
            return made
        if best is None or (kind is not type(None) and len(found) >= len(best)):
            best = found
    problems += best or []
    return value


def _list(value: Any, origin: Any, kinds: tuple[Any, ...], path: str, problems: Problems) -> Any:
    if not isinstance(value, list):
        problems.append(f"{path}: must be a list, not {_shown(value)}")
        return value
    if origin is tuple and kinds and kinds[-1] is not Ellipsis:
        if len(value) != len(kinds):
            problems.append(f"{path}: must have {len(kinds)} entries, not {len(value)}")
            return value
        return tuple(
            convert(each, kind, f"{path}[{at}]", problems)
            for at, (each, kind) in enumerate(zip(value, kinds, strict=True))
        )
    inner = kinds[0] if kinds else ANYTHING
    made = [convert(each, inner, f"{path}[{at}]", problems) for at, each in enumerate(value)]
    if problems:
        return made
    return origin(made) if origin in (tuple, set, frozenset) else made


def _table(value: Any, kinds: tuple[Any, ...], path: str, problems: Problems) -> Any:
    if not isinstance(value, dict):
        problems.append(f"{path}: must be an object, not {_shown(value)}")
        return value
    if len(kinds) != 2:
        return value
    return {name: convert(each, kinds[1], f"{path}.{name}", problems) for name, each in value.items()}


def _object(value: Any, kind: Any, path: str, problems: Problems) -> Any:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError:
            values = " or ".join(repr(member.value) for member in kind)
            problems.append(f"{path}: must be {values}, not {_shown(value)}")
            return value
    if _is_model(kind):
        return _model(value, kind, path, problems)
    if not _is_record(kind):
        return value
    if not isinstance(value, dict):
        problems.append(f"{path}: must be an object, not {_shown(value)}")
        return value
    fields = _fields(kind)
    known = {name for name, _, _ in fields}
    before = len(problems)
    problems += [f"{path}.{name}: is missing" for name, _, needed in fields if needed and name not in value]
    problems += [f"{path}.{name}: is not a field" for name in value if name not in known]
    made = {name: convert(value[name], each, f"{path}.{name}", problems) for name, each, _ in fields if name in value}
    if len(problems) > before:
        return value
    return kind(**made)


def _model(value: Any, kind: Any, path: str, problems: Problems) -> Any:
    try:
        return kind.model_validate(value)
    except ValueError as error:  # pydantic's ValidationError is one
        details = getattr(error, "errors", None)
        found = details() if callable(details) else [{"loc": (), "msg": str(error)}]
        problems += [f"{'.'.join((path, *map(str, each['loc'])))}: {each['msg']}" for each in found]
        return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
