"""Collecting the garbage of a project's own repository."""

from __future__ import annotations

from collections.abc import Callable, Collection

from aexl.api import ObjectId
from aexl_snapshots.loops import InThread, in_thread
from aexl_snapshots.maintenance.check import Report, check
from aexl_snapshots.maintenance.gc import Collected, collect
from aexl_snapshots.progress import Meter
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.folder import FolderStore


async def collect_here(
    repository: Repository,
    *,
    grace: float,
    keep: Callable[[], Collection[ObjectId]] = tuple,
    meter: Meter | None = None,
    wait: float = 30.0,
) -> Collected:
    """Collect the garbage of a repository, and gather its small packs.

    Args:
        grace: Seconds that something unreachable is kept.
        keep: Returns objects to keep although no snapshot has them: those that are staged. Called, in a worker
            thread, when nobody else can write any more and before anything is looked at.
        wait: Seconds to wait for those who write at the moment.

    Raises:
        Unavailable: If somebody writes for longer, or another gc works there.
        Invalid: If the repository is not sound.
    """
    async with InThread(repository.alone(wait)):
        await in_thread(repository.directory.clean)
        await in_thread(repository.indexes.clear)
        kept = await in_thread(keep)
        roots = await in_thread(repository.roots)
        store = FolderStore(repository.directory)
        done = await collect(store, str(repository.path), grace=grace, roots=roots, keep=kept, meter=meter)
        await in_thread(repository.packs.refresh)
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
    roots = await in_thread(repository.unrecorded_roots)
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
