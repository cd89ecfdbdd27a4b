"""How long a recording can be at most, by its bytes alone. Pure.

Uncompressed sound says how long it is, and a compressed one has a least number of bytes for a second. Whoever
writes a header that lies pays the difference: what a provider counts is booked whole.
"""

from __future__ import annotations

from typing import Final

MP3_BYTES: Final = 1000
"""Bytes of a second at the lowest bit rate of MPEG audio, 8 kbit/s."""

LEAST_BYTES: Final = 16
"""Bytes of a second at the least: two for the longest packet of Opus, 120 milliseconds."""

_PCM: Final = frozenset({1, 3, 0xFFFE})
"""Format tags of RIFF whose blocks are samples: integers, floats, and the extensible form of both."""


def longest(data: bytes) -> float:
    """Return the most seconds that a recording can last."""
    size = len(data)
    found: float | None = None
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        found = _wave(data)
    elif data[:4] == b"fLaC":
        found = _flac(data)
    elif data[:3] == b"ID3" or (size > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0):
        found = size / MP3_BYTES
    return size / LEAST_BYTES if found is None else found


def _wave(data: bytes) -> float | None:
    """Return the seconds of all bytes at the rate of the ``fmt`` chunk."""
    at = 12
    while at + 24 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"fmt ":
            tag = int.from_bytes(data[at + 8 : at + 10], "little")
            rate = int.from_bytes(data[at + 12 : at + 16], "little")
            block = int.from_bytes(data[at + 20 : at + 22], "little")
            return len(data) / (rate * block) if tag in _PCM and rate and block else None
        at += 8 + length + length % 2
    return None


def _flac(data: bytes) -> float | None:
    """Return the seconds that the stream's own description says; silence takes next to no bytes in it."""
    if data[4] & 0x7F or len(data) < 26:
        return None
    packed = int.from_bytes(data[18:26], "big")
    rate, samples = packed >> 44, packed & (1 << 36) - 1
    return samples / rate if rate and samples else None
