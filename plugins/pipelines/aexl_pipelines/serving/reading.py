"""Lines of a file descriptor that may never say anything again."""

from __future__ import annotations

import os
from typing import Final

import trio

_PIECE: Final = 65536


class LineReader:
    """Reads lines in a thread that is left behind when the reading is cancelled.

    It reads the descriptor itself: an object with a buffer would have a lock, which the thread
    that is left behind would hold when the program ends.

    Args:
        descriptor: A pipe, a terminal, a file.
        longest: Bytes; a longer line comes in pieces that are one byte longer.
    """

    def __init__(self, descriptor: int, longest: int) -> None:
        self._descriptor = descriptor
        self._longest = longest
        self._rest = bytearray()
        self._ended = False

    async def next(self) -> bytes | None:
        """Return the next line with its end, or a piece of one; ``None`` at the end of the input."""
        searched = 0
        while True:
            end = self._rest.find(b"\n", searched)
            if end >= 0 or len(self._rest) > self._longest:
                return self._take(min(end + 1 if end >= 0 else self._longest + 1, self._longest + 1))
            if self._ended:
                return self._take(len(self._rest)) if self._rest else None
            searched = len(self._rest)
            piece = await trio.to_thread.run_sync(os.read, self._descriptor, _PIECE, abandon_on_cancel=True)
            self._ended = not piece
            self._rest += piece

    def _take(self, size: int) -> bytes:
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken
