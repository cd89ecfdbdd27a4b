"""Ids that sort by time: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import time

_last = 0


def uuid7() -> str:
    """Return a fresh UUIDv7: Unix milliseconds, twelve bits of their fraction (section 6.2, method 3), 62 random bits.

    Each is greater than the ones this process made before, also where the clock went back.
    """
    global _last  # noqa: PLW0603 - the one clock of this process
    stamp = (time.time_ns() << 12) // 1_000_000
    if stamp <= _last:
        stamp = _last + 1
    _last = stamp
    head = (stamp >> 12 << 16 | 0x7000 | stamp & 0xFFF).to_bytes(8).hex("-", 2).replace("-", "", 1)
    tail = (int.from_bytes(os.urandom(8)) >> 2 | 1 << 63).to_bytes(8).hex("-", 6)
    return f"{head}-{tail}"
