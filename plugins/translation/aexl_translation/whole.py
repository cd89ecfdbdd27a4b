"""A whole answer as the events of a stream, for a caller that asked for one where the provider gave none."""

from __future__ import annotations

from aexl_translation.answer import Answer, Closed, Delta, Ended, Event, Finished, Opened, Started
from aexl_translation.pivot import ToolCall


def events_of(answer: Answer) -> list[Event]:
    """Return the events that say an answer."""
    events: list[Event] = [Started(answer.head)]
    for part in answer.parts:
        events.append(Opened(part))
        text = part.arguments if isinstance(part, ToolCall) else part.text
        if text:
            events.append(Delta(text))
        events.append(Closed(part))
    return [*events, Finished(answer.stop, answer.stop_sequence, answer.explanation), Ended()]
