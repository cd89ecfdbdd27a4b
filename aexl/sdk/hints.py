"""The types that annotations name, as far as they name any at run time."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any


def hints_of(thing: Any) -> dict[str, Any]:
    """Return the types of a function's or a class's annotations.

    What cannot be evaluated may be anything: names that are imported only for type checkers are not there.
    """
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except Exception:  # an annotation is any code of the project's
        return {name: _hint(annotation, names) for name, annotation, names in _annotations(thing)}


def _hint(annotation: Any, names: Mapping[str, Any]) -> Any:
    alone = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(alone, globalns=dict(names), include_extras=True)["it"]
    except Exception:  # likewise
        return typing.Any


def _annotations(thing: Any) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Name each annotation, with the names that it may use; a class has those of its bases first."""
    if isinstance(thing, type):
        for owner in reversed(thing.__mro__):
            names = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
            yield from ((name, each, names) for name, each in inspect.get_annotations(owner).items())
    else:
        names = getattr(inspect.unwrap(thing), "__globals__", {})
        yield from ((name, each, names) for name, each in inspect.get_annotations(thing).items())
