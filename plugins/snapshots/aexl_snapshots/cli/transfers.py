"""What commands do with stores. Imported when one of them runs: it brings a loop, and all kinds of stores."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

from aexl.api import BlobStore, ObjectId, Session
from aexl_snapshots.cli.reach import reach, run_alone
from aexl_snapshots.cli.surroundings import record
from aexl_snapshots.events import record_gc, record_push
from aexl_snapshots.exchange.archive import forget_archive, read_archive, write_archive
from aexl_snapshots.maintenance.check import Report, parse_subset
from aexl_snapshots.maintenance.check import check as check_store
from aexl_snapshots.maintenance.gc import Collected, collect
from aexl_snapshots.maintenance.local import check_here, collect_here
from aexl_snapshots.maintenance.repair import Repaired, repair
from aexl_snapshots.options import SnapshotOptions
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.repository import Repository
from aexl_snapshots.sync.fetch import Fetched, fetch
from aexl_snapshots.sync.push import Pushed, push, push_tag


def _options(session: Session) -> SnapshotOptions:
    return session.config.section(SnapshotOptions)


def probe_store(session: Session, url: str) -> None:
    """Open a store once, which refuses one that cannot swap a head safely."""

    async def work(store: BlobStore) -> None:
        """Opening it has probed it."""

    reach(session, url, work)


def send(
    session: Session,
    repository: Repository,
    remote: str,
    url: str,
    snapshot: ObjectId,
    *,
    tags: bool,
    force: bool,
    meter: Meter,
) -> list[Pushed]:
    """Push a snapshot, then all tags if wanted; remember where the remote is, and tell the ledger."""
    lease, parallel = repository.tracked(remote).get(DEFAULT_HEAD), _options(session).parallel

    async def work(store: BlobStore) -> list[Pushed]:
        head = await push(repository, store, url, snapshot, lease=lease, force=force, meter=meter, parallel=parallel)
        names = sorted(repository.tags()) if tags else ()
        return [head, *[await push_tag(repository, store, url, name, meter=meter, parallel=parallel) for name in names]]

    done = reach(session, url, work)
    repository.track(remote, DEFAULT_HEAD, snapshot)
    if done[0].before != done[0].after:
        record(session, lambda host: record_push(host, url, done[0]))
    return done


def receive(session: Session, repository: Repository, remote: str, url: str, meter: Meter) -> Fetched:
    """Fetch all heads and tags of a store."""
    options = _options(session)

    async def work(store: BlobStore) -> Fetched:
        return await fetch(
            repository, store, url, remote, trusted=options.trusted, meter=meter, parallel=options.parallel
        )

    return reach(session, url, work)


def collect_garbage(
    session: Session,
    repository: Repository,
    url: str | None,
    *,
    grace: float | None,
    keep: Collection[ObjectId],
    meter: Meter,
) -> Collected:
    """Collect the garbage of a remote, or of the repository itself, and tell the ledger."""
    seconds = _options(session).grace if grace is None else grace
    if url is None:
        done = run_alone(lambda: collect_here(repository, grace=seconds, keep=keep, meter=meter))
    else:
        done = reach(session, url, lambda store: collect(store, url, grace=seconds, meter=meter))
    record(session, lambda host: record_gc(host, url or str(repository.root), done))
    return done


def look_through(
    session: Session, repository: Repository, url: str | None, *, read_data: bool, subset: str | None, meter: Meter
) -> Report:
    """Check a remote, or the repository itself."""
    part = (1, 1) if subset is None else parse_subset(subset)
    trusted = _options(session).trusted
    if url is None:
        return run_alone(lambda: check_here(repository, read_data=read_data, subset=part, trusted=trusted, meter=meter))
    look = partial(check_store, read_data=read_data, subset=part, trusted=trusted, meter=meter)
    return reach(session, url, lambda store: look(store, url))


def mend(session: Session, repository: Repository, url: str, meter: Meter) -> Repaired:
    """Repair the repository with what a remote has."""
    return reach(session, url, lambda store: repair(repository, store, url, meter=meter))


def write_file(repository: Repository, path: Path, snapshot: ObjectId, tags: list[str], meter: Meter) -> int:
    """Export a snapshot into one file; return its bytes."""
    return run_alone(partial(write_archive, repository, path, snapshot, DEFAULT_HEAD, tags, meter))


def read_file(session: Session, repository: Repository, path: Path, meter: Meter) -> Fetched:
    """Fetch what an exported file holds; ``forget_file`` when it has been taken in."""
    return run_alone(partial(read_archive, repository, path, _options(session).trusted, meter))


def forget_file(repository: Repository) -> None:
    """Forget where the heads of an exported file pointed."""
    forget_archive(repository)
