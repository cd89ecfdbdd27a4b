"""Collecting the garbage of the host's own store: captures that are no folder's last one, and that no name keeps."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from aexl.api import Host, ObjectId
from aexl.errors import AexlError
from aexl_snapshots.captured import STORE, forget_idle
from aexl_snapshots.events import record_gc
from aexl_snapshots.maintenance.gc import Collected
from aexl_snapshots.maintenance.local import collect_here
from aexl_snapshots.options import SnapshotOptions
from aexl_snapshots.progress import Meter
from aexl_snapshots.repository import PLACE, Repository

FIRST: Final = 600.0
EVERY: Final = 86_400.0
"""Seconds: a server collects ten minutes after its start, and then once a day."""

_DAY: Final = 86_400.0

logger = logging.getLogger("aexl.snapshots")


async def collect_captures(
    home: Path, *, grace: float, days: float, meter: Meter | None = None, wait: float = 30.0
) -> Collected:
    """Forget folders that are not captured any more, then collect what nothing needs.

    Args:
        home: ``AEXL_HOME``.
        grace: Seconds that a folder's last capture outlives the folder, and anything unreachable is kept.
        days: How long the last capture of a folder is kept that is not used.
        wait: Seconds to wait for those who write at the moment.

    Raises:
        Unavailable: If somebody writes for longer, or another gc works there.
        Invalid: If the store is not sound.
    """
    if not (home / STORE / PLACE).is_dir():
        return Collected(removed=0, removed_bytes=0, waiting=0, gathered=0, packs=0)
    repository = Repository.open(home / STORE)

    def forget() -> Collection[ObjectId]:
        forget_idle(repository, home, gone=grace, idle=days * _DAY)
        return ()

    return await collect_here(repository, grace=grace, keep=forget, meter=meter, wait=wait)


@asynccontextmanager
async def collecting(host: Host) -> AsyncIterator[None]:
    """Collect now and then, while the context is open."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_collect_daily, host)
        yield
        nursery.cancel_scope.cancel()


async def _collect_daily(host: Host) -> None:
    await trio.sleep(FIRST)
    while True:
        options = host.current.section(SnapshotOptions)
        try:
            done = await collect_captures(host.data_dir, grace=options.grace, days=options.captures_days)
            if done.removed:
                await record_gc(host, str(host.data_dir / STORE), done)
        except AexlError as error:
            logger.warning("captures could not be collected, and will be tried again in a day: %s", error)
        await trio.sleep(EVERY)
