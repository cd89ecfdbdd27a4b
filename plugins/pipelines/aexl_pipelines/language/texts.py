"""Kinds of texts that mean more than they say: templates, prompts, conditions, paths, patterns. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aexl_pipelines.language.conditions import parse_condition
from aexl_pipelines.language.expressions.errors import ExpressionError
from aexl_pipelines.language.expressions.parsing import parse_expression
from aexl_pipelines.language.expressions.patterns import read_literal
from aexl_pipelines.language.expressions.references import parse_reference
from aexl_pipelines.language.kinds import INVALID, Schema, Text
from aexl_pipelines.language.model import PipelineTarget
from aexl_pipelines.language.parts import Prompt
from aexl_pipelines.language.problems import Code, Place, suggest
from aexl_pipelines.language.reader import PATH_BEGINNINGS, Reader, kind_error
from aexl_pipelines.language.shell import bare_substitutions
from aexl_pipelines.language.source import AnyNode, Fields, Items, Scalar, Source
from aexl_pipelines.language.templates import Template, literal, parse_template, quoted, with_files

_TEMPLATE: Final[Code] = "template/unresolved-variable"


def read_template(node: Scalar, reader: Reader) -> Template | None:
    """Return the template that a text is, with the files of its defaults read."""
    template = reader.parse(node, parse_template, _TEMPLATE)
    if template is None:
        return None
    return reader.keep(_with_defaults(template, node.source, node.place_of, reader), node.place_of)


def _with_defaults(template: Template, source: Source, at: Callable[[int], Place], reader: Reader) -> Template:
    def read(file: str, offset: int) -> str:
        path = reader.path_in(source, file, at(offset))
        found = reader.source(path, at(offset)) if path is not None else None
        return found.text if found is not None else ""

    return with_files(template, read)


@dataclass(frozen=True)
class TemplateText:
    """A text with ``{{ name }}`` in it."""

    blank: bool = False
    words: str = "a text"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text(self.blank).read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        template = read_template(node, reader)
        return INVALID if template is None else template

    def schema(self) -> Schema:
        return Text(self.blank).schema()


@dataclass(frozen=True)
class PromptText:
    """A template, or the path of a file that has one."""

    words: str = "a text, or a path that begins with ./ ../ ~/ or /"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        if not looks_like_path(text, node, reader):
            template = read_template(node, reader)
            return INVALID if template is None else Prompt(template=template)
        path = reader.path(node, text.strip())
        source = reader.text_of(node, path) if path is not None else None
        if source is None:
            return INVALID
        template = parse_file(source, reader)
        return INVALID if template is None else Prompt(template=template, file=str(path))

    def schema(self) -> Schema:
        return Text().schema()


def looks_like_path(text: str, node: Scalar, reader: Reader) -> bool:
    """Say whether a text is the path of a file.

    ail takes everything that begins with a slash for one; a text such as ``/review this`` is
    what an agent calls a command, so a slash alone does not make a path of what is none.
    """
    text = text.strip()
    if not text.startswith(PATH_BEGINNINGS) or "\n" in text or len(text) > 1000:
        return False
    if not text.startswith("/") or ("/" in text[1:] and " " not in text):
        return True
    path = reader.path(node, text)
    return path is not None and path.is_file()


def parse_file(source: Source, reader: Reader) -> Template | None:
    """Return the template that a file is; what is wrong with it is reported at its place in that file."""
    try:
        template = parse_template(source.text)
    except ExpressionError as error:
        reader.report.problem(source.place_of(error.offset), error.message, error.suggestion, _TEMPLATE)
        return None
    return reader.keep(_with_defaults(template, source, source.place_of, reader), source.place_of)


@dataclass(frozen=True)
class ShellText:
    """A line for ``/bin/sh``. What is put in needs ``quote``; in ail's files a line is taken as it is.

    Attributes:
        filled: ail fills in the names in it (``append_system_prompt``, not ``context``).
    """

    filled: bool = False
    words: str = "a line of shell"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        if node.source.dialect == "ail" and not self.filled:
            if "{{" in text:
                reader.spelled[node] = text.replace("{{", '{{ "{{" }}')
            return literal(text)
        template = read_template(node, reader)
        if template is None:
            return INVALID
        if node.source.dialect == "ail":
            template, spelled = quoted(template)
            reader.spelled[node] = spelled
            return reader.keep(template, node.place_of)
        if node.source.dialect == "aexl":
            for place in bare_substitutions(template):
                reader.report.problem(
                    node.place_of(place.offset),
                    f"{{{{ {place.value} }}}} stands bare in a line of shell, which would run what is in it",
                    f"write {{{{ {place.value} | quote }}}}, or hand it over with 'env:'",
                    _TEMPLATE,
                )
        return template

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class ConditionText:
    """A condition in ail's grammar."""

    words: str = "always, never, or LEFT operator RIGHT"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if not isinstance(Text().read(node, name, reader), str) or not isinstance(node, Scalar):
            return INVALID
        found = reader.parse(node, parse_condition, "condition/invalid")
        return INVALID if found is None else reader.keep(found, node.place_of)

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class ExpressionText:
    """An expression in the full grammar."""

    words: str = "an expression, as in step.tests.exit_code != 0 and inputs.strict"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if not isinstance(Text().read(node, name, reader), str) or not isinstance(node, Scalar):
            return INVALID
        found = reader.parse(node, parse_expression, "condition/invalid")
        return INVALID if found is None else reader.keep(found, node.place_of)

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class PatternText:
    """A pattern between slashes."""

    words: str = "a pattern between slashes, as in /FAIL(ED)?/i"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if not isinstance(Text().read(node, name, reader), str) or not isinstance(node, Scalar):
            return INVALID
        lead = len(node.text) - len(node.text.lstrip())
        found = reader.parse(node, lambda text: read_literal(text.strip(), lead), "condition/invalid")
        return INVALID if found is None else found

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^\s*/[\s\S]+/[ims]*\s*$"}


