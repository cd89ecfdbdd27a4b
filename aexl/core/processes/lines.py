"""Cutting a stream of bytes into lines of bounded length."""

from __future__ import annotations


class LineSplitter:
    """Cuts at line feeds; a carriage return before one goes with it.

    Args:
        limit: Bytes; a longer line comes in pieces of this size.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines, and pieces of long ones, that ``data`` completes."""
        lines: list[bytes] = []
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._hold(end, lines)
            lines.append(bytes(self._held).removesuffix(b"\r"))
            self._held.clear()
        self._hold(rest, lines)
        return lines

    def finish(self) -> list[bytes]:
        """Return what stands after the last line feed, if anything does."""
        last = [bytes(self._held)] if self._held else []
        self._held.clear()
        return last

    def _hold(self, part: bytes, lines: list[bytes]) -> None:
        while len(self._held) + len(part) > self._limit:
            room = self._limit - len(self._held)
            lines.append(bytes(self._held) + part[:room])
            self._held.clear()
            part = part[room:]
        self._held += part
