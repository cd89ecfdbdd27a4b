"""``[plane]`` in ``aexl.toml``."""

from __future__ import annotations

from typing import Final

import msgspec

TABLE: Final = "plane"

MIB: Final = 1024 * 1024


class PlaneOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How projects are served, and where commands find them.

    Attributes:
        url: The server that commands talk to where neither flag, variable nor profile names one.
        public_url: What signed URLs begin with; empty for the scheme ``http`` and the host that the client has named.
        file_bytes: The largest file that a client may send or fetch by a signed URL.
        upload_seconds: How long a signed upload stays good.
        uploads: Signed uploads of a project that are not committed yet, at most.
        memory_items: What a project's memory may hold: messages, checkpoints and recalled items, each counted by itself.
    """

    url: str = ""
    public_url: str = ""
    file_bytes: int = 32 * MIB
    upload_seconds: float = 900.0
    uploads: int = 10_000
    memory_items: int = 100_000

    def __post_init__(self) -> None:
        if not 1 <= self.file_bytes <= 64 * MIB:
            raise ValueError(f"file_bytes must be from 1 to {64 * MIB}, not {self.file_bytes}")
        if not 1 <= self.upload_seconds <= 86_400:
            raise ValueError(f"upload_seconds must be from 1 to 86400, not {self.upload_seconds}")
        if not 1 <= self.uploads <= 1_000_000:
            raise ValueError(f"uploads must be from 1 to 1000000, not {self.uploads}")
        if not 1 <= self.memory_items <= 100_000_000:
            raise ValueError(f"memory_items must be from 1 to 100000000, not {self.memory_items}")
        for name, url in (("url", self.url), ("public_url", self.public_url)):
            if url and not url.startswith(("http://", "https://")):
                raise ValueError(f"{name} must begin with http:// or https://, not {url!r}")
