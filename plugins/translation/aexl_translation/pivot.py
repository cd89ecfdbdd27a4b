"""A request in no dialect's words: what every dialect's reader makes, and every dialect's writer writes.

A field that a client did not set is ``None`` or empty; such a field is never
written. A value that a reader cannot put into these records is refused by the
reader, one that a writer cannot say in its dialect by the writer.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from aexl_translation.dialects import Dialect

Role = Literal["system", "user", "assistant"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ToolKind = Literal["function", "custom", "search"]


class Text(msgspec.Struct, tag="text"):
    """Words.

    Attributes:
        cache: The prompt up to here may be cached, for so long (``5m``, ``1h``); empty where nobody said so.
        refusal: The model said that it will not answer.
        citations: Pages that the words rest on.
    """

    text: str
    cache: str = ""
    refusal: bool = False
    citations: list[Citation] = []


class Citation(msgspec.Struct):
    """A web page that an answer rests on; ``start`` and ``end`` are characters of the text."""

    url: str
    title: str = ""
    start: int = 0
    end: int = 0


class Media(msgspec.Struct, tag="media"):
    """A picture, a document or a recording, by its bytes or by its address.

    Attributes:
        media_type: As in ``image/png``; empty where an address does not say.
        data: Base64; empty where there is an address.
        url: Where it is; empty where there are bytes.
        text: A document that is plain text has its words here instead.
        name: The file's name or title.
        detail: How closely a picture is looked at: ``low``, ``high``, ``auto``, or empty.
        cache: As of ``Text``.
    """

    kind: Literal["image", "file", "audio"]
    media_type: str = ""
    data: str = ""
    url: str = ""
    text: str = ""
    name: str = ""
    detail: str = ""
    cache: str = ""


class ToolCall(msgspec.Struct, tag="tool_call"):
    """The model asks for a tool.

    Attributes:
        arguments: JSON text of an object; plain text for a ``custom`` tool.
        namespace: The group of tools that the name belongs to.
    """

    id: str
    name: str
    arguments: str = ""
    kind: ToolKind = "function"
    namespace: str = ""
    cache: str = ""


class ToolResult(msgspec.Struct, tag="tool_result"):
    """What a tool gave back; ``failed`` where the client says that it went wrong."""

    id: str
    parts: list[Text | Media]
    failed: bool = False
    name: str = ""
    kind: ToolKind = "function"
    cache: str = ""


class Reasoning(msgspec.Struct, tag="reasoning"):
    """What the model thought, and the proof of it that only its provider can read.

    Attributes:
        text: What may be shown of it.
        opaque: Signature or encrypted content, for the dialect ``origin``.
        id: The provider's id of the item.
        redacted: There is nothing to show.
    """

    origin: Dialect
    text: str = ""
    opaque: str = ""
    id: str = ""
    redacted: bool = False


Part = Text | Media | ToolCall | ToolResult | Reasoning


class Turn(msgspec.Struct):
    """One message; a ``system`` turn stands in the middle of the conversation."""

    role: Role
    parts: list[Part]


class Tool(msgspec.Struct):
    """A tool that runs at the client.

    Attributes:
        parameters: A JSON schema; ``None`` for a tool without arguments.
        format: What a ``custom`` tool's text must look like, as the Responses API says it.
    """

    name: str
    description: str = ""
    parameters: object = None
    strict: bool | None = None
    kind: ToolKind = "function"
    namespace: str = ""
    format: object = None
    cache: str = ""


class ToolChoice(msgspec.Struct):
    """Which tools may or must be used; ``names`` are those of ``allowed`` and of ``named``."""

    mode: Literal["auto", "none", "required", "named"]
    names: list[str] = []


class Format(msgspec.Struct):
    """What the answer must look like: any JSON object, or one by a schema."""

    kind: Literal["object", "schema"]
    name: str = ""
    description: str = ""
    schema: object = None
    strict: bool | None = None


class Thinking(msgspec.Struct):
    """How much is thought.

    Attributes:
        mode: ``off``, ``on`` with a budget, ``adaptive``, or ``None`` where only an effort is named.
        budget: Tokens.
        shown: What was thought shall be in the answer; ``None`` leaves it to the provider.
    """

    mode: Literal["off", "on", "adaptive"] | None = None
    budget: int | None = None
    effort: Effort | None = None
    shown: bool | None = None


class Request(msgspec.Struct, kw_only=True):
    """One request.

    Attributes:
        origin: The dialect it came in.
        stream: A stream was asked for.
        wants_usage: The stream shall say what was consumed.
        instructions: What stands before the conversation.
        limit: The most output tokens.
        parallel: Several tools may be asked for at once.
        user: Who the end user is, as an opaque id.
        cache_key: Which requests share a cache.
    """

    origin: Dialect
    stream: bool = False
    wants_usage: bool = False
    instructions: list[Text] = []
    turns: list[Turn] = []
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    format: Format | None = None
    thinking: Thinking | None = None
    verbosity: str | None = None
    limit: int | None = None
    stop: list[str] = []
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    logit_bias: object = None
    logprobs: int | None = None
    user: str | None = None
    cache_key: str | None = None
    service_tier: str | None = None
    metadata: object = None
