"""From events to the chunks of a chat completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from aexl_translation.answer import Closed, Delta, Ended, Event, Failed, Finished, Head, Opened, Started
from aexl_translation.asked import Asked
from aexl_translation.chat.answers import FINISH, sealed, write_error, written_citations
from aexl_translation.consumption import chat_usage
from aexl_translation.errors import openai_kind
from aexl_translation.pivot import Reasoning, Text, ToolCall

_ENCODE: Final = msgspec.json.Encoder().encode
_TAIL: Final = b',"logprobs":null,"finish_reason":null}]'


class Writer:
    """Writes one stream."""

    __slots__ = ("_asked", "_calls", "_finish", "_head", "_inner", "_outer", "_refusal", "_tail", "_thoughts")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._calls = self._thoughts = -1
        self._finish = "stop"
        self._refusal = ""
        self._tail = _TAIL + (b',"usage":null}\n\n' if asked.wants_usage else b"}\n\n")
        self._inner = self._outer = b""
        self._start(Head())

    def write(self, events: Sequence[Event]) -> bytes:
        """Return the chunks that say ``events``; perhaps nothing."""
        written: list[bytes] = []
        for event in events:
            if type(event) is Delta:
                written.append(self._head + self._inner + _ENCODE(event.text) + self._outer + self._tail)
            else:
                written.append(self._other(event))
        return b"".join(written)

    def _other(self, event: Event) -> bytes:
        if isinstance(event, Started):
            self._start(event.head)
            return self._chunk({"role": "assistant", "content": ""})
        if isinstance(event, Opened):
            return self._open(event.part)
        if isinstance(event, Closed):
            return self._close(event.part)
        if isinstance(event, Finished):
            self._finish = FINISH[event.stop]
            self._refusal = event.explanation
            return b""
        if isinstance(event, Ended):
            return self._end()
        if isinstance(event, Failed):
            return b"data: " + _ENCODE(write_error(event.failure, openai_kind(500, event.failure))) + b"\n\n"
        return b""

    def _start(self, head: Head) -> None:
        id, created, model = self._asked.identity(head, "chatcmpl-")
        fields = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        if head.tier:
            fields["service_tier"] = head.tier
        self._head = b"data: " + _ENCODE(fields)[:-1] + b',"choices":[{"index":0,"delta":'

    def _chunk(self, delta: dict[str, object]) -> bytes:
        return self._head + _ENCODE(delta) + self._tail

    def _open(self, part: object) -> bytes:
        if isinstance(part, Text):
            self._inner, self._outer = (b'{"refusal":' if part.refusal else b'{"content":'), b"}"
            return b""
        if isinstance(part, Reasoning):
            self._inner, self._outer = b'{"reasoning_content":', b"}"
            return b""
        assert isinstance(part, ToolCall)
        self._calls += 1
        where = b'{"tool_calls":[{"index":%d,' % self._calls
        if part.kind == "custom":
            self._inner, self._outer = where + b'"custom":{"input":', b"}}]}"
            body: dict[str, object] = {"type": "custom", "custom": {"name": part.name, "input": ""}}
        else:
            self._inner, self._outer = where + b'"function":{"arguments":', b"}}]}"
            body = {"type": "function", "function": {"name": part.name, "arguments": ""}}
        return self._chunk({"tool_calls": [{"index": self._calls, "id": part.id, **body}]})

    def _close(self, part: object) -> bytes:
        if isinstance(part, Reasoning) and part.opaque:
            self._thoughts += 1
            return self._chunk({"reasoning_details": [sealed(part, self._thoughts)]})
        if isinstance(part, Text) and part.citations:
            notes = [{**note, "index": number} for number, note in enumerate(written_citations(part))]
            return self._chunk({"annotations": notes})
        if isinstance(part, ToolCall) and not part.arguments and part.kind == "function":
            return self._head + self._inner + b'"{}"' + self._outer + self._tail
        return b""

    def _end(self) -> bytes:
        refusal = self._chunk({"refusal": self._refusal}) if self._refusal else b""
        usage = b""
        end = b',"usage":null}\n\n' if self._asked.wants_usage else b"}\n\n"
        last = self._head + b'{},"logprobs":null,"finish_reason":' + _ENCODE(self._finish) + b"}]" + end
        used = self._asked.usage() if self._asked.wants_usage else None
        if used is not None:
            head = self._head.removesuffix(b'[{"index":0,"delta":')
            usage = head + b'[],"usage":' + _ENCODE(chat_usage(used)) + b"}\n\n"
        return refusal + last + usage + b"data: [DONE]\n\n"
