"""YAML as a tree in which everything knows where it stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from aexl_pipelines.language.problems import Place

Dialect = Literal["aexl", "ail"]
Plain: TypeAlias = "bool | int | float | str | None"


@dataclass(frozen=True, eq=False)
class Source:
    """One file that was read.

    Attributes:
        name: What people call it, in messages.
        folder: What relative paths in it are relative to; ``None`` where it has none (a file from the web).
        dialect: In an ``ail`` file a shell line's braces mean what they mean to ail.
    """

    name: str
    text: str
    folder: Path | None = None
    path: Path | None = None
    dialect: Dialect = "aexl"

    @cached_property
    def lines(self) -> list[str]:
        """The file's lines."""
        return self.text.split("\n")

    def place(self, line: int = 1, column: int = 1) -> Place:
        """Return a place in this file; line and column count from 1."""
        return Place(self.name, line, column)

    def place_of(self, offset: int) -> Place:
        """Return the place of a character of the text."""
        before = self.text[:offset]
        return Place(self.name, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


@dataclass(frozen=True, eq=False)
class Node:
    """Something in a file, compared by identity; ``line`` and ``column`` count from 1."""

    source: Source
    line: int
    column: int

    @property
    def place(self) -> Place:
        """Where it begins."""
        return Place(self.source.name, self.line, self.column)


@dataclass(frozen=True, eq=False)
class Scalar(Node):
    """A text, a number, a truth value or nothing.

    Attributes:
        text: As written, before anything was made of it.
        style: The quote, ``|`` or ``>`` that it was written with; empty for a plain one.
    """

    value: Plain
    text: str
    style: str = ""

    def place_of(self, offset: int) -> Place:
        """Return where a character of the text stands; the beginning, where that cannot be told."""
        if self.style == "|":
            before = self.text[:offset]
            row = self.line + before.count("\n")  # the line below the bar is the first
            lines = self.source.lines
            wanted = self.text.split("\n")[before.count("\n")]
            if row < len(lines) and wanted and wanted in lines[row]:
                indent = lines[row].index(wanted)
                return Place(self.source.name, row + 1, indent + offset - (before.rfind("\n") + 1) + 1)
        elif "\n" not in self.text and self.line <= len(self.source.lines):
            start = self.column + len(self.style) - 1
            if self.source.lines[self.line - 1].startswith(self.text, start):
                return Place(self.source.name, self.line, start + offset + 1)
        return self.place


@dataclass(frozen=True, eq=False)
class Items(Node):
    """A list."""

    items: tuple[AnyNode, ...] = ()


@dataclass(frozen=True, eq=False)
class Fields(Node):
    """A mapping; the keys are texts whatever they look like, in the order of the file."""

    keys: Mapping[str, Scalar] = field(default_factory=dict)
    values: Mapping[str, AnyNode] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[Scalar, AnyNode]]:
        return ((self.keys[name], node) for name, node in self.values.items())

    def without(self, *names: str) -> Fields:
        """Return the same without some keys."""
        return self.with_(dict.fromkeys(names))

    def with_(self, changes: Mapping[str, tuple[Scalar, AnyNode] | None]) -> Fields:
        """Return the same with keys replaced, added at the end, or, for ``None``, gone."""
        keys = {name: key for name, key in self.keys.items() if changes.get(name, key) is not None}
        values = {name: self.values[name] for name in keys}
        for name, pair in changes.items():
            if pair is not None:
                keys[name], values[name] = pair
        return Fields(self.source, self.line, self.column, keys, values)


AnyNode = Scalar | Items | Fields


def as_json(node: AnyNode) -> object:
    """Return a tree as JSON values; expects that aliases were bounded when it was read."""
    match node:
        case Scalar():
            return node.value
        case Items():
            return [as_json(item) for item in node.items]
        case Fields():
            return {name: as_json(value) for name, value in node.values.items()}


def describe(node: AnyNode) -> str:
    """Return what a node is, for a message."""
    match node:
        case Items():
            return "a list"
        case Fields():
            return "a mapping"
        case Scalar(value=None):
            return "nothing"
        case Scalar():
            text = node.text if len(node.text) <= 60 else node.text[:57] + "..."
            kind = {bool: "the truth value", int: "the number", float: "the number"}.get(type(node.value), "the text")
            return f"{kind} {text!r}"
