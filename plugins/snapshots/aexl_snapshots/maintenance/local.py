"""Collecting the garbage of a project's own repository."""

from __future__ import annotations

from collections.abc import Collection

import trio

from aexl.api import ObjectId
from aexl_snapshots.maintenance.check import Report, check
from aexl_snapshots.maintenance.gc import Collected, collect
from aexl_snapshots.progress import Meter
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.folder import FolderStore
from aexl_snapshots.threads import InThread


async def collect_here(
    repository: Repository,
    *,
    grace: float,
    keep: Collection[ObjectId] = (),
    meter: Meter | None = None,
    wait: float = 30.0,
) -> Collected:
    """Collect the garbage of a repository, and gather its small packs.

    Args:
        grace: Seconds that something unreachable is kept.
        keep: Objects to keep although no snapshot has them: those that are staged.
        wait: Seconds to wait for those who write at the moment.

    Raises:
        Unavailable: If somebody writes for longer, or another gc works there.
        Invalid: If the repository is not sound.
    """
    async with InThread(repository.alone(wait)):
        await trio.to_thread.run_sync(repository.directory.clean)
        await trio.to_thread.run_sync(repository.indexes.clear)
        roots = await trio.to_thread.run_sync(repository.roots)
        store = FolderStore(repository.directory)
        done = await collect(store, str(repository.path), grace=grace, roots=roots, keep=keep, meter=meter)
        await trio.to_thread.run_sync(repository.packs.refresh)
    return done


async def check_here(
    repository: Repository,
    *,
    read_data: bool = False,
    subset: tuple[int, int] = (1, 1),
    trusted: Collection[str] = (),
    meter: Meter | None = None,
) -> Report:
    """Look through a repository, as ``check`` does through a store, what was fetched included."""
    roots = await trio.to_thread.run_sync(repository.tracked_roots)
    store = FolderStore(repository.directory)
    return await check(
        store,
        str(repository.path),
        read_data=read_data,
        subset=subset,
        extra=roots,
        trusted=tuple(trusted),
        meter=meter,
    )
