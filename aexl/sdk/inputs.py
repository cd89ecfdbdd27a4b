"""From a JSON object to what a handler's annotations ask for; only imported for handlers that have annotations."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from aexl.sdk.errors import InvalidInput
from aexl.sdk.types import ANYTHING, convert, is_object


class Shape(NamedTuple):
    """How a function takes its input.

    Attributes:
        whole: The type of the one argument that gets the whole input; ``None`` where its keys are arguments.
        fields: Names of those arguments, each with its type and default.
        closed: Other keys are an error.
    """

    whole: Any
    fields: Mapping[str, tuple[Any, Any]]
    closed: bool


@lru_cache(maxsize=1024)
def shape_of(fn: Callable[..., Any]) -> Shape:
    """Return how a function takes its input.

    Where the second argument is annotated with an object's type (a dict, a dataclass, a ``TypedDict``, a model of
    pydantic) or with nothing, it gets the whole input. Else each argument is a key of it:
    ``def add(ctx, a: int, b: int = 2)``.

    Raises:
        TypeError: If an annotation names what does not exist.
    """
    try:
        hints = typing.get_type_hints(fn, include_extras=True)
    except NameError as error:
        raise TypeError(f"the annotations of {fn.__qualname__} name what does not exist: {error}") from error
    parameters = list(inspect.signature(fn).parameters.values())
    rest = parameters[1:]
    if not rest or rest[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return Shape(ANYTHING, {}, False)
    annotation = hints.get(rest[0].name, ANYTHING)
    if is_object(annotation):
        return Shape(annotation, {}, False)
    named = [each for each in rest if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    fields = {each.name: (hints.get(each.name, ANYTHING), each.default) for each in named}
    return Shape(None, fields, not any(each.kind is each.VAR_KEYWORD for each in rest))


def bind_input(fn: Callable[..., Any], payload: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that follow the context.

    Raises:
        InvalidInput: If the input does not fit; names every place.
    """
    shape = shape_of(fn)
    problems: list[str] = []
    if shape.whole is not None:
        value = convert(payload, shape.whole, "input", problems)
        if problems:
            raise InvalidInput(problems)
        return (value,), {}
    arguments = {}
    for name, (kind, default) in shape.fields.items():
        if name in payload:
            arguments[name] = convert(payload[name], kind, name, problems)
        elif default is inspect.Parameter.empty:
            problems.append(f"{name}: is missing")
    if shape.closed:
        problems += [f"{name}: is not an argument" for name in payload if name not in shape.fields]
    if problems:
        raise InvalidInput(problems)
    return (), arguments
