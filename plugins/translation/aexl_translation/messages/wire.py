"""What answers of Messages look like, as far as they are read."""

from __future__ import annotations

import msgspec


class Block(msgspec.Struct, gc=False):
    """A block of an answer, or the beginning of one."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"{}")


class Message(msgspec.Struct, gc=False):
    """A whole answer, or the beginning of one."""

    content: list[Block]
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: object = None


class Change(msgspec.Struct, gc=False):
    """What an event adds: to a block, or to the message."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: object = None


class Event(msgspec.Struct, gc=False):
    """One event of a stream."""

    type: str
    index: int = 0
    delta: Change | None = None
    content_block: Block | None = None
    message: Message | None = None
