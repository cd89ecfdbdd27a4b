"""Texts with ``{{ name }}`` in them. Pure.

A single brace is a brace. A name may be followed by filters: ``default("x")``,
``default(file: ./x.md)``, ``json``, ``quote``. Two braces are written
``{{ "{{" }}``. What is put in is never read as a template again.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from aexl_pipelines.language.answers import whole_text
from aexl_pipelines.language.expressions.errors import ExpressionError, Unresolved
from aexl_pipelines.language.expressions.evaluating import as_text
from aexl_pipelines.language.expressions.references import Reference, look_up, parse_reference
from aexl_pipelines.language.problems import suggest

MOST_PARTS: Final = 5_000
FilterName = Literal["default", "json", "quote"]
FILTERS: Final[tuple[FilterName, ...]] = ("default", "json", "quote")

_QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'", re.DOTALL)
_END: Final = re.compile(r"\}\}|\"(?:[^\"\\]|\\.)*\"|'[^']*'", re.DOTALL)
_FILTER: Final = re.compile(
    r"\s*(?P<name>\w+)\s*(?:\(\s*(?:(?P<source>file|inline)\s*:\s*)?"
    r"(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|'[^']*')|(?P<bare>[^()\"'|]*?))\s*(?P<close>\)))?\s*(?P<next>\||$)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Filter:
    """What is done to a value before it is put in; ``default`` has a text, or a file that the loader reads."""

    name: FilterName
    argument: str | None = None
    file: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Substitution:
    """One pair of braces: a name, or a text given in quotes."""

    value: Reference | str
    filters: tuple[Filter, ...] = ()
    offset: int = field(default=0, compare=False)

    @property
    def default(self) -> Filter | None:
        """The filter that stands in for a missing value."""
        return next((each for each in self.filters if each.name == "default"), None)

    def is_filtered(self, name: FilterName) -> bool:
        """Say whether it goes through a filter."""
        return any(each.name == name for each in self.filters)


Part: TypeAlias = str | Substitution


@dataclass(frozen=True, slots=True)
class Template:
    """A text with places in it; ``source`` is the text as written, which makes no difference between two."""

    source: str = field(compare=False)
    parts: tuple[Part, ...]

    @property
    def substitutions(self) -> Iterator[Substitution]:
        """The places, from the first to the last."""
        return (part for part in self.parts if isinstance(part, Substitution))

    @property
    def references(self) -> Iterator[Reference]:
        """The names in it that must have a value: those without a default."""
        return (each.value for each in self.substitutions if isinstance(each.value, Reference) and each.default is None)

    def render(self, values: Mapping[str, object]) -> str:
        """Return the text with every value in its place.

        Raises:
            Unresolved: If a name has no value and no default; there is never an empty text instead.
        """
        return "".join(part if isinstance(part, str) else as_text(fill(part, values)) for part in self.parts)

    def value(self, values: Mapping[str, object]) -> object:
        """Return the value itself where the text is one pair of braces and nothing else; see ``render``."""
        rest = [part for part in self.parts if not (isinstance(part, str) and not part.strip())]
        if len(rest) == 1 and isinstance(rest[0], Substitution):
            return fill(rest[0], values)
        return self.render(values)

    def text(self, values: Mapping[str, object]) -> str:
        """Like ``render``, for conditions: what is known and has no value is an empty text."""
        return "".join(
            part if isinstance(part, str) else as_text(fill(part, values, empty=True)) for part in self.parts
        )


def literal(text: str) -> Template:
    """Return a text in which braces mean nothing."""
    return Template(text, (text,) if text else ())


def fill(place: Substitution, values: Mapping[str, object], *, empty: bool = False) -> object:
    """Return what is put into one place.

    Raises:
        Unresolved: If the name has no value and no default; with ``empty``, only if it is not known at all.
    """
    found: object = place.value
    missing = False
    if isinstance(place.value, Reference):
        try:
            found = look_up(place.value, values)
        except Unresolved:
            if place.default is None:
                raise
            found, missing = None, True
    for each in place.filters:
        if each.name == "default" and found is None:
            found = each.argument
        elif each.name == "json":
            found, missing = json.dumps(found, ensure_ascii=False, default=str), False
        elif each.name == "quote" and found is not None:
            found = shlex.quote(as_text(found))
    if found is None and (missing or not empty):
        raise Unresolved(f"{place.value} has no value")
    return found


def parse_template(text: str) -> Template:
    """Return a text's parts.

    Raises:
        ExpressionError: If braces are not closed or empty, or hold what is no name.
    """
    parts: list[Part] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        if start > at:
            parts.append(text[at:start])
        end = find_end(text, start + 2)
        parts.append(_parse_inside(text[start + 2 : end], start + 2))
        at = end + 2
        if len(parts) > MOST_PARTS:
            raise ExpressionError(f"the text has more than {MOST_PARTS} parts", start, "make two steps of it")
    if at < len(text):
        parts.append(text[at:])
    return Template(text, _folded(parts))


def _folded(parts: list[Part]) -> tuple[Part, ...]:
    """Return parts with what is text in any case joined to one piece."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, Substitution) and isinstance(part.value, str) and not part.filters:
            part = part.value
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return tuple(found)


