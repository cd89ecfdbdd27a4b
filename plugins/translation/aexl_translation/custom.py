"""Giving a client its own tools back: their names, and free text that went as an argument of a function."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aexl_translation.answer import Answer, Closed, Delta, Event, Opened
from aexl_translation.names import Names
from aexl_translation.pivot import ToolCall
from aexl_translation.writing import INPUT


def unwrap(arguments: str) -> str:
    """Return the free text out of a function's arguments; arguments of another form are the text themselves."""
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments
    if isinstance(value, dict) and isinstance(value.get(INPUT), str):
        return str(value[INPUT])
    return arguments


def restore_answer(answer: Answer, names: Names) -> None:
    """Put the client's names and forms into a whole answer."""
    answer.parts = [_restored(part, names) if isinstance(part, ToolCall) else part for part in answer.parts]


def _restored(call: ToolCall, names: Names) -> ToolCall:
    known = names.restore(call)
    if known.kind == "custom" and not names.keeps("custom"):
        known.arguments = unwrap(known.arguments)
    return known


class Restorer:
    """Does the same with a stream; free text waits until it is complete, because it is inside a JSON string."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._waits = False

    def restore(self, events: Sequence[Event]) -> list[Event]:
        """Return the events as the client is to see them."""
        restored: list[Event] = []
        for event in events:
            if isinstance(event, Opened) and isinstance(event.part, ToolCall):
                known = self._names.restore(event.part)
                self._waits = known.kind == "custom" and not self._names.keeps("custom")
                restored.append(Opened(known))
            elif isinstance(event, Delta):
                if not self._waits:
                    restored.append(event)
            elif isinstance(event, Closed) and isinstance(event.part, ToolCall):
                known = _restored(event.part, self._names)
                if self._waits:
                    self._waits = False
                    restored.append(Delta(known.arguments))
                restored.append(Closed(known))
            else:
                restored.append(event)
        return restored
