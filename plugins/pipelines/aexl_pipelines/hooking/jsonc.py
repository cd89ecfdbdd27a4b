"""JSON as people keep it in settings files: read with comments, and changed without touching another byte. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aexl.errors import Invalid

_SPACE: Final = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_REMARK: Final = re.compile(r"[ \t]*//[^\n]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")
_DEEPEST: Final = 100


@dataclass(slots=True)
class Node:
    """A value and where it stands.

    Attributes:
        start: Index of its first character; of a member, that of its key.
        end: Index behind its last one.
        comma: Index of the comma behind it, where there is one.
        children: Of an array or object; members have a ``key``.
        value: Of anything else.
    """

    kind: str
    start: int
    end: int = 0
    comma: int | None = None
    key: str | None = None
    opening: int = 0
    value: object = None
    children: list[Node] = field(default_factory=list)

    def plain(self) -> object:
        """Return the value without its places."""
        match self.kind:
            case "object":
                return {child.key: child.plain() for child in self.children}
            case "array":
                return [child.plain() for child in self.children]
            case _:
                return self.value

    def member(self, key: str) -> Node | None:
        """Return an object's member; the last of that name, as parsers take it."""
        found = [child for child in self.children if self.kind == "object" and child.key == key]
        return found[-1] if found else None


def parse(text: str, name: str = "the file") -> Node:
    """Return the value of a text; comments and commas behind the last entry are all right.

    Raises:
        Invalid: If it is not JSON; says where.
    """
    reader = _Reader(text, name)
    node = reader.value(reader.skip(0), 0)
    if reader.skip(node.end) != len(text):
        raise reader.wrong(reader.skip(node.end), "the end of the file")
    return node


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name

    def skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return at if found is None else found.end()

    def wrong(self, at: int, wanted: str) -> Invalid:
        line = self._text.count("\n", 0, at) + 1
        return Invalid(f"{self._name}:{line}: it is not JSON: {wanted} should stand here; nothing was changed")

    def value(self, at: int, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self.wrong(at, "nothing that deep")
        match self._text[at : at + 1]:
            case "{":
                return self._container(at, depth, "object", "}")
            case "[":
                return self._container(at, depth, "array", "]")
            case '"':
                return self._string(at)
            case _:
                found = _SCALAR.match(self._text, at)
                if found is None:
                    raise self.wrong(at, "a value")
                return Node("value", at, found.end(), value=json.loads(found[0]), opening=at)

    def _string(self, at: int) -> Node:
        found = _STRING.match(self._text, at)
        if found is None:
            raise self.wrong(at, "a string")
        try:
            return Node("value", at, found.end(), value=json.loads(found[0]), opening=at)
        except ValueError as error:
            raise self.wrong(at, "a string") from error

    def _container(self, at: int, depth: int, kind: str, closing: str) -> Node:
        node = Node(kind, at, opening=at)
        position = self.skip(at + 1)
        while self._text[position : position + 1] != closing:
            if node.children and node.children[-1].comma is None:
                raise self.wrong(position, f"a comma or {closing}")
            child = self._member(position, depth) if kind == "object" else self.value(position, depth + 1)
            node.children.append(child)
            position = self.skip(child.end)
            if self._text[position : position + 1] == ",":
                child.comma = position
                position = self.skip(position + 1)
        node.end = position + 1
        return node

    def _member(self, at: int, depth: int) -> Node:
        key = self._string(at)
        colon = self.skip(key.end)
        if self._text[colon : colon + 1] != ":":
            raise self.wrong(colon, "a colon")
        child = self.value(self.skip(colon + 1), depth + 1)
        child.start, child.key = at, str(key.value)
        return child


def append(text: str, path: Sequence[str], element: object, name: str = "the file") -> str:
    """Return a text in which the array at ``path`` has one more element; what is missing on the way is made.

    Raises:
        Invalid: If something on the way is neither missing nor of its kind.
    """
    if not text.strip("\ufeff \t\r\n"):
        text = "{}\n"
    node = parse(text, name)
    for depth, key in enumerate(path):
        if node.kind != "object":
            raise Invalid(f"{name}: {'.'.join(path[:depth]) or 'it'} is not an object; nothing was changed")
        below = node.member(key)
        if below is None:
            made: object = [element]
            for inner in reversed(path[depth + 1 :]):
                made = {inner: made}
            return _insert(text, node, depth, made, key)
        node = below
    if node.kind != "array":
        raise Invalid(f"{name}: {'.'.join(path)} is not a list; nothing was changed")
    return _insert(text, node, len(path), element, None)


def _insert(text: str, node: Node, depth: int, value: object, key: str | None) -> str:
    unit = _indent(text)
    written = json.dumps(value, indent=unit, ensure_ascii=False)
    member = written if key is None else f"{json.dumps(key)}: {written}"
    inner = unit * (depth + 1)
    block = f"\n{inner}" + member.replace("\n", f"\n{inner}")
    if node.children:
        last = node.children[-1]
        comma = last.end if last.comma is None else last.comma + 1
        remark = _REMARK.match(text, comma)
        at = comma if remark is None else remark.end()
        if last.comma is None:
            return f"{text[:comma]},{text[comma:at]}{block}{text[at:]}"
        return f"{text[:at]}{block},{text[at:]}"
    at = node.opening + 1
    rest = text[at:]
    gap = "" if rest.startswith("\n") else f"\n{unit * depth}"
    return f"{text[:at]}{block}{gap}{rest}"


def _indent(text: str) -> str:
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    return found[1] if found is not None and len(found[1]) <= 8 else "  "


def remove(text: str, node: Node, child: Node) -> str:
    """Return a text without a child of an array or object of it; comments stay, and so does all the rest."""
    for start, end in sorted(_cuts(text, node, child), reverse=True):
        text = text[:start] + text[end:]
    return text


def _cuts(text: str, node: Node, child: Node) -> list[tuple[int, int]]:
    at = next(number for number, each in enumerate(node.children) if each is child)
    if len(node.children) == 1:
        inside = text[node.opening + 1 : child.start] + text[child.end : node.end - 1].replace(",", "", 1)
        if not inside.strip():
            return [(node.opening + 1, node.end - 1)]
    if at > 0 and at == len(node.children) - 1:
        comma = node.children[at - 1].comma
        assert comma is not None  # or it could not have been parsed
        if not text[comma + 1 : child.start].strip():
            return [(comma, child.end) if child.comma is None else (comma + 1, child.comma + 1)]
        if child.comma is None:
            return [(comma, comma + 1), _line(text, child.start, child.end)]
    if child.comma is None:
        return [_line(text, child.start, child.end)]
    if text[child.end : child.comma].strip():
        return [(child.start, child.end), (child.comma, child.comma + 1)]
    return [_line(text, child.start, child.comma + 1)]


def _line(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a range with the rest of its lines, if that is blank."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    blank = last >= 0 and not text[first:start].strip() and not text[end:last].strip()
    return (first, last + 1) if blank else (start, end)
