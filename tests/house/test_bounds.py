"""Every bound that a built-in plugin declares for a value of the configuration is held."""

from __future__ import annotations

from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec
import pytest

from aexl.core.config.loading import load_config
from aexl.core.plugins import installed_sources
from aexl.core.surroundings import Surroundings
from aexl.errors import ConfigError

NEAREST = {"ge": lambda bound: bound - 1, "gt": lambda bound: bound, "le": lambda bound: bound + 1}
"""The nearest whole number that each kind of bound keeps out."""


def parts(kind):
    """Yield a type, or those that a union, a list or a table is made of."""
    inner = () if get_origin(kind) is Annotated else get_args(kind)
    for part in inner:
        yield from parts(part)
    if not inner:
        yield kind


def bounded(model, path):
    """Yield path, type and default of every field with a bound, in the tables below a model too."""
    hints = get_type_hints(model, include_extras=True)
    for field in msgspec.structs.fields(model):
        kind = hints[field.name]
        place = (*path, field.name, "one") if get_origin(kind) is dict else (*path, field.name)
        for part in parts(kind):
            if get_origin(part) is Annotated:
                yield place, part, field.default
            elif isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from bounded(part, place)


def outside(kind):
    """Return the nearest values that a type keeps out, one for each of its bounds."""
    [meta] = kind.__metadata__
    assert (meta.lt, meta.multiple_of, meta.pattern, meta.min_length, meta.max_length) == (None,) * 5
    return [step(getattr(meta, name)) for name, step in NEAREST.items() if getattr(meta, name) is not None]


@pytest.fixture
def sections(home):
    sources = [source for source in installed_sources() if source.origin == "aexl"]
    return Surroundings(home, environ={}, sources=sources).sections


@pytest.fixture
def fields(sections):
    found = []
    for section in sections:
        found += bounded(section.model, (section.table, "one") if section.keyed else (section.table,))
    return found


def test_no_value_outside_its_bounds_is_taken(home, sections, fields):
    taken = []
    for path, kind, _ in fields:
        for value in outside(kind):
            tables = value
            for part in reversed(path):
                tables = {part: tables}
            try:
                load_config(sections, home=home, project=None, environ={}, flags=tables)
            except ConfigError as error:
                if any(problem.key.endswith(path[-1]) for problem in error.problems):
                    continue
            taken.append((".".join(path), value))

    assert {path[0] for path, _, _ in fields} >= {"serve", "calls", "models", "catalog", "policy", "proxy"}
    assert taken == []


def test_every_default_is_within_its_bounds(fields):
    for path, kind, default in fields:
        if default is not None and default is not msgspec.NODEFAULT:
            assert msgspec.convert(default, kind) == default, path
