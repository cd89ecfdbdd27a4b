"""Values of Python's types, made of JSON's values."""

from __future__ import annotations

import base64
import binascii
import decimal
import enum
import json
import math
import uuid
from typing import Any, Literal, get_args, get_origin

from aexl.sdk.types import (
    ANYTHING,
    LISTS,
    SCALARS,
    TABLES,
    TEXTS,
    UNIONS,
    bare,
    fields_of,
    is_model,
    is_record,
)

Problems = list[str]


def convert(value: Any, kind: Any, path: str, problems: Problems) -> Any:
    """Return a JSON value as a value of a type; what does not fit is added to ``problems``."""
    kind = bare(kind)
    if kind in (ANYTHING, object):
        return value
    if kind in SCALARS:
        return _scalar(value, kind, path, problems)
    if kind in TEXTS:
        return _text(value, kind, path, problems)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if not any(value == each and type(value) is type(each) for each in arguments):
            problems.append(f"{path}: must be {' or '.join(map(repr, arguments))}, not {shown(value)}")
        return value
    if origin in UNIONS:
        return _union(value, arguments, path, problems)
    if origin in LISTS or kind in LISTS:
        return _list(value, origin or kind, arguments, path, problems)
    if origin in TABLES or kind in TABLES:
        return _table(value, arguments, path, problems)
    return _object(value, kind, path, problems)


def convert_text(text: str, kind: Any, path: str, problems: Problems) -> Any:
    """Return a text, such as a part of a path, as a value of a type that is a text's, or a number's or a truth value's."""
    found: Problems = []
    made = convert(text, kind, path, found)
    if found:
        other: Problems = []
        read = convert(_read(text), kind, path, other)
        if not other:
            return read
    problems += found
    return made


def _read(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if type(value) in (bool, int) or (type(value) is float and math.isfinite(value)) else text


def _scalar(value: Any, kind: Any, path: str, problems: Problems) -> Any:
    if kind is float and type(value) is int:
        return _made(float, (value,), value, path, problems)
    if type(value) is not kind:
        problems.append(f"{path}: must be {SCALARS[kind][1]}, not {shown(value)}")
    return value


def _made(kind: Any, words: tuple[Any, ...], value: Any, path: str, problems: Problems, **fields: Any) -> Any:
    """Make a value of a type that may refuse it; what it says of it is the problem."""
    try:
        return kind(*words, **fields)
    except (TypeError, ValueError, OverflowError) as error:
        problems.append(f"{path}: {error}")
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
        problems.append(f"{path}: must be {TEXTS[kind][1]}, not {shown(value)}")
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
        problems.append(f"{path}: must be a list, not {shown(value)}")
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
    return _made(origin, (made,), made, path, problems) if origin in (tuple, set, frozenset) else made


def _table(value: Any, kinds: tuple[Any, ...], path: str, problems: Problems) -> Any:
    if not isinstance(value, dict):
        problems.append(f"{path}: must be an object, not {shown(value)}")
        return value
    if len(kinds) != 2:
        return value
    return {name: convert(each, kinds[1], f"{path}.{name}", problems) for name, each in value.items()}


def _object(value: Any, kind: Any, path: str, problems: Problems) -> Any:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except (TypeError, ValueError):
            values = " or ".join(repr(member.value) for member in kind)
            problems.append(f"{path}: must be {values}, not {shown(value)}")
            return value
    if is_model(kind):
        return _model(value, kind, path, problems)
    if not is_record(kind):
        return value
    if not isinstance(value, dict):
        problems.append(f"{path}: must be an object, not {shown(value)}")
        return value
    fields = fields_of(kind)
    known = {name for name, _, _ in fields}
    before = len(problems)
    problems += [f"{path}.{name}: is missing" for name, _, needed in fields if needed and name not in value]
    problems += [f"{path}.{name}: is not a field" for name in value if name not in known]
    made = {name: convert(value[name], each, f"{path}.{name}", problems) for name, each, _ in fields if name in value}
    if len(problems) > before:
        return value
    return _made(kind, (), value, path, problems, **made)


def _model(value: Any, kind: Any, path: str, problems: Problems) -> Any:
    try:
        return kind.model_validate(value)
    except (TypeError, ValueError) as error:  # pydantic's ValidationError is one
        details = getattr(error, "errors", None)
        found = details() if callable(details) else [{"loc": (), "msg": str(error)}]
        problems += [f"{'.'.join((path, *map(str, each['loc'])))}: {each['msg']}" for each in found]
        return value


def shown(value: Any) -> str:
    """Return a value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
