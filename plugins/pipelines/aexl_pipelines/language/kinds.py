"""Kinds of values in a pipeline file: each reads one, describes itself, and knows its JSON Schema. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from aexl.api import parse_usd
from aexl.errors import Invalid
from aexl_pipelines.language.problems import suggest
from aexl_pipelines.language.reader import Reader, kind_error
from aexl_pipelines.language.source import AnyNode, Fields, Items, Scalar, as_json, describe

Schema: TypeAlias = dict[str, Any]  # JSON: msgspec and jsonschema take it as it is


class _Invalid:
    """Stands for a value that was reported."""


INVALID: Final = _Invalid()


class Kind(Protocol):
    """A kind of value."""

    @property
    def words(self) -> str:
        """What it is, as in "must be a text"."""
        ...

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        """Return the value, or ``INVALID`` after having reported what is wrong with ``name``."""
        ...

    def schema(self) -> Schema:
        """Return its JSON Schema: everything that it accepts, and as little else as can be said there."""
        ...


@dataclass(frozen=True)
class Text:
    """A text; numbers and truth values count as what was written."""

    blank: bool = False
    words: str = "a text"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if not isinstance(node, Scalar) or (node.value is None and not (self.blank and node.style)):
            kind_error(reader, node, name, self.words)
            return INVALID
        if not self.blank and not node.text.strip():
            reader.problem(node, f"{name} must not be blank", "write a text, or leave it out")
            return INVALID
        return node.text

    def schema(self) -> Schema:
        found: Schema = {"type": ["string", "number", "boolean"]}
        return found if self.blank else {**found, "pattern": r"\S"}


@dataclass(frozen=True)
class Name:
    """A word that others refer to."""

    words: str = "a name"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text(words=self.words).read(node, name, reader)
        if isinstance(text, str) and (len(text) > 200 or not text.isprintable() or "{{" in text):
            reader.problem(
                node, f"{name} {text[:60]!r} must be at most 200 printable characters without braces", "shorten it"
            )
            return INVALID
        return text.strip() if isinstance(text, str) else text

    def schema(self) -> Schema:
        return {"type": ["string", "number", "boolean"], "pattern": r"\S", "maxLength": 1000}


@dataclass(frozen=True)
class Identifier:
    """A name that templates use: letters, digits and ``_``."""

    words: str = "a word of letters, digits and _"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = node.text if isinstance(node, Scalar) else ""
        if not (text.isascii() and text.isidentifier()) or len(text) > 100:
            better = re.sub(r"[^A-Za-z0-9]+", "_", text)[:100].lstrip("0123456789")
            kind_error(reader, node, name, self.words, f"write {better}" if better.strip("_") else "")
            return INVALID
        return text

    def schema(self) -> Schema:
        return {"type": ["string", "boolean"], "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": 100}


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"one of {', '.join(self.options)}"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = node.text.strip() if isinstance(node, Scalar) else ""
        if text in self.options:
            return text
        hint = suggest(text, self.options) if isinstance(node, Scalar) and text else ""
        hint = hint or f"write one of these words, as in {self.options[0]}"
        reader.problem(node, f"{name} must be {self.words}, not {describe(node)}", hint)
        return INVALID

    def schema(self) -> Schema:
        return {"enum": list(self.options)}


@dataclass(frozen=True)
class Flag:
    """``true`` or ``false``."""

    words: str = "true or false"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        hint = "write true or false, without quotes"
        if isinstance(node, Scalar) and node.text.lower() in {"yes", "on", "true", "no", "off", "false"}:
            hint = f"write {'true' if node.text.lower() in {'yes', 'on', 'true'} else 'false'}, without quotes"
        reader.problem(node, f"{name} must be {self.words}, not {describe(node)}", hint)
        return INVALID

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Number:
    """A number within bounds."""

    least: float | None = None
    most: float | None = None
    whole: bool = False

    @property
    def words(self) -> str:
        what = "a whole number" if self.whole else "a number"
        if self.least is not None and self.most is not None:
            return f"{what} from {self.least:g} to {self.most:g}"
        return what if self.least is None else f"{what} of at least {self.least:g}"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        value = node.value if isinstance(node, Scalar) else None
        if self.whole and isinstance(value, float) and math.isfinite(value) and value == int(value):
            value = int(value)
        fits = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        if fits and isinstance(value, int | float):
            above = self.least is None or value >= self.least
            if above and (self.most is None or value <= self.most) and math.isfinite(value):
                return value if self.whole else float(value)
        kind_error(reader, node, name, self.words, self._hint(value))
        return INVALID

    def _hint(self, value: object) -> str:
        """Return the nearest number that would do."""
        least = 0 if self.least is None else self.least
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            if self.most is not None and value > self.most:
                return f"write {self.most:g} or less"
            return f"write {least:g} or more" if value < least else f"write {round(value)}"
        return f"write a number without quotes, as in {least:g}"

    def schema(self) -> Schema:
        found: Schema = {"type": "integer" if self.whole else "number"}
        if self.least is not None:
            found["minimum"] = self.least
        if self.most is not None:
            found["maximum"] = self.most
        return found


_DURATION: Final = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9}(?:\.\d{1,6})?)s)?")
_LONGEST: Final = 365 * 86400


@dataclass(frozen=True)
class Duration:
    """A time: a number of seconds, or days, hours, minutes and seconds."""

    zero: bool = False
    words: str = "a time, as in 90, 90s, 5m or 1h30m"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        seconds = _seconds(node)
        if seconds is None or not (0 if self.zero else 1e-3) <= seconds <= _LONGEST:
            kind_error(reader, node, name, f"{self.words}, at most a year", "write 90s, 5m or 1h30m")
            return INVALID
        return seconds

    def schema(self) -> Schema:
        number: Schema = {"type": "number", "maximum": _LONGEST}
        number |= {"minimum": 0} if self.zero else {"exclusiveMinimum": 0}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{_DURATION.pattern}$", "minLength": 2}]}


def _seconds(node: AnyNode) -> float | None:
    if not isinstance(node, Scalar) or isinstance(node.value, bool):
        return None
    if isinstance(node.value, int | float):
        return float(node.value)
    return read_duration(node.text)


def read_duration(text: str) -> float | None:
    """Return the seconds that a text with units says, as in ``1h30m``; ``None`` for anything else."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not text.strip():
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


