"""From events to the events of streamGenerateContent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from aexl_translation.answer import Closed, Delta, Ended, Event, Failed, Finished, Head, Opened, Started
from aexl_translation.asked import Asked
from aexl_translation.errors import gemini_kind, status_of
from aexl_translation.gemini.answers import response, write_error, written
from aexl_translation.pivot import Reasoning, ToolCall

_ENCODE: Final = msgspec.json.Encoder().encode


class Writer:
    """Writes one stream; calls are said whole, when they are complete."""

    __slots__ = ("_asked", "_head", "_stop", "_suffix", "_thinks", "_whole")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._head = Head()
        self._whole = False
        self._thinks = False
        self._stop = Finished("end")
        self._suffix = b""
        self._begin(Head())

    def write(self, events: Sequence[Event]) -> bytes:
        """Return the events that say ``events``; perhaps nothing."""
        written: list[bytes] = []
        for one in events:
            if type(one) is Delta:
                if not self._whole:
                    thought = b',"thought":true' if self._thinks else b""
                    start = b'data: {"candidates":[{"content":{"parts":[{"text":'
                    written.append(start + _ENCODE(one.text) + thought + self._suffix)
            else:
                written.append(self._other(one))
        return b"".join(written)

    def _other(self, one: Event) -> bytes:
        if isinstance(one, Started):
            self._begin(one.head)
        elif isinstance(one, Opened):
            self._whole = isinstance(one.part, ToolCall)
            self._thinks = isinstance(one.part, Reasoning)
        elif isinstance(one, Closed):
            return self._close(one)
        elif isinstance(one, Finished):
            self._stop = one
        elif isinstance(one, Ended):
            last = response(self._asked, self._head, [], self._stop.stop, self._stop.explanation, usage=True)
            return _event(last)
        elif isinstance(one, Failed):
            status = status_of(one.failure)
            return _event(write_error(one.failure, status, gemini_kind(status)))
        return b""

    def _begin(self, head: Head) -> None:
        self._head = head
        empty = _ENCODE(response(self._asked, head, [], None))
        _, _, rest = empty.partition(b'"parts":[')
        self._suffix = b"}" + rest + b"\n\n"

    def _close(self, closed: Closed) -> bytes:
        part = closed.part
        if isinstance(part, ToolCall):
            return _event(response(self._asked, self._head, written(part), None))
        if isinstance(part, Reasoning) and part.opaque:
            [signed] = written(part)
            return _event(response(self._asked, self._head, [{**signed, "text": ""}], None))
        return b""


def _event(body: dict[str, object]) -> bytes:
    return b"data: " + _ENCODE(body) + b"\n\n"
