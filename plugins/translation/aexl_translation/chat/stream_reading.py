"""From the chunks of a chat completion to events."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl_translation.answer import Ended, Event, Failed, Failure, Finished, Started, Stop
from aexl_translation.chat.answers import STOPS, head_of, read_call, read_error
from aexl_translation.chat.wire import Chunk, Delta, ToolDelta, read_citations
from aexl_translation.parts import Parts, decode
from aexl_translation.pivot import Reasoning, Text, ToolCall

_DECODER: Final = msgspec.json.Decoder(Chunk)


class Reader:
    """Reads one stream."""

    __slots__ = ("_calls", "_parts", "_refused", "_started", "_stop")

    def __init__(self) -> None:
        self._parts = Parts()
        self._started = False
        self._refused = False
        self._stop: Stop | None = None
        self._calls: dict[int, tuple[str | None, int]] = {}

    def read(self, data: bytes) -> list[Event]:
        """Return what an event says.

        Raises:
            Broken: If it is no chunk.
        """
        if data.strip() == b"[DONE]":
            return self._end()
        chunk = decode(_DECODER, data, "stream has an event that is no chunk")
        if chunk.error is not None:
            return [*self._parts.take(), Failed(read_error(data) or Failure("the provider failed"))]
        parts = self._parts
        if not self._started:
            self._started = True
            parts.events.append(Started(head_of(chunk)))
        for choice in chunk.choices or ():
            if choice.index:
                continue  # one answer is asked for; a server that gives more is not asked for them
            delta = choice.delta
            if delta is not None:
                content = delta.content
                if type(content) is str and content and delta.tool_calls is None and delta.reasoning_content is None:
                    parts.text(content)
                else:
                    self._delta(delta)
            if choice.finish_reason is not None:
                self._finish(choice.finish_reason)
        return parts.take()

    def close(self) -> list[Event]:
        """Return what the end of the stream means: nothing, because this dialect says when it ends."""
        return []

    def _delta(self, delta: Delta) -> None:
        parts = self._parts
        for key in ("reasoning_content", "reasoning"):
            thought = getattr(delta, key)
            if isinstance(thought, str) and thought:
                parts.thought(thought, Reasoning("chat", id=key))
                break
        if isinstance(delta.content, str) and delta.content:
            parts.text(delta.content)
        elif isinstance(delta.content, list):
            for part in delta.content:
                if isinstance(part, dict) and isinstance(part.get("text"), str):
                    parts.text(part["text"])
        if delta.refusal:
            self._refused = True
            if not parts.has("refusal"):
                parts.open("refusal", Text("", refusal=True))
            parts.add("refusal", delta.refusal)
        for citation in read_citations(delta.annotations):
            parts.cite(citation)
        for call in delta.tool_calls or ():
            self._call(call)
        if delta.function_call is not None:
            self._call(ToolDelta(0, None, delta.function_call))

    def _call(self, call: ToolDelta) -> None:
        """Take in a piece of a call: the first of its index, or with another id than the last, begins one."""
        number = call.index if call.index is not None else max(self._calls, default=-1) + (call.id is not None)
        known = self._calls.get(number)
        begun = read_call(call)
        arguments, begun.arguments = begun.arguments, ""
        if known is None or (call.id and known[0] is not None and call.id != known[0]):
            key = (known[1] + 1) if known is not None else 0
            self._calls[number] = known = (call.id, key)
            self._parts.open((number, key), ToolCall(begun.id, begun.name, "", begun.kind))
        if arguments:
            self._parts.add((number, known[1]), arguments)

    def _finish(self, reason: str) -> None:
        self._parts.finish()
        if self._stop is not None:
            return
        stop = STOPS.get(reason, "end")
        if stop == "end":
            stop = "tool" if self._parts.called else "refusal" if self._refused else "end"
        self._stop = stop
        self._parts.events.append(Finished(stop))

    def _end(self) -> list[Event]:
        if self._stop is None:
            self._finish("stop")
        self._parts.events.append(Ended())
        return self._parts.take()
