"""What stands where in a store. Pure."""

from __future__ import annotations

from typing import Final

from aexl.errors import Invalid

FORMAT_NAME: Final = "format"
CURRENT_FORMAT: Final = b"aexl-snapshots 1\n"

OWN_NAMES: Final = frozenset({FORMAT_NAME, "packs", "heads", "tags", "pins", "gc", "probes", "tmp", "swap.lock"})
"""All that stands at the top of a store."""

UNRECORDED: Final = "unrecorded"
"""In a project's own repository: the notes of pushes that the ledger has not heard of."""


def check_format(found: bytes, where: str) -> None:
    """Refuse a store that this version cannot read.

    Raises:
        Invalid: If it is of another format.
    """
    if found != CURRENT_FORMAT:
        raise Invalid(
            f"{where} has the format {found[:80]!r}, and this version of aexl reads {CURRENT_FORMAT!r} only; update aexl"
        )
