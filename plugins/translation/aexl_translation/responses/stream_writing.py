"""From events to the events of a response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from aexl_translation.answer import Closed, Delta, Ended, Event, Failed, Finished, Head, Opened, Started
from aexl_translation.asked import Asked
from aexl_translation.pivot import Reasoning, Text, ToolCall
from aexl_translation.responses.answers import item_id, response, written, written_citations, written_text

_ENCODE: Final = msgspec.json.Encoder().encode
Json = dict[str, object]


class Writer:
    """Writes one stream."""

    __slots__ = ("_after", "_asked", "_head", "_id", "_number", "_output", "_place", "_prefix", "_stop")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._head = Head()
        self._number = -1
        self._place = -1
        self._id = ""
        self._prefix = b""
        self._after = b""
        self._output: list[Json] = []
        self._stop = Finished("end")

    def write(self, events: Sequence[Event]) -> bytes:
        """Return the events that say ``events``; perhaps nothing."""
        written: list[bytes] = []
        for one in events:
            if type(one) is Delta:
                if self._prefix:
                    self._number += 1
                    written.append(self._prefix + _ENCODE(one.text) + self._after + b"%d}\n\n" % self._number)
            else:
                written.append(self._other(one))
        return b"".join(written)

    def _event(self, kind: str, **fields: object) -> bytes:
        self._number += 1
        data = _ENCODE({"type": kind, **fields, "sequence_number": self._number})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)

    def _other(self, one: Event) -> bytes:
        if isinstance(one, Opened):
            return self._open(one)
        if isinstance(one, Closed):
            return self._close(one)
        if isinstance(one, Started):
            self._head = one.head
            begun = response(self._asked, self._head, None, [])
            return self._event("response.created", response=begun) + self._event("response.in_progress", response=begun)
        if isinstance(one, Finished):
            self._stop = one
            return b""
        if isinstance(one, Ended):
            done = response(self._asked, self._head, self._stop.stop, self._output)
            return self._event(f"response.{done['status']}", response=done)
        if isinstance(one, Failed):
            failed = response(self._asked, self._head, "failed", self._output)
            failed["error"] = {"code": one.failure.code or "server_error", "message": one.failure.message}
            return self._event("response.failed", response=failed)
        return b""

    def _deltas(self, kind: str, **place: object) -> None:
        """Prepare the events of the pieces to come: everything but the piece and the number."""
        fields = _ENCODE({"type": kind, "item_id": self._id, "output_index": self._place, **place})
        self._prefix = b"event: %b\ndata: %b" % (kind.encode(), fields[:-1] + b',"delta":')
        self._after = b',"sequence_number":'

    def _open(self, opened: Opened) -> bytes:
        part = opened.part
        self._place += 1
        self._id = item_id(part, self._asked, self._place)
        item = written(part, self._asked, self._place, "in_progress")
        if isinstance(part, Text):
            item["content"] = []
            empty = written_text(Text("", refusal=part.refusal))
            where: Json = {"item_id": self._id, "output_index": self._place, "content_index": 0}
            self._deltas("response.refusal.delta" if part.refusal else "response.output_text.delta", content_index=0)
            if not part.refusal:
                self._after = b',"logprobs":[],"sequence_number":'
            added = self._event("response.output_item.added", output_index=self._place, item=item)
            return added + self._event("response.content_part.added", **where, part=empty)
        if isinstance(part, Reasoning):
            item |= {"summary": [], "encrypted_content": None}
            added = self._event("response.output_item.added", output_index=self._place, item=item)
            self._deltas("response.reasoning_summary_text.delta", summary_index=0)
            where = {"item_id": self._id, "output_index": self._place, "summary_index": 0}
            empty = {"type": "summary_text", "text": ""}
            return added + self._event("response.reasoning_summary_part.added", **where, part=empty)
        if part.kind == "search":
            self._prefix = b""  # this dialect has no pieces of such a call
        elif part.kind == "custom":
            item["input"] = ""
            self._deltas("response.custom_tool_call_input.delta")
        else:
            item["arguments"] = ""
            self._deltas("response.function_call_arguments.delta")
        return self._event("response.output_item.added", output_index=self._place, item=item)

    def _close(self, closed: Closed) -> bytes:
        part = closed.part
        item = written(part, self._asked, self._place)
        self._output.append(item)
        where: Json = {"item_id": self._id, "output_index": self._place}
        if isinstance(part, Text):
            where["content_index"] = 0
            content = written_text(part)
            notes = b"".join(
                self._event("response.output_text.annotation.added", **where, annotation_index=number, annotation=note)
                for number, note in enumerate(written_citations(part))
            )
            if part.refusal:
                done = self._event("response.refusal.done", **where, refusal=part.text)
            else:
                done = self._event("response.output_text.done", **where, text=part.text, logprobs=[])
            ended = notes + done + self._event("response.content_part.done", **where, part=content)
        elif isinstance(part, Reasoning):
            where["summary_index"] = 0
            summary = {"type": "summary_text", "text": part.text}
            ended = self._event("response.reasoning_summary_text.done", **where, text=part.text)
            ended += self._event("response.reasoning_summary_part.done", **where, part=summary)
        else:
            ended = self._called(part, where)
        return ended + self._event("response.output_item.done", output_index=self._place, item=item)

    def _called(self, part: ToolCall, where: Json) -> bytes:
        if part.kind == "custom":
            return self._event("response.custom_tool_call_input.done", **where, input=part.arguments)
        if part.kind == "search":
            return b""
        arguments = part.arguments or "{}"
        return self._event("response.function_call_arguments.done", **where, name=part.name, arguments=arguments)
