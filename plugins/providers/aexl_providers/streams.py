"""Passing an event stream on frame by frame, and learning from it on the way; each dialect has a module.

Only a frame that can say something that is needed is decoded, and whether it can
is decided by searching its raw bytes.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from aexl.api import Usage
from aexl.api.sse import Frame, Framer
from aexl_providers.usage import Implausible

logger = logging.getLogger(__name__)

MAX_FRAME: Final = 32 << 20
"""A response's last event repeats the whole answer, pictures included."""

WRONG: Final = (msgspec.MsgspecError, Implausible, UnicodeDecodeError, RecursionError)
"""What reading a report of usage may raise."""


def distrust(error: Exception) -> None:
    """Log that a report was not believed."""
    logger.warning("a provider reported usage that cannot be true, so the call is booked by its bound: %s", error)


def is_absent(raw: msgspec.Raw) -> bool:
    """Return whether a field was left out, or is null."""
    return bytes(raw) in (b"", b"null")


class StreamReader:
    """Passes a stream's frames on and learns what they say; one class for each dialect.

    Attributes:
        usage: What was consumed, as far as the stream has said it.
        upstream_id: The id of a response.
        ended: The stream has ended as its dialect says.
        failed: An event in it says that there is no good answer.
    """

    __slots__ = ("_framer", "ended", "failed", "upstream_id", "usage")

    def __init__(self) -> None:
        self._framer = Framer(MAX_FRAME)
        self.usage: Usage | None = None
        self.upstream_id: str | None = None
        self.ended = False
        self.failed = False

    @property
    def finished(self) -> bool:
        """Whether the stream was an answer to its end; one that ends with an error is not."""
        return self.ended and not self.failed

    def feed(self, data: bytes) -> bytes:
        """Return the frames that ``data`` completes, as they are to be sent on; perhaps nothing.

        Raises:
            Invalid: If an event is longer than ``MAX_FRAME`` bytes.
        """
        frames = self._framer.feed(data)
        if len(frames) == 1:
            return self._pass(frames[0])
        return b"".join([self._pass(frame) for frame in frames])

    def close(self) -> bytes:
        """Return what the end of the stream leaves over, as it came."""
        passed = b"".join([self._pass(frame) for frame in self._framer.close()])
        return passed + self._framer.remainder

    def _pass(self, frame: Frame) -> bytes:
        try:
            self._observe(frame)
        except WRONG as error:
            self.usage = None
            distrust(error)
        return frame.raw

    def _observe(self, frame: Frame) -> None:
        """Learn what a frame says."""
