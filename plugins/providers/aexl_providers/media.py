"""Pictures, speech and transcriptions: what their answers, or the calls themselves, say was consumed.

Where a price is by the picture, the character or the hour of sound, the count comes from whoever knows it: pictures
from the answer, characters from the call, seconds from the answer. What nobody says stays unsaid, and the call is
booked by its bound.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Final

import msgspec

from aexl.api import Call, Price, Surface, Target, Usage
from aexl.api.sse import Frame
from aexl_providers.answers import BodyReader
from aexl_providers.streams import WRONG, StreamReader, distrust, is_absent
from aexl_providers.usage import TokensUsage, from_tokens

MEDIA: Final[frozenset[Surface]] = frozenset({"images", "speech", "transcriptions"})

_DONE: Final = frozenset(
    {"image_generation.completed", "image_edit.completed", "speech.audio.done", "transcript.text.done"}
)
_MOST_SECONDS: Final = Decimal(10**9)


class _Kind(msgspec.Struct):
    type: object = None
    seconds: Decimal | None = None


class _Answer(msgspec.Struct):
    """An answer, or an event of a stream, as far as it is read."""

    type: object = None
    usage: msgspec.Raw = msgspec.Raw()
    data: list[object] | None = None
    quality: object = None
    size: object = None
    duration: Decimal | None = None
    error: object = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_KIND: Final = msgspec.json.Decoder(_Kind)
_TOKENS: Final = msgspec.json.Decoder(TokensUsage)


class Asked:
    """What the call says of itself, for what its answer leaves out.

    Attributes:
        characters: What a price by the character counts; ``None`` where it is by something else.
    """

    def __init__(self, call: Call, target: Target) -> None:
        self.surface = call.surface
        self.price: Price = target.price
        self.quality = call.body.get("quality")
        self.size = call.body.get("size")
        text = call.body.get("input")
        by_character = call.surface == "speech" and "character" in self.price.units and isinstance(text, str)
        self.characters = len(text) if by_character and isinstance(text, str) else None

    def usage_of(self, answer: _Answer) -> Usage | None:
        """Return what an answer, or the last event of a stream, says was consumed."""
        if self.characters is not None:
            return Usage(units={"character": self.characters})
        if self.surface == "images":
            unit = self.price.image_unit(answer.quality or self.quality, answer.size or self.size)
            if unit is not None:
                return Usage(units={unit: 1 if answer.data is None else len(answer.data)})
        seconds = self._seconds(answer)
        if seconds is not None and "hour" in self.price.units:
            return Usage(units={"millisecond": milliseconds(seconds)})
        if is_absent(answer.usage) or _KIND.decode(answer.usage).type == "duration":
            return None
        return from_tokens(_TOKENS.decode(answer.usage), {"images": "image", "speech": "audio"}.get(self.surface, ""))

    def _seconds(self, answer: _Answer) -> Decimal | None:
        if self.surface != "transcriptions":
            return None
        counted = None if is_absent(answer.usage) else _KIND.decode(answer.usage).seconds
        seconds = answer.duration if counted is None else counted
        return seconds if seconds is not None and 0 <= seconds <= _MOST_SECONDS else None


def milliseconds(seconds: Decimal) -> int:
    """Return whole milliseconds, rounded up."""
    return int((seconds * 1000).to_integral_value(ROUND_CEILING))


class MediaReader(BodyReader):
    """Reads an answer that is JSON; sound and subtitles are answers too, and say nothing."""

    __slots__ = ("_asked",)

    def __init__(self, call: Call, target: Target) -> None:
        super().__init__(call.surface)
        self._asked = Asked(call, target)

    def read(self, body: bytes) -> None:
        """Take in the whole body of a successful answer."""
        self.finished = True
        if body[:1] != b"{":
            self.usage = self._asked.usage_of(_Answer()) if self._asked.characters is not None else None
            return
        try:
            self.usage = self._asked.usage_of(_ANSWER.decode(body))
        except WRONG as error:
            distrust(error)


class MediaEvents(StreamReader):
    """Reads a stream of pictures, sound or text; its last event has the usage."""

    __slots__ = ("_asked",)

    def __init__(self, call: Call, target: Target) -> None:
        super().__init__()
        self._asked = Asked(call, target)

    def _observe(self, frame: Frame) -> None:
        raw = frame.raw
        if b'"error"' in raw:
            self.failed = self.failed or _ANSWER.decode(frame.data or b"").error is not None
        elif b".completed" in raw or b".done" in raw:
            event = _ANSWER.decode(frame.data or b"")
            if event.type in _DONE:
                self.ended = True
                self._add(self._asked.usage_of(event))

    def _add(self, usage: Usage | None) -> None:
        """Take in the usage of one picture; a call for several has an event for each."""
        if self.usage is None or usage is None or not usage.units or self._asked.surface != "images":
            self.usage = usage
            return
        units = dict(self.usage.units)
        for unit, count in usage.units.items():
            units[unit] = units.get(unit, 0) + count
        self.usage = Usage(units=units)
