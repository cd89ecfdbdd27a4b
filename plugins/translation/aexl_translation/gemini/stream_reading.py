"""From the events of streamGenerateContent to events."""

from __future__ import annotations

from aexl_translation.answer import Ended, Event, Failed, Failure, Finished, Started
from aexl_translation.gemini.answers import DECODER, head_of, pieces, read_error, stop_of
from aexl_translation.parts import Parts, decode
from aexl_translation.pivot import Reasoning, Text


class Reader:
    """Reads one stream, which ends without a word of its own after the event that has a reason."""

    __slots__ = ("_calls", "_finished", "_parts", "_started")

    def __init__(self) -> None:
        self._parts = Parts()
        self._started = False
        self._finished: Finished | None = None
        self._calls = 0

    def read(self, data: bytes) -> list[Event]:
        """Return what an event says.

        Raises:
            Broken: If it is none of this dialect.
        """
        response = decode(DECODER, data, "stream has an event that is no response of generateContent")
        parts = self._parts
        if response.error is not None:
            return [Failed(read_error(data) or Failure("the provider failed"))]
        if not self._started:
            self._started = True
            parts.events.append(Started(head_of(response)))
        for piece in pieces(response):
            if isinstance(piece, Text):
                parts.text(piece.text)
            elif isinstance(piece, Reasoning):
                self._think(piece)
            else:
                self._calls += 1
                key = ("call", self._calls)
                arguments, piece.arguments = piece.arguments, ""
                parts.open(key, piece)
                parts.add(key, arguments)
                parts.close(key)
        stop = stop_of(response)
        if stop is not None:
            parts.finish()
            reason, why = stop
            self._finished = Finished("tool" if reason == "end" and parts.called else reason, None, why)
        return parts.take()

    def close(self) -> list[Event]:
        """Return what the end of the stream means: that the answer has ended, if it had a reason to."""
        return [] if self._finished is None else [self._finished, Ended()]

    def _think(self, piece: Reasoning) -> None:
        parts = self._parts
        if piece.text:
            parts.thought(piece.text, Reasoning("gemini"))
        if piece.opaque:
            if not parts.has("reasoning"):
                parts.open("reasoning", Reasoning("gemini"))
            parts.mark("reasoning", piece.opaque)
            parts.close("reasoning")
