"""What all launches have in common."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from aexl.api.runners import Ability, RunnerRequest
from aexl.errors import Invalid
from aexl_pipelines.runners.structured import ask_for, check_schema

T = TypeVar("T", bound=msgspec.Struct)

_MOST_WORD: Final = 128 * 1024 - 1
"""Bytes; the longest argument or variable that Linux passes on (MAX_ARG_STRLEN)."""

_EFFORTS: Final = ("low", "medium", "high", "max")


class ProgramOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a runner that starts a program.

    Attributes:
        program: The program instead of the CLI's own name.
        arguments: Words to put behind the runner's own.
    """

    program: str | None = None
    arguments: tuple[str, ...] = ()


def read_options(runner: str, options: Mapping[str, object], model: type[T]) -> T:
    """Return a runner's own options, checked.

    Raises:
        Invalid: If one is unknown or of the wrong type.
    """
    try:
        return msgspec.convert(dict(options), model)
    except msgspec.ValidationError as error:
        known = ", ".join(model.__struct_fields__)
        raise Invalid(f"runner {runner} cannot use its options: {error}; it knows {known}") from error


def full_prompt(request: RunnerRequest, capabilities: frozenset[str]) -> str:
    """Return the prompt, with the schema where the CLI has no way of its own to be asked for it.

    Raises:
        Invalid: If the prompt is empty, or the schema is none.
    """
    if not request.prompt.strip():
        raise Invalid("the prompt is empty")
    if request.schema is None:
        return request.prompt
    check_schema(request.schema)
    if Ability.SCHEMA in capabilities:
        return request.prompt
    return f"{request.prompt}\n\n{ask_for(request.schema)}"


def check_words(runner: str, argv: Sequence[str]) -> None:
    """See that every argument can be passed on.

    Raises:
        Invalid: If one has a NUL, or is too long.
    """
    for word in argv:
        if "\0" in word:
            raise Invalid(f"runner {runner} cannot pass on an argument with a NUL in it: {word[:40]!r}")
        if len(word.encode(errors="surrogateescape")) > _MOST_WORD:
            raise Invalid(
                f"runner {runner} cannot pass on an argument of {len(word)} characters, which begins {word[:40]!r}; "
                "put what is long into the prompt or into a file"
            )


def effort(thinking: float | None) -> str | None:
    """Return the word for how much to think, from 0 to 1 in quarters; ``None`` where it is not said, or 0."""
    if not thinking:
        return None
    return _EFFORTS[min(math.ceil(thinking * len(_EFFORTS)), len(_EFFORTS)) - 1]


def compact(value: object) -> str:
    """Return JSON on one line; its strings are strings of TOML too."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("\x7f", "\\u007f")
