"""The table ``[calls]`` of ``aexl.toml``."""

from __future__ import annotations

import msgspec


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds for the answers of calls.

    Attributes:
        on_leave: What happens to the upstream when a client goes away: ``drain`` reads
            on for the usage within the bounds below, ``cancel`` ends it at once.
        drain_seconds: How long one answer is drained.
        drain_bytes: How much of one answer may have been read when its draining ends.
        drains: How many answers are drained at a time; more are ended at once.
        answer_bytes: The longest answer that is not a stream.
    """

    on_leave: str = "drain"
    drain_seconds: float = 60.0
    drain_bytes: int = 16 * 1024 * 1024
    drains: int = 256
    answer_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.on_leave not in ("drain", "cancel"):
            raise ValueError(f"on_leave must be 'drain' or 'cancel', not {self.on_leave!r}")
        for name in ("drain_seconds", "drain_bytes", "drains", "answer_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
