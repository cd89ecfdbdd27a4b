"""From the events of a response to events."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl_translation.answer import Ended, Event, Failed, Failure, Finished, Started
from aexl_translation.parts import Parts, decode
from aexl_translation.pivot import Reasoning, Text
from aexl_translation.responses import wire
from aexl_translation.responses.answers import call_of, cited, failure_of, head_of, stop_of

_DECODER: Final = msgspec.json.Decoder(wire.Event)
_TEXT: Final = "response.output_text.delta"
_ARGUMENTS: Final = frozenset({"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"})
_THOUGHTS: Final = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete"})


class Reader:
    """Reads one stream; an item of the output is a part, by its place."""

    __slots__ = ("_paragraph", "_parts", "_refused", "_started")

    def __init__(self) -> None:
        self._parts = Parts()
        self._started = False
        self._refused = False
        self._paragraph = False

    def read(self, data: bytes) -> list[Event]:
        """Return what an event says.

        Raises:
            Broken: If it is none of this dialect.
        """
        event = decode(_DECODER, data, "stream has an event that is none of Responses")
        parts, kind, place = self._parts, event.type, event.output_index
        if kind == _TEXT:
            if not parts.has(place):
                parts.open(place, Text(""))
            parts.add(place, event.delta or "")
        elif kind in _ARGUMENTS:
            parts.add(place, event.delta or "")
        elif kind in _THOUGHTS:
            self._think(place, event.delta or "")
        else:
            self._other(event)
        return parts.take()

    def close(self) -> list[Event]:
        """Return what the end of the stream means: nothing, because this dialect says when it ends."""
        return []

    def _think(self, place: int, text: str) -> None:
        if self._paragraph:
            self._paragraph = False
            text = "\n\n" + text
        self._parts.add(place, text)

    def _other(self, event: wire.Event) -> None:
        parts, kind, place = self._parts, event.type, event.output_index
        if kind == "response.output_item.added" and event.item is not None:
            self._add(place, event.item)
        elif kind == "response.output_item.done" and event.item is not None:
            self._complete(place, event.item)
        elif kind == "response.reasoning_summary_part.done":
            self._paragraph = True
        elif kind == "response.refusal.delta":
            self._refused = True
            if not parts.has(place):
                parts.open(place, Text("", refusal=True))
            parts.add(place, event.delta or "")
        elif kind == "response.output_text.annotation.added":
            for citation in cited(wire.Content(annotations=[event.annotation])):
                parts.cite(citation)
        elif kind in ("response.created", "response.in_progress") and event.response is not None:
            if not self._started:
                self._started = True
                parts.events.append(Started(head_of(event.response)))
        elif kind in _ENDS and event.response is not None:
            self._end(event.response)
        elif kind == "response.failed":
            failure = failure_of(event.response) if event.response is not None else Failure("the provider failed")
            parts.events.append(Failed(failure))
        elif kind == "error":
            parts.events.append(Failed(Failure(event.message or "the provider failed", "", event.code or "")))

    def _add(self, place: int, item: wire.Item) -> None:
        if item.type == "reasoning":
            self._paragraph = False
            self._parts.open(place, Reasoning("responses", "", "", item.id or ""))
            return
        call = call_of(item)
        if call is not None:
            call.arguments = ""
            self._parts.open(place, call)

    def _complete(self, place: int, item: wire.Item) -> None:
        """End an item; what its pieces did not bring, because there were none, is in the item itself."""
        parts = self._parts
        if not parts.has(place):
            self._add(place, item)
        call = call_of(item)
        if call is not None and call.arguments and not parts.received(place):
            parts.add(place, call.arguments)
        if item.type == "reasoning":
            parts.mark(place, item.encrypted_content or "")
        if item.type == "message" and not parts.has(place):
            for content in item.content or ():
                parts.open(place, Text("", refusal=content.type == "refusal"))
                parts.add(place, content.refusal or content.text or "")
                parts.close(place)
        parts.close(place)

    def _end(self, response: wire.Response) -> None:
        parts = self._parts
        parts.finish()
        stop = stop_of(response, [])
        if stop == "end":
            stop = "tool" if parts.called else "refusal" if self._refused else "end"
        parts.events += [Finished(stop), Ended()]
