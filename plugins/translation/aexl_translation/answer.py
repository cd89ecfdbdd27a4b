"""An answer in no dialect's words, whole and as the events of a stream.

The parts of a stream come one after the other: ``Opened``, any number of
``Delta``, ``Closed``, and only then the next. What was consumed is in neither: it
comes from the reply of the provider itself, which is what is billed.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from aexl_translation.pivot import Reasoning, Text, ToolCall

Stop = Literal["end", "length", "stop_sequence", "tool", "refusal", "filter", "context", "pause", "failed"]
"""Why an answer ended; ``failed`` is an answer that the provider could not finish."""

AnswerPart = Text | ToolCall | Reasoning


class Head(msgspec.Struct):
    """What an answer says of itself; ``created`` is Unix time, 0 where it is not said."""

    id: str = ""
    model: str = ""
    created: int = 0
    tier: str = ""


class Answer(msgspec.Struct):
    """A whole answer. ``explanation`` is why the model refused, where it says so."""

    head: Head
    parts: list[AnswerPart]
    stop: Stop
    stop_sequence: str | None = None
    explanation: str = ""


class Failure(msgspec.Struct):
    """An error of a provider; ``kind`` and ``code`` are its own words."""

    message: str
    kind: str = ""
    code: str = ""
    param: str | None = None


class Started(msgspec.Struct, gc=False):
    """The answer begins."""

    head: Head


class Opened(msgspec.Struct, gc=False):
    """A part begins; its text or arguments are empty yet."""

    part: AnswerPart


class Delta(msgspec.Struct, gc=False):
    """More of the part that is open."""

    text: str


class Closed(msgspec.Struct, gc=False):
    """The part is complete. ``part`` has all of it, for dialects that repeat it."""

    part: AnswerPart


class Finished(msgspec.Struct, gc=False):
    """The answer is complete, but for what it consumed."""

    stop: Stop
    stop_sequence: str | None = None
    explanation: str = ""


class Ended(msgspec.Struct, gc=False):
    """The stream has ended as its dialect says, after everything else."""


class Failed(msgspec.Struct, gc=False):
    """The provider failed in the middle of its stream."""

    failure: Failure


Event = Started | Opened | Delta | Closed | Finished | Ended | Failed