@dataclass(frozen=True)
class Money:
    """An amount in USD, exact."""

    zero: bool = False
    words: str = "an amount in USD, as in 0.50"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = node.text.strip().removeprefix("$") if isinstance(node, Scalar) else ""
        try:
            amount = parse_usd(text, name)
        except Invalid:
            amount = -1
        if amount < (0 if self.zero else 1):
            kind_error(reader, node, name, self.words, "write 0.50")
            return INVALID
        return amount

    def schema(self) -> Schema:
        text: Schema = {"type": "string", "pattern": r"^\s*\$?[0-9]+(\.[0-9]{1,9})?\s*$"}
        return {"anyOf": [{"type": "number", "minimum" if self.zero else "exclusiveMinimum": 0}, text]}


@dataclass(frozen=True)
class Anything:
    """Any value, kept as it is."""

    words: str = "anything"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:  # noqa: ARG002 - anything will do
        return as_json(node)

    def schema(self) -> Schema:
        return {}


@dataclass(frozen=True)
class ListOf:
    """A list; with ``single``, one value stands for a list of one."""

    item: Kind
    single: bool = False
    least: int = 0

    @property
    def words(self) -> str:
        return f"a list of {'at least one of ' if self.least else ''}{_plural(self.item.words)}"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and node.value is None and not self.least:
            return ()
        if not isinstance(node, Items):
            if self.single and not (isinstance(node, Scalar) and node.value is None):
                value = self.item.read(node, name, reader)
                return INVALID if isinstance(value, _Invalid) else (value,)
            kind_error(reader, node, name, self.words)
            return INVALID
        if len(node.items) < self.least:
            reader.problem(
                node,
                f"{name} must have at least {self.least} entr{'y' if self.least == 1 else 'ies'}",
                "add one, or leave it out",
            )
            return INVALID
        values = [self.item.read(item, f"{name}[{number}]", reader) for number, item in enumerate(node.items)]
        return tuple(value for value in values if not isinstance(value, _Invalid))

    def schema(self) -> Schema:
        found: Schema = {"type": "array", "items": self.item.schema()}
        if self.least:
            found["minItems"] = self.least
        options = [found] + ([self.item.schema()] if self.single else []) + ([] if self.least else [{"type": "null"}])
        return found if len(options) == 1 else {"anyOf": options}


def _plural(words: str) -> str:
    return {"a text": "texts", "a name": "names", "anything": "values"}.get(words, words)


@dataclass(frozen=True)
class MapOf:
    """A mapping from names to values."""

    item: Kind
    key: Kind = Name()
    least: int = 0

    @property
    def words(self) -> str:
        return f"a mapping of names to {_plural(self.item.words)}"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and node.value is None and not self.least:
            return {}
        if not isinstance(node, Fields) or len(node.values) < self.least:
            kind_error(reader, node, name, self.words)
            return INVALID
        found: dict[str, object] = {}
        for key, value in node:
            checked = self.key.read(key, f"the name {key.text[:60]!r}", reader)
            read = self.item.read(value, f"{name}.{key.text[:60]}", reader)
            if isinstance(checked, str) and not isinstance(read, _Invalid):
                found[checked] = read
        return found

    def schema(self) -> Schema:
        found: Schema = {"type": "object", "additionalProperties": self.item.schema()}
        if self.least:
            found["minProperties"] = self.least
        return found if self.least else {"anyOf": [found, {"type": "null"}]}


@dataclass(frozen=True)
class Made:
    """Something that is made of a value of another kind: a short form of what a table reads."""

    kind: Kind
    make: Callable[[Any], object]  # Any: what the kind reads

    @property
    def words(self) -> str:
        return self.kind.words

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        value = self.kind.read(node, name, reader)
        return value if isinstance(value, _Invalid) else self.make(value)

    def schema(self) -> Schema:
        return self.kind.schema()


@dataclass(frozen=True)
class Either:
    """One kind for mappings, another for lists, another for all else."""

    words: str
    scalar: Kind | None = None
    fields: Kind | None = None
    items: Kind | None = None

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        kind = self.scalar
        if isinstance(node, Fields):
            kind = self.fields
        elif isinstance(node, Items):
            kind = self.items
        if kind is None:
            kind_error(reader, node, name, self.words)
            return INVALID
        return kind.read(node, name, reader)

    def schema(self) -> Schema:
        return {"anyOf": [kind.schema() for kind in (self.scalar, self.fields, self.items) if kind is not None]}
