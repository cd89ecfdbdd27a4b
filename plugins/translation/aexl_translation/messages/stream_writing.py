"""From events to the events of a message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from aexl_translation.answer import Closed, Delta, Ended, Event, Failed, Finished, Opened, Started
from aexl_translation.asked import Asked
from aexl_translation.consumption import messages_usage
from aexl_translation.errors import anthropic_kind, status_of
from aexl_translation.messages.answers import REASONS, write_error
from aexl_translation.opaque import seal
from aexl_translation.pivot import Reasoning, Text

_ENCODE: Final = msgspec.json.Encoder().encode
_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
_TAIL: Final = b"}}\n\n"


def event(kind: str, **fields: object) -> bytes:
    """Return an event."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _ENCODE({"type": kind, **fields}))


class Writer:
    """Writes one stream."""

    __slots__ = ("_asked", "_index", "_prefix", "_stop")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._index = -1
        self._prefix = b""
        self._stop = Finished("end")

    def write(self, events: Sequence[Event]) -> bytes:
        """Return the events that say ``events``; perhaps nothing."""
        written: list[bytes] = []
        for one in events:
            if type(one) is Delta:
                written.append(self._prefix + _ENCODE(one.text) + _TAIL)
            else:
                written.append(self._other(one))
        return b"".join(written)

    def _other(self, one: Event) -> bytes:
        if isinstance(one, Opened):
            return self._open(one)
        if isinstance(one, Closed):
            return self._close(one)
        if isinstance(one, Started):
            return self._start(one)
        if isinstance(one, Finished):
            self._stop = one
            return b""
        if isinstance(one, Ended):
            stop = {"stop_reason": REASONS[self._stop.stop], "stop_sequence": self._stop.stop_sequence}
            usage = messages_usage(self._asked.usage())
            usage.pop("cache_creation", None)
            return event("message_delta", delta=stop, usage=usage) + event("message_stop")
        if isinstance(one, Failed):
            kind = anthropic_kind(status_of(one.failure), one.failure)
            return b"event: error\ndata: " + _ENCODE(write_error(one.failure, kind)) + b"\n\n"
        return b""

    def _start(self, started: Started) -> bytes:
        id, _, model = self._asked.identity(started.head, "msg_")
        message: dict[str, object] = {
            "id": id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": messages_usage(None),
        }
        return event("message_start", message=message)

    def _open(self, opened: Opened) -> bytes:
        self._index += 1
        part = opened.part
        delta = _DELTA % self._index
        block: dict[str, object]
        if isinstance(part, Text):
            self._prefix = delta + b'{"type":"text_delta","text":'
            block = {"type": "text", "text": ""}
        elif isinstance(part, Reasoning):
            self._prefix = delta + b'{"type":"thinking_delta","thinking":'
            block = {"type": "thinking", "thinking": "", "signature": ""}
        else:
            self._prefix = delta + b'{"type":"input_json_delta","partial_json":'
            block = {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
        return event("content_block_start", index=self._index, content_block=block)

    def _close(self, closed: Closed) -> bytes:
        signed = b""
        if isinstance(closed.part, Reasoning):
            delta = {"type": "signature_delta", "signature": seal(closed.part)}
            signed = event("content_block_delta", index=self._index, delta=delta)
        return signed + event("content_block_stop", index=self._index)
