"""What commands do with stores; what each needs is imported when it runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aexl.api import BlobStore, ObjectId, Session
from aexl_snapshots.cli.reach import reach, run_alone
from aexl_snapshots.cli.surroundings import record
from aexl_snapshots.options import TABLE, SnapshotOptions
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.repository import Repository

if TYPE_CHECKING:
    from aexl_snapshots.maintenance.check import Report
    from aexl_snapshots.maintenance.gc import Collected
    from aexl_snapshots.maintenance.repair import Repaired
    from aexl_snapshots.sync.fetch import Fetched
    from aexl_snapshots.worktree.tree import WorkTree


def _options(session: Session) -> SnapshotOptions:
    return session.section(TABLE, SnapshotOptions)


def probe_store(session: Session, url: str) -> None:
    """Open a store once, which refuses one that cannot swap a head safely."""
    from aexl_snapshots.stores.folder import FolderStore, probe_folder

    async def work(store: BlobStore) -> None:
        if isinstance(store, FolderStore):  # others have been probed when they were opened
            await probe_folder(store)

    reach(session, url, work)


def collect_garbage(
    session: Session, tree: WorkTree, url: str | None, *, grace: float | None, meter: Meter
) -> Collected:
    """Collect the garbage of a remote, or of the repository itself, and tell the ledger."""
    from aexl_snapshots.events import record_gc
    from aexl_snapshots.maintenance.gc import collect
    from aexl_snapshots.maintenance.local import collect_here
    from aexl_snapshots.stores.folder import refuse_project

    seconds = _options(session).grace if grace is None else grace
    repository = tree.repository
    if url is None:
        work = partial(collect_here, repository, grace=seconds, keep=tree.staged, meter=meter)
        done = run_alone(work, repository.path)
    else:
        refuse_project(url)
        done = reach(session, url, lambda store: collect(store, url, grace=seconds, meter=meter))
    record(session, lambda host: record_gc(host, url or str(repository.root), done))
    return done


def collect_home(session: Session, *, grace: float | None, meter: Meter) -> Collected:
    """Collect the garbage of the home's own store, and tell the ledger."""
    from aexl_snapshots.captured import STORE
    from aexl_snapshots.events import record_gc
    from aexl_snapshots.maintenance.captures import collect_captures

    options = _options(session)
    seconds = options.grace if grace is None else grace
    done = run_alone(lambda: collect_captures(session.home, grace=seconds, days=options.captures_days, meter=meter))
    record(session, lambda host: record_gc(host, str(session.home / STORE), done))
    return done


def look_through(
    session: Session, repository: Repository, url: str | None, *, read_data: bool, subset: str | None, meter: Meter
) -> Report:
    """Check a remote, or the repository itself."""
    from aexl_snapshots.maintenance.check import check, parse_subset
    from aexl_snapshots.maintenance.local import check_here

    part = (1, 1) if subset is None else parse_subset(subset)
    trusted = _options(session).trusted
    if url is None:
        return run_alone(
            lambda: check_here(repository, read_data=read_data, subset=part, trusted=trusted, meter=meter),
            repository.path,
        )
    look = partial(check, read_data=read_data, subset=part, trusted=trusted, meter=meter)
    return reach(session, url, lambda store: look(store, url))


def mend(session: Session, repository: Repository, url: str, meter: Meter) -> Repaired:
    """Repair the repository with what a remote has."""
    from aexl_snapshots.maintenance.repair import repair as repair_store

    return reach(session, url, lambda store: repair_store(repository, store, url, meter=meter), here=repository.path)


def write_file(repository: Repository, path: Path, snapshot: ObjectId, tags: list[str], meter: Meter) -> int:
    """Export a snapshot into one file; return its bytes."""
    from aexl_snapshots.exchange.archive import write_archive

    return run_alone(partial(write_archive, repository, path, snapshot, DEFAULT_HEAD, tags, meter))


def read_file(session: Session, repository: Repository, path: Path, meter: Meter) -> Fetched:
    """Fetch what an exported file holds; ``forget_file`` when it has been taken in."""
    from aexl_snapshots.exchange.archive import read_archive

    return run_alone(partial(read_archive, repository, path, _options(session).trusted, meter))


def forget_file(repository: Repository) -> None:
    """Forget where the heads of an exported file pointed."""
    from aexl_snapshots.exchange.archive import forget_archive

    forget_archive(repository)
