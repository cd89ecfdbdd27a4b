"""``[snapshots]`` in ``aexl.toml``."""

from __future__ import annotations

from typing import Final

import msgspec

from aexl.errors import Invalid
from aexl_snapshots.objects.ids import is_id

TABLE: Final = "snapshots"

GRACE: float = 86_400.0
"""Seconds; a day."""


class SnapshotOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How snapshots are signed, sent and collected.

    Attributes:
        author: Who signs, as one line; ``user@machine`` if empty.
        trusted: Public keys, 64 hexadecimal digits each; if any are given, a pull takes only what one of them has signed.
        parallel: Packs that are sent or fetched at a time; each takes up to 20 MiB of memory.
        grace: Seconds that something unreachable is kept.
        captures_days: Days that the last capture of a folder is kept after the folder was last used.
        token_env: The variable with the token for ``https://`` remotes.
    """

    author: str = ""
    trusted: tuple[str, ...] = ()
    parallel: int = 4
    grace: float = GRACE
    captures_days: float = 30.0
    token_env: str = "AEXL_SNAPSHOTS_TOKEN"  # noqa: S105 - a variable's name

    def __post_init__(self) -> None:
        if not 1 <= self.parallel <= 16:
            raise Invalid(f"parallel must be between 1 and 16, not {self.parallel}")
        if not 0 <= self.grace <= 10 * 366 * 86_400:
            raise Invalid(f"grace must be between 0 and ten years of seconds, not {self.grace}")
        if not 0 <= self.captures_days <= 3660:
            raise Invalid(f"captures_days must be between 0 and 3660, not {self.captures_days}")
        for key in self.trusted:
            if not is_id(key):
                raise Invalid(f"{key[:80]!r} in trusted is not a public key: 64 lower-case hexadecimal digits")
