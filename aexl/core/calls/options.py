"""The table ``[calls]`` of ``aexl.toml``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds for the answers of calls.

    Attributes:
        on_leave: What happens to the upstream when a client goes away: ``drain`` reads
            on for the usage within the bounds below, ``cancel`` ends it at once.
        drain_seconds: How long one answer is drained; at most a day.
        drain_bytes: How much of one answer may have been read when its draining ends.
        drains: How many answers are drained at a time; more are ended at once.
        answer_bytes: The longest answer that is not a stream.
    """

    on_leave: Literal["drain", "cancel"] = "drain"
    drain_seconds: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 60.0
    drain_bytes: Count = 16 * 1024 * 1024
    drains: Count = 256
    answer_bytes: Count = 64 * 1024 * 1024
