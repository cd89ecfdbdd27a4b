"""What a step may hold besides keys of its own: lines of shell, schemas, short forms in chains. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aexl_pipelines.language.builtin_skills import built_in
from aexl_pipelines.language.kinds import INVALID, Schema, Text
from aexl_pipelines.language.model import Body, McpBody, PromptBody, ShellBody, SkillBody, SpecBody, Step
from aexl_pipelines.language.parts import McpCall, Prompt
from aexl_pipelines.language.reader import LARGEST_TEXT, PATH_BEGINNINGS, Reader
from aexl_pipelines.language.records import Key, Record, Values
from aexl_pipelines.language.schemas import schema_problem
from aexl_pipelines.language.skills import FILE
from aexl_pipelines.language.source import AnyNode, Scalar, as_json
from aexl_pipelines.language.templates import Template
from aexl_pipelines.language.texts import PromptText, ShellText
from aexl_pipelines.language.vocabulary.prompts import MCP, SpecWord

_CONTEXTS: Final = ("shell", "spec", "mcp")


def _build_context(values: Values) -> object:
    written = [name for name in _CONTEXTS if name in values]
    if len(written) != 1:
        found = f"not {' and '.join(written)}" if written else "and has none"
        values.reader.problem(
            values.node, f"context needs exactly one of {', '.join(_CONTEXTS)}, {found}", "write shell: and a line"
        )
        return INVALID
    match values.any(written[0]):
        case Template() as command:
            return ShellBody(command=command)
        case McpCall() as call:
            return McpBody(call=call)
        case str() as word:
            return SpecBody(word=word)
        case _:
            return INVALID


CONTEXT: Final = Record(
    title="context",
    words="a mapping with shell, spec or mcp",
    text="Work that is no model's: its output is `stdout`, `stderr` and `exit_code`, and an exit code other than 0 is a result, not an error.",
    build=_build_context,
    keys=[
        Key(
            "shell",
            ShellText(),
            "A line for `/bin/sh`. Values come in as `{{ name | quote }}` or by `env`; in ail's files braces mean nothing here.",
        ),
        Key("spec", SpecWord(), "A part of the description of this language, as `stdout`."),
        Key("mcp", MCP, "A tool of an MCP server; its answer is `stdout`."),
    ],
    extra={"minProperties": 1, "maxProperties": 1},
)


@dataclass(frozen=True)
class JsonSchema:
    """A JSON Schema, or the path of one."""

    words: str = "a JSON Schema, or the path of one"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return self._read_file(node, name, reader)
        found = as_json(node)
        problem = schema_problem(found)
        if problem is not None:
            reader.problem(node, f"{name} is no JSON Schema: {problem}", "begin with type: object and properties:")
            return INVALID
        return found

    def _read_file(self, node: Scalar, name: str, reader: Reader) -> object:
        from aexl_pipelines.language.reading import read_yaml  # JSON is YAML

        path = reader.path(node, node.text.strip())
        source = reader.text_of(node, path) if path is not None else None
        tree = read_yaml(source, reader.report) if source is not None else None
        if tree is None:
            return INVALID
        found = as_json(tree)
        problem = schema_problem(found)
        if problem is not None:
            reader.problem(node, f"{name} is no JSON Schema: {problem}", "begin with type: object and properties:")
            return INVALID
        return found

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "object"}, {"type": "string", "pattern": r"\S", "maxLength": LARGEST_TEXT}]}


@dataclass(frozen=True)
class ChainEntry:
    """A text in a chain: a skill that comes with aexl, the folder of a skill, or a prompt."""

    words: str = "a step, or a text for a prompt"

    def read(self, node: AnyNode, name: str, reader: Reader) -> object:
        if isinstance(node, Scalar):
            text = node.text.strip()
            folder = reader.path(node, text) if text.startswith(PATH_BEGINNINGS) and "\n" not in text else None
            if built_in(text) is not None or (folder is not None and (folder / FILE).is_file()):
                skill = reader.skill(node)
                return INVALID if skill is None else _chained(node, SkillBody(skill=skill))
        prompt = PromptText().read(node, name, reader)
        return _chained(node, PromptBody(prompt=prompt)) if isinstance(prompt, Prompt) else INVALID

    def schema(self) -> Schema:
        return Text().schema()


def _chained(node: AnyNode, body: Body) -> Step:
    return Step(id="", path="", body=body, place=node.place)


RECORDS: Final = (CONTEXT,)
