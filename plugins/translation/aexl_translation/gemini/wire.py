"""What answers of generateContent look like, as far as they are read."""

from __future__ import annotations

import msgspec


class FunctionCall(msgspec.Struct, gc=False):
    """A call of a tool, always whole."""

    name: str = ""
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")


class Part(msgspec.Struct, gc=False, rename="camel"):
    """A piece of an answer."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class Content(msgspec.Struct, gc=False):
    """What an answer, or an event, says."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    """One answer."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class Feedback(msgspec.Struct, gc=False, rename="camel"):
    """Why a prompt was refused."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Response(msgspec.Struct, gc=False, rename="camel"):
    """A whole answer, or an event of a stream."""

    candidates: list[Candidate] = []
    model_version: str | None = None
    response_id: str | None = None
    prompt_feedback: Feedback | None = None
    error: object = None
