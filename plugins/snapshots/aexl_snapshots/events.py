"""What the ledger hears of snapshots: every push, tag, restore and garbage collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from aexl.api import Host, Journal, Receipt

if TYPE_CHECKING:
    from aexl_snapshots.maintenance.gc import Collected
    from aexl_snapshots.sync.push import Pushed

Event = Literal["push", "tag", "untag", "restore", "gc"]

_LONGEST: Final = 200
"""Characters of an event's subject."""


async def record(host: Host, event: Event, subject: str, data: Mapping[str, str | int]) -> Receipt | None:
    """Append ``snapshots.<event>`` to the ledger; ``None`` where there is none.

    Args:
        subject: What it happened to: a remote's or a project's name.
    """
    journal = host.service(Journal)
    if journal is None:
        return None
    return await journal.append(f"snapshots.{event}", subject[:_LONGEST], data)


async def record_push(host: Host, where: str, pushed: Pushed) -> Receipt | None:
    """Record that a head of a store moved, or that it has a new tag; nothing, if it was there already."""
    if not pushed.moved:
        return None
    kind, _, name = pushed.name.partition("/")
    data = {kind.removesuffix("s"): name, "from": pushed.before or "", "to": pushed.after, "bytes": pushed.sent}
    return await record(host, "push", where, data)


async def record_gc(host: Host, where: str, collected: Collected) -> Receipt | None:
    """Record what a garbage collection removed."""
    data = {"removed": collected.removed, "bytes": collected.removed_bytes, "packs": collected.packs}
    return await record(host, "gc", where, data)
