"""Checking one table of the configuration against the model that a plugin declared for it."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import get_type_hints

import msgspec

from aexl.errors import ConfigError, Invalid

Report = Callable[[tuple[str, ...], str], None]
"""Takes the path of a value and what is wrong with it."""


def field_types(model: type[object]) -> dict[str, object]:
    """Return the fields of a model, a msgspec struct or a dataclass, with their types, bounds included."""
    names: Iterable[str]
    if issubclass(model, msgspec.Struct):
        names = model.__struct_fields__
    elif dataclasses.is_dataclass(model):
        names = [field.name for field in dataclasses.fields(model)]
    else:
        raise TypeError(f"{model.__name__} is neither a msgspec struct nor a dataclass")
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in names}


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a clause that names the nearest known word, or all of them if they are few."""
    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known are {', '.join(choices)}" if 0 < len(choices) <= 12 else ""


def check_table(
    table: object, model: type[object], path: tuple[str, ...], report: Report, *, open_keys: bool = False
) -> object | None:
    """Return an instance of ``model``, or ``None`` after having reported what is wrong.

    Every field is checked by itself, so that one mistake does not hide another.
    """
    if not isinstance(table, Mapping):
        report(path, f"must be a table, not {type(table).__name__}")
        return None
    types = field_types(model)
    values: dict[str, object] = {}
    extra: dict[str, object] = {}
    sound = True
    for key, value in table.items():
        if key in types and not (open_keys and key == "options"):
            converted, good = _convert(value, types[key], (*path, key), report)
            values[key], sound = converted, sound and good
        elif open_keys:
            extra[key], sound = value, sound and _is_finite(value, (*path, key), report)
        else:
            report((*path, key), "is not known" + suggestion(key, types))
            sound = False
    if open_keys:
        values["options"] = extra
    if not sound:
        return None
    try:
        return model(**values)
    except ConfigError as error:
        for problem in error.problems:
            report(tuple(problem.key.split(".")), problem.message)
        return None
    except (Invalid, ValueError, TypeError) as error:
        report(path, str(error))
        return None


def _convert(value: object, kind: object, path: tuple[str, ...], report: Report) -> tuple[object, bool]:
    """Convert one value; nested models are checked key by key."""
    if isinstance(kind, type) and isinstance(value, Mapping) and _is_model(kind):
        nested = check_table(value, kind, path, report)
        return nested, nested is not None
    if not _is_finite(value, path, report):
        return None, False
    try:
        return msgspec.convert(value, kind), True
    except (msgspec.ValidationError, Invalid) as error:
        message, inner = _split(str(error))
        report((*path, *inner), f"{message}, not {value!r}" if not inner else message)
        return None, False


def _is_finite(value: object, path: tuple[str, ...], report: Report) -> bool:
    """Report each ``nan`` and ``inf`` of a value: TOML has them, no setting means them, and comparisons let them pass."""
    if isinstance(value, float) and not math.isfinite(value):
        report(path, f"must be a finite number, not {value}")
        return False
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    finite = True
    for key, below in inner:
        finite = _is_finite(below, (*path, str(key)), report) and finite
    return finite


def _is_model(kind: type[object]) -> bool:
    return issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind)


def _split(message: str) -> tuple[str, tuple[str, ...]]:
    """Take the path out of a msgspec message such as "Expected `int`, got `str` - at `$.a[0]`"."""
    text, _, place = message.partition(" - at `$")
    inner = tuple(re.findall(r"[A-Za-z0-9_-]+", place))
    text = text[:1].lower() + text[1:]
    text = re.sub(r", got `.*?`$", "", text) if not inner else text
    return text.replace("`", ""), inner
