"""Tables of keys: the one description of the language, from which it is read, published and explained. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeVar, overload

from aexl_pipelines.language.kinds import INVALID, Kind, Schema
from aexl_pipelines.language.problems import suggest
from aexl_pipelines.language.reader import Reader, kind_error
from aexl_pipelines.language.source import AnyNode, Fields

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True)
class Key:
    """One key of a mapping.

    Attributes:
        text: What it does, in one or two sentences of Markdown.
        of: Whose word it is: ``ail``'s, or an addition.
        was: What else it is called in ail's files.
    """

    name: str
    kind: Kind | Callable[[], Kind]
    text: str
    of: Literal["ail", "aexl"] = "ail"
    required: bool = False

    @cached_property
    def value(self) -> Kind:
        """Its kind; tables that hold themselves name it by a function."""
        return self.kind if not callable(self.kind) else self.kind()


class Values:
    """What was read of a mapping: only values of the right kinds are in it."""

    def __init__(self, node: Fields, name: str, reader: Reader, read: Mapping[str, object]) -> None:
        self.node = node
        self.name = name
        self.reader = reader
        self._read = read

    def __contains__(self, key: str) -> bool:
        """Say whether a key was written at all, rightly or not."""
        return key in self.node.values

    @overload
    def get(self, key: str, kind: type[T]) -> T | None: ...

    @overload
    def get(self, key: str, kind: type[T], default: D) -> T | D: ...

    def get(self, key: str, kind: type[T], default: object = None) -> object:
        """Return a value, or the default where it is missing or was reported."""
        value = self._read.get(key)
        return value if isinstance(value, kind) else default

    def any(self, key: str) -> object:
        """Return a value of any kind."""
        return self._read.get(key)

    def all(self, key: str, kind: type[T]) -> tuple[T, ...]:
        """Return a list's values."""
        found = self._read.get(key)
        return tuple(each for each in found if isinstance(each, kind)) if isinstance(found, tuple) else ()

    def map(self, key: str, kind: type[T]) -> dict[str, T]:
        """Return a mapping's values."""
        found = self._read.get(key)
        return {n: each for n, each in found.items() if isinstance(each, kind)} if isinstance(found, dict) else {}

    def problem(self, key: str, message: str, suggestion: str = "") -> None:
        """Report what is wrong with a key."""
        self.reader.problem(self.node.keys.get(key, self.node), message, suggestion)


@dataclass(frozen=True)
class Record:
    """A mapping with known keys.

    Attributes:
        title: What it is called in the docs.
        build: Makes the model of what was read; reports what does not go together.
        extra: JSON Schema of what cannot be said key by key.
        open: Keys that begin so, or are among these, take anything.
    """

    title: str
    words: str
    keys: Sequence[Key]
    build: Callable[[Values], object]
    text: str = ""
    extra: Schema = field(default_factory=dict)
    open: tuple[str, ...] = ()

    @cached_property
    def table(self) -> Mapping[str, Key]:
        """The keys by name."""
        return {key.name: key for key in self.keys}

    def is_open(self, name: str) -> bool:
        """Say whether a key that is not in the table may stand here."""
        return any(name == each or (each.endswith("-") and name.startswith(each)) for each in self.open)

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if not isinstance(node, Fields):
            kind_error(reader, node, name, self.words)
            return INVALID
        read: dict[str, object] = {}
        for key, value in node:
            known = self.table.get(key.text)
            if known is not None:
                read[key.text] = known.value.read(value, key.text, reader)
            elif not self.is_open(key.text):
                hint = suggest(key.text, self.table) or self._way_out(key.text)
                reader.problem(key, f"there is no key {key.text[:60]!r} in {self.title}", hint)
        for wanted in self.keys:
            if wanted.required and wanted.name not in node.values:
                reader.problem(node, f"{name} needs the key {wanted.name!r}", f"add '{wanted.name}:'")
        return self.build(Values(node, name, reader, read))

    def _way_out(self, name: str) -> str:
        return f"remove it, or call it x-{name[:40]}" if self.is_open("x-") else "remove it"

    def schema(self) -> Schema:
        return {"$ref": f"#/$defs/{self.slug}"}

    @property
    def slug(self) -> str:
        """Its name among the definitions of the JSON Schema."""
        return self.title.replace("`", "").replace(" ", "_").replace("-", "_")

    def definition(self) -> Schema:
        """Return the JSON Schema of the mapping itself."""
        properties = {key.name: {**key.value.schema(), "description": key.text} for key in self.keys}
        found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        patterns: Schema = {f"^{each}" if each.endswith("-") else f"^{each}$": {} for each in self.open}
        if patterns:
            found["patternProperties"] = patterns
        required = [key.name for key in self.keys if key.required]
        if required:
            found["required"] = required
        return {**found, **self.extra}
