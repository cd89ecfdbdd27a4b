"""From a JSON object to what a handler's annotations ask for; only imported for handlers that need it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from aexl.sdk.errors import InvalidInput
from aexl.sdk.hints import hints_of
from aexl.sdk.registry import Handler
from aexl.sdk.types import ANYTHING, is_object
from aexl.sdk.values import Problems, convert, convert_text, shown

Argument = tuple[Any, Any]
"""Type and default."""


class Shape(NamedTuple):
    """How a function takes its input.

    Attributes:
        whole: Name and type of the one argument that gets the whole input; ``None`` where its keys are arguments.
        fields: Those arguments, by name.
        params: Arguments that are parameters of the path.
        leading: Arguments that are given by position, in order; all others are given by name.
        closed: Other keys are an error.
    """

    whole: tuple[str, Any] | None
    fields: Mapping[str, Argument]
    params: Mapping[str, Argument]
    leading: Sequence[str]
    closed: bool


@lru_cache(maxsize=1024)
def shape_of(handler: Handler) -> Shape:
    """Return how a handler's function takes its input.

    Parameters of the path are arguments of their names. Where the first of the others is annotated with an object's
    type (a dict, a dataclass, a ``TypedDict``, a model of pydantic) or with nothing, it gets the whole input. Else
    each argument is a key of it: ``def add(ctx, a: int, b: int = 2)``.
    """
    given = list(inspect.signature(handler.fn).parameters.values())[1:]
    hints = hints_of(handler.fn)
    named = {
        each.name: (hints.get(each.name, ANYTHING), each.default)
        for each in given
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    }
    params = {name: argument for name, argument in named.items() if name in handler.params}
    asked = [each for each in given if each.name not in params]
    whole = _whole(asked, named) if asked or not given else None
    return Shape(
        whole=whole,
        fields={} if whole else {name: named[name] for name in named if name not in params},
        params=params,
        leading=_leading(given, None if whole is None else whole[0]),
        closed=not (handler.takes_request or any(each.kind is each.VAR_KEYWORD for each in given)),
    )


def _whole(asked: Sequence[inspect.Parameter], named: Mapping[str, Argument]) -> tuple[str, Any] | None:
    if not asked:
        return "", ANYTHING  # all that it has is ``*args``
    first = asked[0]
    kind = ANYTHING if first.kind is first.VAR_POSITIONAL else named.get(first.name, (None,))[0]
    return (first.name, kind) if is_object(kind) else None


def _leading(given: Sequence[inspect.Parameter], whole: str | None) -> Sequence[str]:
    """Return what goes before the last argument that a name would not reach.

    A whole input that is the first of all is given by position: who wraps a function seldom keeps its names.
    """
    if whole == "" or (given and given[0].name == whole):
        return [whole, *_leading(given[1:], None)]
    last = 0
    for at, each in enumerate(given, 1):
        if each.kind is each.POSITIONAL_ONLY or (each.kind is each.VAR_POSITIONAL and each.name == whole):
            last = at
    return [each.name for each in given[:last]]


def bind_input(handler: Handler, payload: Any, params: Mapping[str, str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that follow the context.

    Args:
        params: Values of the path's parameters.

    Raises:
        InvalidInput: If the input does not fit; names every place.
    """
    shape = shape_of(handler)
    problems: Problems = []
    values = {name: convert_text(params[name], kind, name, problems) for name, (kind, _) in shape.params.items()}
    if shape.whole is not None:
        name, kind = shape.whole
        values[name] = convert(payload, kind, "input", problems)
    elif isinstance(payload, Mapping):
        values |= _arguments(shape, payload, problems)
    else:
        problems.append(f"input: must be an object, not {shown(payload)}")
    if problems:
        raise InvalidInput(problems)
    leading = tuple(values.pop(name) if name in values else shape.fields[name][1] for name in shape.leading)
    return leading, values


def _arguments(shape: Shape, payload: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    arguments = {}
    for name, (kind, default) in shape.fields.items():
        if name in payload:
            arguments[name] = convert(payload[name], kind, name, problems)
        elif default is inspect.Parameter.empty:
            problems.append(f"{name}: is missing")
    if shape.closed:
        problems += [f"{name}: is not an argument" for name in payload if name not in shape.fields]
    return arguments
