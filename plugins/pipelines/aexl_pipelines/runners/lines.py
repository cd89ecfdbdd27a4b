"""From bytes, cut anywhere, to JSON objects and the lines that are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

MOST: Final = 16 * 1024 * 1024
"""Bytes of the longest line that is read; of a longer one, the beginning counts as a line that is no JSON."""

SHOWN: Final = 2000
"""Characters of a strange line that an event shows."""


class Lines:
    """Cuts at line feeds, and holds what has no end yet."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that ``data`` completes, without their ends."""
        lines: list[bytes] = []
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._hold(end, lines)
            if not self._dropping:
                lines.append(bytes(self._held).removesuffix(b"\r"))
            self._held.clear()
            self._dropping = False
        self._hold(rest, lines)
        return lines

    def finish(self) -> list[bytes]:
        """Return what stands after the last line feed."""
        last = [bytes(self._held)] if self._held else []
        self._held.clear()
        return last

    def _hold(self, part: bytes, lines: list[bytes]) -> None:
        if self._dropping:
            return
        self._held += part
        if len(self._held) > self._most:
            lines.append(bytes(self._held[:SHOWN]))
            self._held.clear()
            self._dropping = True


def read_object(line: bytes) -> Mapping[str, object] | None:
    """Return the JSON object that a line is, or ``None``."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def shown(line: bytes) -> str:
    """Return a line for an event: as text, cut short."""
    return line[: 4 * SHOWN].decode(errors="replace")[:SHOWN]
