"""The values that a run is given: from the command line, from a person who is asked, or by default. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from aexl.errors import Invalid
from aexl_pipelines.language.answers import decode_json
from aexl_pipelines.language.parts import Input
from aexl_pipelines.language.problems import suggest

_TRUE: Final = {"true", "yes", "on", "1"}
_FALSE: Final = {"false", "no", "off", "0"}


def bind_inputs(
    inputs: Mapping[str, Input],
    given: Mapping[str, object],
    ask: Callable[[str, Input], str | None] | None = None,
) -> dict[str, object]:
    """Return a value for every input.

    Args:
        given: What was said, by name; texts (``--input k=v``) become what the input's type wants.
        ask: Asks a person for an input that is required and was not given; ``None`` as answer is none.

    Raises:
        Invalid: If a value is missing, unknown or does not fit; names every one.
    """
    problems = [
        f"there is no input {name!r}" + (f"; {hint}" if (hint := suggest(name, inputs)) else "")
        for name in given
        if name not in inputs
    ]
    values: dict[str, object] = {}
    for name, wanted in inputs.items():
        value = given.get(name)
        if name not in given and wanted.required and ask is not None:
            value = ask(name, wanted)
        if value is None and name not in given:
            if wanted.required:
                problems.append(f"the input {name!r} is missing; give --input {name}=...")
            values[name] = wanted.default
            continue
        try:
            values[name] = check_input(name, wanted, value)
        except Invalid as error:
            problems.append(str(error))
    if problems:
        raise Invalid("; ".join(problems))
    return values


def check_input(name: str, wanted: Input, value: object) -> object:
    """Return a value as the input's type wants it.

    Raises:
        Invalid: If it does not fit.
    """
    found = _typed(name, wanted, value)
    if isinstance(found, int | float) and not isinstance(found, bool):
        if wanted.minimum is not None and found < wanted.minimum:
            raise Invalid(f"the input {name!r} must be at least {wanted.minimum:g}, not {found}")
        if wanted.maximum is not None and found > wanted.maximum:
            raise Invalid(f"the input {name!r} must be at most {wanted.maximum:g}, not {found}")
    if wanted.choices and found not in wanted.choices and str(found) not in map(str, wanted.choices):
        options = ", ".join(str(choice) for choice in wanted.choices)
        raise Invalid(f"the input {name!r} must be one of {options}, not {str(found)[:60]!r}")
    if wanted.pattern is not None and not wanted.pattern.found_in(str(found)):
        raise Invalid(f"the input {name!r} must match {wanted.pattern}, not {str(found)[:60]!r}")
    return found


def _typed(name: str, wanted: Input, value: object) -> object:
    text = value.strip() if isinstance(value, str) else None
    match wanted.type:
        case "text":
            if isinstance(value, str | int | float):
                return value if isinstance(value, str) else json.dumps(value)
        case "choice":
            return next((choice for choice in wanted.choices if str(choice) == str(value)), value)
        case "file":
            if text and Path(text).is_file():
                return text
            raise Invalid(f"the input {name!r} must be a file that is there, not {str(value)[:80]!r}")
        case "boolean":
            if isinstance(value, bool):
                return value
            if text is not None and text.lower() in _TRUE | _FALSE:
                return text.lower() in _TRUE
        case "integer" | "number":
            return _number(name, wanted, value)
        case "list" | "object":
            found = _decoded(text) if text is not None else value
            if wanted.type == "list" and text is not None and not isinstance(found, list):
                found = [part.strip() for part in text.split(",") if part.strip()]
            if isinstance(found, list | tuple if wanted.type == "list" else Mapping):
                return found
    raise Invalid(f"the input {name!r} must be of type {wanted.type}, not {str(value)[:60]!r}")


def _number(name: str, wanted: Input, value: object) -> int | float:
    try:
        found = value if isinstance(value, int | float) else float(str(value))
    except ValueError:
        found = math.nan
    whole = math.isfinite(found) and found == int(found)
    if isinstance(value, bool) or not math.isfinite(found) or (wanted.type == "integer" and not whole):
        raise Invalid(f"the input {name!r} must be of type {wanted.type}, not {str(value)[:60]!r}")
    return int(found) if wanted.type == "integer" or (whole and isinstance(value, int)) else found


def _decoded(text: str) -> object:
    try:
        return decode_json(text)
    except (ValueError, RecursionError):
        return None
