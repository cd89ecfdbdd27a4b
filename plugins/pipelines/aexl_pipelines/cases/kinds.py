"""Kinds of values that only case files have. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from aexl_pipelines.language.expressions.references import parse_reference
from aexl_pipelines.language.kinds import INVALID, Schema, Text
from aexl_pipelines.language.model import BranchAction
from aexl_pipelines.language.problems import Place, suggest
from aexl_pipelines.language.reader import Reader, kind_error
from aexl_pipelines.language.source import AnyNode, Fields, Scalar, as_json, describe
from aexl_pipelines.language.texts import looks_like_path

NO_BRANCH: Final = "none"
_BRANCHES: Final = (*get_args(BranchAction), NO_BRANCH)


@dataclass(frozen=True)
class WholeText:
    """A text as it is, without names in braces, or the path of a file that has it."""

    words: str = "a text, or a path that begins with ./ ../ ~/ or /"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text(blank=True, words=self.words).read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        if not looks_like_path(text, node, reader):
            return text
        path = reader.path(node, text.strip())
        source = reader.text_of(node, path) if path is not None else None
        return INVALID if source is None else source.text

    def schema(self) -> Schema:
        return Text(blank=True).schema()


@dataclass(frozen=True)
class WorkPath:
    """The path of a file in the folder in which a case runs."""

    words: str = "a path below the work folder, as in src/app.py"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text(words=self.words).read(node, name, reader)
        if not isinstance(text, str):
            return INVALID
        path = posixpath.normpath(text.strip())
        outside = path.startswith(("/", "~", "../")) or path in {".", ".."}
        if outside or not path.isprintable() or len(path.encode()) > 4096:
            kind_error(reader, node, name, self.words)
            return INVALID
        return path

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class OwnFolder:
    """The path of a folder, relative to the file; what is in it is read when a case runs.

    Attributes:
        there: It must be there already.
    """

    there: bool = True
    words: str = "the path of a folder"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text(words=self.words).read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        path = reader.path(node, text.strip())
        if path is None or "\0" in str(path):
            kind_error(reader, node, name, self.words)
            return INVALID
        if (self.there and not path.is_dir()) or path.is_file():
            reader.problem(node, f"there is no folder {reader.files.name_of(path)}", "", "config/file-not-found")
            return INVALID
        return Path(path)

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class PipelineName:
    """Which pipeline a case is about; looked for when the file is loaded."""

    words: str = "a path, or a name that aexl pipeline list shows"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        return Text(words=self.words).read(node, name, reader)

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class BranchTaken:
    """A branch of ``on_result``: its number, its action, or none."""

    words: str = f"the number of a branch, or one of {', '.join(_BRANCHES)}"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
            return value
        text = node.text.strip() if isinstance(node, Scalar) else ""
        if text in _BRANCHES:
            return text
        reader.problem(node, f"{name} must be {self.words}, not {describe(node)}", suggest(text, _BRANCHES))
        return INVALID

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "integer", "minimum": 1}, {"enum": list(_BRANCHES)}]}


@dataclass(frozen=True)
class JsonField:
    """A field of a JSON answer and the value that it must have."""

    path: str
    parts: tuple[str | int, ...]
    value: object
    place: Place


@dataclass(frozen=True)
class JsonFields:
    """Fields of a JSON answer, by their paths, and their values."""

    words: str = "a mapping of fields, as in findings[0].file, to values"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if not isinstance(node, Fields) or not node.values:
            kind_error(reader, node, name, self.words)
            return INVALID
        found = []
        for key, value in node:
            reference = reader.parse(key, lambda text: parse_reference(text.strip()), "condition/invalid")
            if reference is not None:
                found.append(JsonField(key.text.strip(), reference.parts, as_json(value), key.place))
        return tuple(found)

    def schema(self) -> Schema:
        return {"type": "object", "minProperties": 1}
