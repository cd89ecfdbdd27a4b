"""A resolved pipeline as YAML that reads as the same pipeline, with the origin of every line. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.reading import plain_value
from aexl_pipelines.language.source import AnyNode, Fields, Items, Node, Scalar

_PLAIN: Final = re.compile(r"[A-Za-z_./][\w./ -]*(?<![ ])")
_DEFAULT_FILE: Final = re.compile(r"(default\(\s*file\s*:\s*)(\"[^\"]*\"|'[^']*'|[^()\"']*?)(\s*\))")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def write_resolved(loaded: Loaded, folder: Path | None, *, origins: bool = True) -> str:
    """Return the YAML of a pipeline with everything inherited in its place.

    Args:
        folder: Where the text will lie: paths are written relative to it.
        origins: Write behind every line the file and line that it comes from.
    """
    assert loaded.tree is not None
    writer = _Writer(loaded.paths, loaded.spelled, folder)
    lines = list(writer.node(loaded.tree, 0))
    width = min(max((len(line.text) for line in lines if line.origin), default=0), 100)
    text = [line.with_origin(width) if origins else line.text for line in lines]
    return "\n".join(text) + "\n"


def write_tree(node: AnyNode) -> str:
    """Return a tree as YAML."""
    return "\n".join(line.text for line in _Writer({}, {}, None).node(node, 0)) + "\n"


@dataclass(frozen=True)
class _Line:
    text: str
    origin: str = ""

    def with_origin(self, width: int) -> str:
        return f"{self.text:<{width}}  # {self.origin}" if self.origin else self.text


@dataclass(frozen=True)
class _Writer:
    paths: Mapping[Node, Path]
    spelled: Mapping[Node, str]
    folder: Path | None

    def node(self, node: AnyNode, indent: int) -> Iterator[_Line]:
        """Write a list or a mapping, each on lines of its own."""
        pad = " " * indent
        if isinstance(node, Fields):
            for key, value in node:
                yield from self._entry(f"{pad}{_inline(key.text)}:", value, indent, _origin(key))
        elif isinstance(node, Items):
            for item in node.items:
                yield from self._item(item, indent)
        else:
            yield _Line(pad + self._scalar(node), _origin(node))

    def _item(self, item: AnyNode, indent: int) -> Iterator[_Line]:
        pad = " " * indent
        if isinstance(item, Fields) and item.values:
            lines = self.node(item, indent + 2)
            first = next(lines)
            yield _Line(f"{pad}- {first.text[indent + 2 :]}", first.origin)
            yield from lines
        else:
            yield from self._entry(f"{pad}-", item, indent, _origin(item))

    def _entry(self, head: str, value: AnyNode, indent: int, origin: str) -> Iterator[_Line]:
        if isinstance(value, Scalar):
            text = self._text(value)
            if isinstance(value.value, str) and _fits_block(text):
                yield from _block(head, text, indent + 2, origin)
            else:
                yield _Line(f"{head} {self._scalar(value)}", origin)
        elif not (value.values if isinstance(value, Fields) else value.items):
            yield _Line(f"{head} {'{}' if isinstance(value, Fields) else '[]'}", origin)
        else:
            yield _Line(head, origin)
            yield from self.node(value, indent + 2)

    def _scalar(self, node: Scalar) -> str:
        if isinstance(node.value, str):
            return _inline(self._text(node))
        return node.text if node.text and plain_value(node.text) == node.value else "null"

    def _text(self, node: Scalar) -> str:
        """Return what a text has to say where it is written now."""
        text = self.spelled.get(node, node.text)
        own = node.source.folder
        if own is None or self.folder is None or own == self.folder:
            return text
        path = self.paths.get(node)
        if path is not None:
            head, _, rest = text.partition("pipeline:") if text.strip().startswith("pipeline:") else ("", "", text)
            if rest.strip().startswith(("/", "~/")):
                return text
            return f"{'pipeline: ' if head or rest != text else ''}{self._relative(path)}"
        return _DEFAULT_FILE.sub(lambda found: self._moved(found, own), text)

    def _relative(self, path: Path) -> str:
        assert self.folder is not None
        text = os.path.relpath(path, self.folder)
        return text if text.startswith("../") else f"./{text}"

    def _moved(self, found: re.Match[str], own: Path) -> str:
        path = found[2].strip("\"'")
        if path.startswith(("/", "~/")):
            return found[0]
        return f"{found[1]}'{self._relative(own / path)}'{found[3]}"


def _origin(node: Node) -> str:
    return f"{node.source.name}:{node.line}".replace("\n", " ")


def _fits_block(text: str) -> bool:
    """Say whether a text of several lines can stand behind a bar as it is."""
    if "\n" not in text.rstrip("\n") or not text.strip():
        return False
    lines = text.split("\n")
    if lines[0] != lines[0].lstrip() or not lines[0]:
        return False
    return all(line.isprintable() or line.replace("\t", " ").isprintable() for line in lines) and not any(
        line.isspace() for line in lines
    )


def _block(head: str, text: str, indent: int, origin: str) -> Iterator[_Line]:
    stripped = text.rstrip("\n")
    ends = len(text) - len(stripped)
    mark = "|-" if ends == 0 else "|" if ends == 1 else "|+"
    yield _Line(f"{head} {mark}", origin)
    for line in stripped.split("\n"):
        yield _Line(" " * indent + line if line else "")
    for _ in range(ends - 1):
        yield _Line("")


def _inline(text: str) -> str:
    """Return a text as a scalar of one line that reads as this text."""
    if _PLAIN.fullmatch(text) and isinstance(plain_value(text), str) and len(text) < 200 and " #" not in text:
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable() or character == " ":
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