@dataclass(frozen=True)
class FieldPath:
    """The path of a field in a JSON answer."""

    words: str = "a field, as in verdict or findings[0].file"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        found = reader.parse(node, lambda text: parse_reference(text.strip()), "condition/invalid")
        return INVALID if found is None else found.parts

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class Arguments:
    """A mapping of JSON values; the texts in it that have braces are templates."""

    words: str = "a mapping of names to values"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and node.value is None:
            return {}
        if not isinstance(node, Fields):
            kind_error(reader, node, name, self.words)
            return INVALID
        return _argument(node, reader)

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "object"}, {"type": "null"}]}


def _argument(node: AnyNode, reader: Reader) -> object:
    match node:
        case Fields():
            return {key.text: _argument(value, reader) for key, value in node}
        case Items():
            return [_argument(item, reader) for item in node.items]
        case Scalar(value=str()) if "{{" in node.text:
            return read_template(node, reader)
        case Scalar():
            return node.value


def fill_arguments(value: object, values: Mapping[str, object]) -> object:
    """Return arguments with every template in them filled in.

    Raises:
        Unresolved: If a name has no value.
    """
    match value:
        case Template():
            return value.value(values)
        case Mapping():
            return {name: fill_arguments(each, values) for name, each in value.items()}
        case list() | tuple():
            return [fill_arguments(each, values) for each in value]
        case _:
            return value


def as_written(value: object) -> object:
    """Return arguments as they stand in the file."""
    match value:
        case Template():
            return value.source
        case Mapping():
            return {name: as_written(each) for name, each in value.items()}
        case list() | tuple():
            return [as_written(each) for each in value]
        case _:
            return value


@dataclass(frozen=True)
class TargetText:
    """A pipeline: a name of ``pipelines:``, or a path."""

    words: str = "the name of a pipeline, or a path"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        return read_target(node, text.strip(), reader) or INVALID

    def schema(self) -> Schema:
        return Text().schema()


def read_target(node: Scalar, text: str, reader: Reader) -> PipelineTarget | None:
    """Return which pipeline a text names; a file that is known by now must be there, and is loaded with this one."""
    if text in reader.named:
        return PipelineTarget(name=text)
    named = not text.startswith(PATH_BEGINNINGS) and "/" not in text and not text.endswith((".yaml", ".yml"))
    if named and "{{" not in text:
        hint = suggest(text, reader.named) or "a path begins with ./"
        reader.problem(node, f"there is no pipeline {text[:80]!r} in 'pipelines:'", hint)
        return None
    template = reader.parse(node, lambda _: parse_template(text), _TEMPLATE)
    if template is None:
        return None
    if any(True for _ in template.substitutions):
        shift = node.text.find(text)
        folder = node.source.folder
        if text.startswith("~/"):
            template = _below(template, reader.files.home, 2)
        elif not text.startswith(("/", "{{")) and folder is not None:
            reader.texts[node] = folder / text
            template = _below(template, folder, 0)
        return PipelineTarget(path=reader.keep(template, lambda offset: node.place_of(offset + shift)))
    path = reader.path(node, text)
    if path is None:
        return None
    reader.texts[node] = path
    reader.children.setdefault(path, node.place)
    return PipelineTarget(file=str(path))


def _below(template: Template, folder: Path, drop: int) -> Template:
    """Return a path's template that begins at the root."""
    head = template.parts[0]
    if not isinstance(head, str):
        return template
    text = os.path.normpath(f"{folder}/{head[drop:]}") + ("/" if head.endswith("/") else "")
    return Template(template.source, (text, *template.parts[1:]))
