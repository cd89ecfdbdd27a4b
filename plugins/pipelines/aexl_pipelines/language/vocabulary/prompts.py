"""What is added to a system prompt, skills, and tools called without a model. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aexl_pipelines.language.kinds import INVALID, Either, ListOf, Name, Schema, Text
from aexl_pipelines.language.parts import Extra, McpCall
from aexl_pipelines.language.reader import Reader, kind_error
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.skills import Skill
from aexl_pipelines.language.source import AnyNode, Scalar
from aexl_pipelines.language.templates import Template, literal
from aexl_pipelines.language.texts import Arguments, ShellText, TemplateText, parse_file, read_template


def _build_mcp(values: Values) -> McpCall:
    arguments = values.map("arguments", object)
    return McpCall(server=values.get("server", str, ""), tool=values.get("tool", str, ""), arguments=arguments)


MCP: Final = Record(
    title="mcp",
    words="a mapping with server, tool and arguments",
    text="A tool of an MCP server, called without a model.",
    build=_build_mcp,
    keys=[
        Key("server", Text(), "The program that is the server, or its address.", required=True),
        Key("tool", Name(), "The tool's name.", required=True),
        Key("arguments", Arguments(), "Its arguments; texts may hold `{{ names }}`."),
    ],
)


@dataclass(frozen=True)
class _FileText:
    """A file whose text is taken as it is, from the folder of the pipeline file."""

    words: str = "the path of a file"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        path = reader.path(node, text.strip())
        source = reader.text_of(node, path) if path is not None else None
        if source is None:
            return INVALID
        template = parse_file(source, reader)
        return INVALID if template is None else Extra(kind="file", template=template, file=str(path))

    def schema(self) -> Schema:
        return Text().schema()


@dataclass(frozen=True)
class SkillName:
    """A skill, found by name or path."""

    words: str = "the name of a skill, or the path of its folder"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        text = Text().read(node, name, reader)
        if not isinstance(text, str) or not isinstance(node, Scalar):
            return INVALID
        return reader.skill(node) or INVALID

    def schema(self) -> Schema:
        return Text().schema()


_EXTRAS: Final = ("text", "file", "shell", "spec", "skill", "mcp")


def _build_extra(values: Values) -> object:
    written = [name for name in _EXTRAS if name in values]
    if len(written) != 1:
        found = f"not {' and '.join(written)}" if written else "and has none"
        values.reader.problem(
            values.node,
            f"{values.name} needs exactly one of {', '.join(_EXTRAS)}, {found}",
            "write text: and the addition",
        )
        return INVALID
    value = values.any(written[0])
    match value:
        case Extra():
            return value
        case Template():
            return Extra(kind="shell" if written[0] == "shell" else "text", template=value)
        case Skill():
            return Extra(kind="skill", template=literal(value.body), skill=value)
        case McpCall():
            return Extra(kind="mcp", template=literal(""), call=value)
        case str():
            return Extra(kind="spec", template=literal(value))
        case _:
            return INVALID


@dataclass(frozen=True)
class SpecWord:
    """A part of the description of the language."""

    words: str = "compact, schema, prose, core, runner, or a section such as s05 or r02"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        from aexl_pipelines.language.words import is_part

        text = node.text.strip() if isinstance(node, Scalar) else ""
        if is_part(text):
            return text
        kind_error(reader, node, name, self.words)
        return INVALID

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^(compact|schema|prose|core|runner|[sr][0-9]{2})$"}


EXTRA: Final = Record(
    title="append_system_prompt entry",
    words="a mapping with text, file, shell, spec, skill or mcp",
    text="One addition to a system prompt; a text by itself is `text`.",
    build=_build_extra,
    keys=[
        Key("text", TemplateText(), "A text; names in braces are filled in."),
        Key("file", _FileText(), "A file, relative to the pipeline file; names in braces are filled in."),
        Key("shell", ShellText(filled=True), "What a line of shell prints on standard output."),
        Key("spec", SpecWord(), "A part of the description of this language."),
        Key("skill", SkillName(), "The instructions of a skill."),
        Key("mcp", MCP, "What a tool of an MCP server answers."),
    ],
    extra={"minProperties": 1, "maxProperties": 1},
)


@dataclass(frozen=True)
class _ExtraText:
    words: str = "a text"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if not isinstance(Text().read(node, name, reader), str) or not isinstance(node, Scalar):
            return INVALID
        template = read_template(node, reader)
        return INVALID if template is None else Extra(kind="text", template=template)

    def schema(self) -> Schema:
        return Text().schema()


EXTRAS: Final = ListOf(Either("a text or a mapping", _ExtraText(), EXTRA), single=True)
RECORDS: Final = (MCP, EXTRA)
