"""Values in shell lines: handed over as variables, never as program text. Pure.

Wherever a value stands in a line, the line gets ``"${AEXL_VALUE_1}"`` in its place
and the value goes into the environment, so that nothing in it is ever read as
shell. Whether quotes are open at that place is followed; where that is followed
wrongly (in a here-document, say), the text is odd and still not run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from aexl_pipelines.language.expressions.evaluating import as_text
from aexl_pipelines.language.templates import Filter, Substitution, Template, fill

PREFIX: Final = "AEXL_VALUE_"


class ShellLine(NamedTuple):
    """A line for ``/bin/sh -c``, and the variables that it needs."""

    command: str
    variables: Mapping[str, str]


def render_shell(template: Template, values: Mapping[str, object]) -> ShellLine:
    """Return a line and its variables.

    Raises:
        Unresolved: If a name has no value and no default.
    """
    pieces: list[str] = []
    variables: dict[str, str] = {}
    quote = ""
    for part in template.parts:
        if isinstance(part, str):
            pieces.append(part)
            quote = _follow(part, quote)
            continue
        name = f"{PREFIX}{len(variables) + 1}"
        variables[name] = as_text(fill(_unquoted(part), values))
        pieces.append({"": f'"${{{name}}}"', '"': f"${{{name}}}", "'": f"'\"${{{name}}}\"'"}[quote])
    return ShellLine("".join(pieces), variables)


def _unquoted(place: Substitution) -> Substitution:
    filters: tuple[Filter, ...] = tuple(each for each in place.filters if each.name != "quote")
    return Substitution(place.value, filters, place.offset)


def _follow(text: str, quote: str) -> str:
    """Return which quote is open after a piece of a line."""
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\" and quote != "'":
            at += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        at += 1
    return quote


def bare_substitutions(template: Template) -> list[Substitution]:
    """Return the places of a line whose author did not write ``quote``."""
    return [
        place for place in template.substitutions if not isinstance(place.value, str) and not place.is_filtered("quote")
    ]
