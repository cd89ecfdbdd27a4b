"""What the ledger hears of snapshots: every push, tag, restore and garbage collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from aexl.api import Host, Journal, Receipt

if TYPE_CHECKING:
    from aexl_snapshots.maintenance.gc import Collected
    from aexl_snapshots.sync.unrecorded import Note

Event = Literal["push", "tag", "untag", "restore", "gc"]

_LONGEST: Final = 200
"""Characters of an event's subject."""

_SLACK: Final = 3600.0
"""Seconds by which a clock may have been set back between a swap and its event."""

_PAGE: Final = 1000


async def record(host: Host, event: Event, subject: str, data: Mapping[str, str | int]) -> Receipt | None:
    """Append ``snapshots.<event>`` to the ledger; ``None`` where there is none.

    Args:
        subject: What it happened to: a remote's or a project's name.
    """
    journal = host.service(Journal)
    if journal is None:
        return None
    return await journal.append(f"snapshots.{event}", subject[:_LONGEST], data)


async def record_push(host: Host, note: Note, *, late: bool = False) -> Receipt | None:
    """Record that a head of a store moved, or that it has a new tag.

    Args:
        late: It is of a process that ended before it said whether it had recorded it; if it had, nothing is done.
    """
    journal = host.service(Journal)
    if late and journal is not None and await _is_recorded(journal, note):
        return None
    kind, _, name = note.name.partition("/")
    data = {kind.removesuffix("s"): name, "from": note.before or "", "to": note.after, "bytes": note.bytes}
    found = {"interrupted": note.time} if late else {}
    return await record(host, "push", note.url, {**data, "push": note.push, **found})


async def _is_recorded(journal: Journal, note: Note) -> bool:
    after = await _number_before(journal, note.time / 1000 - _SLACK)
    while events := await journal.read(after, _PAGE):
        for event in events:
            data = event["data"]
            if event["kind"] == "snapshots.push" and isinstance(data, Mapping) and data.get("push") == note.push:
                return True
        after = _number(events[-1])
    return False


async def _number_before(journal: Journal, time: float) -> int:
    """Return the number of the last event before a time; found by halves, because a ledger may be long."""

    async def is_late(number: int) -> bool:
        following = await journal.read(number, 1)
        return not following or _time(following[0]) >= time

    low, high = 0, 1
    while not await is_late(high):
        low, high = high + 1, 2 * high
    while low < high:
        middle = (low + high) // 2
        if await is_late(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _number(event: Mapping[str, object]) -> int:
    number = event["seq"]
    assert isinstance(number, int)
    return number


def _time(event: Mapping[str, object]) -> float:
    time = event["time"]
    assert isinstance(time, int | float)
    return time


async def record_gc(host: Host, where: str, collected: Collected) -> Receipt | None:
    """Record what a garbage collection removed."""
    data = {"removed": collected.removed, "bytes": collected.removed_bytes, "packs": collected.packs}
    return await record(host, "gc", where, data)
