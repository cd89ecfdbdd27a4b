"""From the events of a message to events."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl_translation.answer import Ended, Event, Failed, Failure, Finished, Started
from aexl_translation.messages import wire
from aexl_translation.messages.answers import STOPS, explanation_of, head_of, read_block, read_error
from aexl_translation.parts import Parts, decode
from aexl_translation.pivot import ToolCall

_DECODER: Final = msgspec.json.Decoder(wire.Event)


class Reader:
    """Reads one stream."""

    __slots__ = ("_parts", "_skipped", "_stop")

    def __init__(self) -> None:
        self._parts = Parts()
        self._skipped: set[int] = set()
        self._stop: Finished | None = None

    def read(self, data: bytes) -> list[Event]:
        """Return what an event says.

        Raises:
            Broken: If it is none of this dialect.
        """
        event = decode(_DECODER, data, "stream has an event that is none of Messages")
        parts = self._parts
        kind = event.type
        if kind == "content_block_delta":
            self._delta(event)
        elif kind == "content_block_start" and event.content_block is not None:
            self._start(event.index, event.content_block)
        elif kind == "content_block_stop":
            parts.close(event.index)
        elif kind == "message_start" and event.message is not None:
            parts.events.append(Started(head_of(event.message)))
        elif kind == "message_delta" and event.delta is not None:
            change = event.delta
            if change.stop_reason is not None:
                why = explanation_of(change.stop_details)
                self._stop = Finished(STOPS.get(change.stop_reason, "end"), change.stop_sequence, why)
        elif kind == "message_stop":
            parts.finish()
            parts.events += [self._stop or Finished("end"), Ended()]
        elif kind == "error":
            parts.events.append(Failed(read_error(data) or Failure("the provider failed")))
        return parts.take()

    def close(self) -> list[Event]:
        """Return what the end of the stream means: nothing, because this dialect says when it ends."""
        return []

    def _start(self, index: int, block: wire.Block) -> None:
        part = read_block(block)
        if part is None:
            self._skipped.add(index)
            return
        text = ""
        if isinstance(part, ToolCall):
            part.arguments = ""
        else:
            text, part.text = part.text, ""
        self._parts.open(index, part)
        if text:
            self._parts.add(index, text)

    def _delta(self, event: wire.Event) -> None:
        change = event.delta
        if change is None or event.index in self._skipped:
            return
        parts, index = self._parts, event.index
        if change.type == "text_delta":
            parts.add(index, change.text or "")
        elif change.type == "input_json_delta":
            if change.partial_json:
                parts.add(index, change.partial_json)
        elif change.type == "thinking_delta":
            parts.add(index, change.thinking or "")
        elif change.type == "signature_delta":
            parts.mark(index, change.signature or "")
