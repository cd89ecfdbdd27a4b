"""What answers of Responses look like, as far as they are read."""

from __future__ import annotations

import msgspec


class Content(msgspec.Struct, gc=False):
    """A piece of a message, or of reasoning."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: object = None


class Item(msgspec.Struct, gc=False):
    """One item of the output."""

    type: str
    id: str | None = None
    content: list[Content] | None = None
    summary: list[Content] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class Response(msgspec.Struct, gc=False):
    """A response, complete or in progress."""

    output: list[Item] = []
    id: str | None = None
    model: str | None = None
    created_at: object = None
    status: str | None = None
    service_tier: str | None = None
    incomplete_details: object = None
    error: object = None


class Event(msgspec.Struct, gc=False):
    """One event of a stream."""

    type: str
    output_index: int = 0
    delta: str | None = None
    item: Item | None = None
    response: Response | None = None
    annotation: object = None
    message: str | None = None
    code: str | None = None
