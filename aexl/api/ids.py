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
    now = time.time_ns()
    stamp = (now // 1_000_000) << 12 | now % 1_000_000 * 4096 // 1_000_000
    _last = stamp = max(stamp, _last + 1)
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | int.from_bytes(os.urandom(8))
    digits = f"{value & ~(0x3 << 62) | 0x2 << 62:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
