"""What is left of trees whose host was killed: it ended nothing, and its orphans are somebody else's children by now."""

from __future__ import annotations

import os
import signal
from typing import Final

import trio

from aexl.core.processes.environment import MARK
from aexl.core.processes.table import Entry, has_table, send
from aexl.core.processes.tree import Tree
from aexl.errors import Conflict, Unavailable

GRACE: Final = 1.0
"""Seconds after SIGTERM that processes have to end by themselves."""

_PAUSE: Final = 0.01


class Remains(Tree):
    """All processes of this machine and user that carry a mark, and what descends from them."""

    def __init__(self, mark: str) -> None:
        super().__init__(0, mark, own_session=False)

    def _may_be_marked(self, entry: Entry) -> bool:
        return not entry.ended


async def end_remains(mark: str) -> int | None:
    """See ``Host.end_remains``; leaving it early, by cancellation, leaves the rest as it is."""
    if mark in os.environ.get(MARK, "").split(":"):
        raise Conflict("this process is itself part of what is to be ended; do it from outside")
    if not has_table():
        return None
    remains = Remains(mark)
    found = await trio.to_thread.run_sync(remains.look)
    if not found:
        return 0
    for entry in found:
        send(entry, signal.SIGTERM)
        send(entry, signal.SIGCONT)  # one that was stopped hears nothing
    left = found
    with trio.move_on_after(GRACE):
        while left:
            await trio.sleep(_PAUSE)
            left = await trio.to_thread.run_sync(remains.look)
    if left:
        await remains.kill()
        left = await trio.to_thread.run_sync(remains.look)
    if left:
        names = ", ".join(str(entry.pid) for entry in left)
        raise Unavailable(f"processes that a killed host has left behind do not end: {names}; end them first")
    return len(found)
