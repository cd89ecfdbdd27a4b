"""What answers of Chat Completions look like, as far as they are read."""

from __future__ import annotations

import msgspec

from aexl_translation.pivot import Citation
from aexl_translation.values import read_citation


class Function(msgspec.Struct, gc=False):
    """A function's name and arguments, or a piece of them; some servers send an object."""

    name: str | None = None
    arguments: object = None


class Custom(msgspec.Struct, gc=False):
    """A tool that takes free text."""

    name: str | None = None
    input: str | None = None


class ToolDelta(msgspec.Struct, gc=False):
    """A call of a tool, or a piece of one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None


class Delta(msgspec.Struct, gc=False):
    """A message, or a piece of one."""

    content: object = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: object = None
    tool_calls: list[ToolDelta] | None = None
    function_call: Function | None = None
    annotations: object = None


class Choice(msgspec.Struct, gc=False):
    """One answer."""

    message: Delta
    finish_reason: str | None = None


class Completion(msgspec.Struct, gc=False):
    """A whole answer."""

    choices: list[Choice]
    id: str | None = None
    created: object = None
    model: str | None = None
    service_tier: str | None = None


class ChunkChoice(msgspec.Struct, gc=False):
    """A piece of one answer."""

    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct, gc=False):
    """A piece of an answer."""

    choices: list[ChunkChoice] | None = None
    id: str | None = None
    created: object = None
    model: str | None = None
    service_tier: str | None = None
    error: object = None


def read_citations(annotations: object) -> list[Citation]:
    """Return the web pages that annotations name."""
    found = []
    for annotation in annotations if isinstance(annotations, list) else ():
        page = annotation.get("url_citation") if isinstance(annotation, dict) else None
        citation = read_citation(page) if isinstance(page, dict) else None
        if citation is not None:
            found.append(citation)
    return found