def find_end(text: str, at: int) -> int:
    """Return where the braces close; braces in quotes are text, unless the quote itself is left open."""
    start = at
    while (found := _END.search(text, at)) is not None:
        if found[0] == "}}":
            return found.start()
        if "}}" in found[0] and "{{" in found[0][found[0].index("}}") :] and "|" not in text[start : found.start()]:
            return found.start() + found[0].index("}}")  # an apostrophe in prose between two pairs of braces
        at = found.end()
    plain = text.find("}}", start)
    if plain >= 0:
        return plain
    raise ExpressionError("'{{' is not closed", start - 2, 'close it with }}, or write {{ "{{" }} for two braces')


def _parse_inside(inside: str, offset: int) -> Substitution:
    if not inside.strip():
        raise ExpressionError("'{{}}' has no name in it", offset - 2, "write {{ last_response }}, for example")
    head = _QUOTED.match(inside.lstrip())
    lead = len(inside) - len(inside.lstrip())
    if head is not None:
        name_end = lead + head.end()
        value: Reference | str = _unquote(head[0], offset + lead)
        rest = inside[name_end:]
        if rest.strip() and not rest.lstrip().startswith("|"):
            raise ExpressionError(
                f"{rest.strip()[:40]!r} is not understood here",
                offset + name_end,
                "write {{ name }} or {{ name | filter }}",
            )
    else:
        name_end = _bar(inside)
        value = parse_reference(inside[:name_end].strip(), offset + lead)
    bar = inside.find("|", name_end)
    filters = _parse_filters(inside[bar + 1 :], offset + bar + 1) if bar >= 0 else ()
    return Substitution(value, filters, offset - 2)


def _bar(inside: str) -> int:
    found = inside.find("|")
    return found if found >= 0 else len(inside)


def _unquote(text: str, offset: int) -> str:
    if text[0] == "'":
        return text[1:-1]
    try:
        return whole_text(str(json.loads(text, strict=False)))
    except ValueError as error:
        raise ExpressionError(f"{text[:60]} is not a text", offset, "write \\\\ for a backslash") from error


def _parse_filters(text: str, offset: int) -> tuple[Filter, ...]:
    filters: list[Filter] = []
    at = 0
    while True:
        found = _FILTER.match(text, at)
        if found is None:
            raise ExpressionError(f"{text[at:].strip()[:40]!r} is no filter", offset + at, _filter_hint())
        filters.append(_filter(found, offset + found.start("name")))
        at = found.end()
        if not found["next"]:
            return tuple(filters)


def _filter_hint() -> str:
    return 'filters are default("..."), json and quote'


def _filter(found: re.Match[str], offset: int) -> Filter:
    name, has_argument = found["name"], found["close"] is not None
    argument = None
    if has_argument:
        argument = _unquote(found["text"], offset) if found["text"] is not None else found["bare"]
    match name:
        case "default":
            if argument is None or (found["text"] is None and not argument and not found["source"]):
                raise ExpressionError("default needs a text", offset, 'write default("none")')
            if found["source"] == "file":
                return Filter("default", None, argument)
            return Filter("default", argument)
        case "json" | "quote":
            if has_argument:
                raise ExpressionError(f"{name} takes no argument", offset, f"write {name} without parentheses")
            return Filter("json" if name == "json" else "quote")
        case _:
            hint = suggest(name, FILTERS) or _filter_hint()
            raise ExpressionError(f"there is no filter {name[:40]!r}", offset, hint)


def quoted(template: Template) -> tuple[Template, str]:
    """Return the same with every place quoted, and a text that reads as that."""
    parts: list[Part] = []
    pieces: list[str] = []
    at = 0
    for part in template.parts:
        if isinstance(part, Substitution) and not part.is_filtered("quote"):
            end = find_end(template.source, part.offset + 2)
            pieces.append(template.source[at:end].rstrip() + " | quote ")
            at = end
            part = Substitution(part.value, (*part.filters, Filter("quote")), part.offset)
        parts.append(part)
    return Template(template.source, tuple(parts)), "".join([*pieces, template.source[at:]])


def with_files(template: Template, read: Callable[[str, int], str]) -> Template:
    """Return the same with the texts of the files that defaults name; ``read`` gets a path and an offset."""
    if not any(each.file is not None for place in template.substitutions for each in place.filters):
        return template
    parts: list[Part] = []
    for part in template.parts:
        if isinstance(part, Substitution):
            filters = tuple(
                Filter(each.name, read(each.file, part.offset), each.file) if each.file is not None else each
                for each in part.filters
            )
            part = Substitution(part.value, filters, part.offset)
        parts.append(part)
    return Template(template.source, tuple(parts))
