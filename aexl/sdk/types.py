"""Python types as JSON knows them: scalars, texts, lists, tables and records."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import decimal
import types
import typing
import uuid
from collections.abc import Mapping
from typing import Any, Final, Union, get_args, get_origin

from aexl.sdk.hints import hints_of

ANYTHING: Final = typing.Any

SCALARS: Final[Mapping[Any, tuple[str, str]]] = {
    str: ("string", "a text"),
    bool: ("boolean", "true or false"),
    int: ("integer", "a whole number"),
    float: ("number", "a number"),
    type(None): ("null", "null"),
}
LISTS: Final = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Set)
TABLES: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
TEXTS: Final[Mapping[Any, tuple[str, str]]] = {
    dt.datetime: ("date-time", "a date and time"),
    dt.date: ("date", "a date"),
    dt.time: ("time", "a time"),
    uuid.UUID: ("uuid", "a UUID"),
    decimal.Decimal: ("decimal", "a decimal number"),
    bytes: ("byte", "base64"),
}
WRAPPERS: Final = (typing.Annotated, typing.Required, typing.NotRequired)
UNIONS: Final = (Union, types.UnionType)


def is_object(kind: Any) -> bool:
    """Return whether JSON's value of a type is an object, or may be anything."""
    kind = bare(kind)
    if kind in (ANYTHING, object):
        return True
    return (get_origin(kind) or kind) in TABLES or is_record(kind) or is_model(kind)


def bare(kind: Any) -> Any:
    """Return a type without what was noted on it."""
    while get_origin(kind) in WRAPPERS:
        kind = get_args(kind)[0]
    return kind


def is_record(kind: Any) -> bool:
    """Return whether a type is a dataclass or a ``TypedDict``."""
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or typing.is_typeddict(kind))


def is_model(kind: Any) -> bool:
    """Return whether a type is a model of pydantic, which a project that has some has imported."""
    return isinstance(kind, type) and callable(getattr(kind, "model_validate", None))


def fields_of(kind: Any) -> list[tuple[str, Any, bool]]:
    """Return name, type and necessity of a record's fields."""
    hints = hints_of(kind)
    if typing.is_typeddict(kind):
        return [(name, hints[name], name in kind.__required_keys__) for name in hints]
    missing = dataclasses.MISSING
    return [
        (field.name, hints[field.name], field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(kind)
        if field.init
    ]
