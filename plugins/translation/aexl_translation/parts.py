"""Putting the pieces of a stream's parts in order: one part is complete before the next begins.

Most providers send one part after the other. Chat Completions allows the pieces of
parallel calls to be mixed: those of a later call wait here until the earlier one is
complete, which is when its arguments are whole JSON.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, TypeVar

import msgspec

from aexl_translation.answer import AnswerPart, Closed, Delta, Event, Opened
from aexl_translation.pivot import Citation, Reasoning, Text, ToolCall

MAX_PARTS: Final = 32 << 20
"""Characters of an answer that are kept while it streams, as much as the provider's last event may repeat."""


class Broken(ValueError):
    """A provider's answer is not what its dialect says it must be."""


T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], data: bytes, what: str) -> T:
    """Return what a provider's JSON says.

    Args:
        what: What it should have been, as in ``answer is no message``.

    Raises:
        Broken: If it is something else.
    """
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Broken(f"its {what}: {error}") from error


class _Held:
    __slots__ = ("closed", "part", "pieces")

    def __init__(self, part: AnswerPart) -> None:
        self.part = part
        self.pieces: list[str] = []
        self.closed = False


class Parts:
    """Collects events; every part has a key as long as it is open or waits.

    Attributes:
        events: What has not been taken yet.
        called: A tool was asked for.
    """

    __slots__ = ("_held", "_key", "_part", "_pieces", "_size", "called", "events")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.called = False
        self._key: Hashable = None
        self._part: AnswerPart | None = None
        self._pieces: list[str] = []
        self._held: dict[Hashable, _Held] = {}
        self._size = 0

    def take(self) -> list[Event]:
        """Return the events since the last time."""
        events, self.events = self.events, []
        return events

    def has(self, key: Hashable) -> bool:
        """Say whether a part is open or waits."""
        return key == self._key or key in self._held

    def received(self, key: Hashable) -> bool:
        """Say whether anything of a part has arrived."""
        if key == self._key:
            return bool(self._pieces)
        held = self._held.get(key)
        return held is not None and bool(held.pieces)

    def open(self, key: Hashable, part: AnswerPart) -> None:
        """Begin a part; texts and reasoning end with it, calls only if they are complete."""
        if isinstance(part, ToolCall):
            self.called = True
        if self._part is not None:
            if self._held or not self._is_complete():
                self._held[key] = _Held(part)
                return
            self._shut()
        self._begin(key, part)

    def add(self, key: Hashable, text: str) -> None:
        """Continue a part.

        Raises:
            Broken: If there is no such part, or the answer is too long.
        """
        self._size += len(text)
        if self._size > MAX_PARTS:
            raise Broken(f"its answer has more than {MAX_PARTS} characters")
        if key == self._key:
            self._pieces.append(text)
            self.events.append(Delta(text))
            return
        held = self._held.get(key)
        if held is None:
            raise Broken("it continued a part of its answer that had ended")
        held.pieces.append(text)

    def text(self, text: str) -> None:
        """Continue the text, or begin one."""
        if not self.has("text"):
            self.open("text", Text(""))
        self.add("text", text)

    def thought(self, text: str, reasoning: Reasoning) -> None:
        """Continue the reasoning, or begin one like ``reasoning``."""
        if not self.has("reasoning"):
            self.open("reasoning", reasoning)
        self.add("reasoning", text)

    def mark(self, key: Hashable, opaque: str) -> None:
        """Give the reasoning that is open what only its provider can read."""
        part = self._part if key == self._key else None
        if isinstance(part, Reasoning):
            part.opaque += opaque

    def cite(self, citation: Citation) -> None:
        """Give the text that is open a citation."""
        if isinstance(self._part, Text):
            self._part.citations.append(citation)

    def close(self, key: Hashable) -> None:
        """End a part, and begin those that waited for it."""
        if key == self._key:
            self._shut()
            self._release()
        elif key in self._held:
            self._held[key].closed = True

    def finish(self) -> None:
        """End every part."""
        for held in self._held.values():
            held.closed = True
        if self._part is not None:
            self._shut()
        self._release()

    def _begin(self, key: Hashable, part: AnswerPart) -> None:
        self._key = key
        self._part = part
        self._pieces = []
        self.events.append(Opened(part))

    def _shut(self) -> None:
        part = self._part
        assert part is not None
        text = "".join(self._pieces)
        if isinstance(part, ToolCall):
            part.arguments = text
        else:
            part.text = text
        self.events.append(Closed(part))
        self._key = self._part = None

    def _release(self) -> None:
        while self._held and self._part is None:
            key = next(iter(self._held))
            held = self._held.pop(key)
            self._begin(key, held.part)
            text = "".join(held.pieces)
            if text:
                self._pieces.append(text)
                self.events.append(Delta(text))
            if held.closed or (self._held and self._is_complete()):
                self._shut()

    def _is_complete(self) -> bool:
        if not isinstance(self._part, ToolCall) or self._part.kind == "custom":
            return True
        try:
            msgspec.json.decode("".join(self._pieces))
        except (msgspec.DecodeError, RecursionError):
            return False
        return True
