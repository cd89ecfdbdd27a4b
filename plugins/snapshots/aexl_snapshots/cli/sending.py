"""Pushing and fetching, and what the ledger hears of pushes: also of those that ended before they had told it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from aexl.api import BlobStore, Host, ObjectId, Session
from aexl.errors import AexlError, Conflict
from aexl_snapshots.cli.reach import reach
from aexl_snapshots.cli.surroundings import has_ledger, record, say_aside
from aexl_snapshots.layout import UNRECORDED
from aexl_snapshots.loops import in_thread
from aexl_snapshots.options import TABLE, SnapshotOptions
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.repository import Repository

if TYPE_CHECKING:
    from aexl_snapshots.sync.fetch import Fetched
    from aexl_snapshots.sync.push import Pushed
    from aexl_snapshots.sync.unrecorded import Note, Unrecorded


class Sent(NamedTuple):
    """What became of a push.

    Attributes:
        done: What was sent: the head's, then each tag's.
        refused: Tags under which the store has other snapshots.
    """

    done: list[Pushed]
    refused: list[str]


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
) -> Sent:
    """Push a snapshot, then all tags if wanted; remember where the remote is, and tell the ledger."""
    from aexl_snapshots.stores.folder import refuse_project
    from aexl_snapshots.sync.push import push, push_tag
    from aexl_snapshots.sync.unrecorded import Unrecorded

    refuse_project(url)
    lease = repository.tracked(remote).get(DEFAULT_HEAD)
    parallel = session.section(TABLE, SnapshotOptions).parallel
    sent = Sent([], [])
    with Unrecorded(repository, url, session.home) as notes:
        telling = _Telling(notes) if has_ledger(session) else None
        announce = notes.write if telling else None

        async def send_tags(store: BlobStore) -> None:
            for name in sorted(repository.tags()) if tags else ():
                try:
                    done = await push_tag(
                        repository, store, url, name, meter=meter, parallel=parallel, announce=announce
                    )
                except Conflict:
                    sent.refused.append(name)
                else:
                    sent.done.append(done)

        async def send_head(store: BlobStore) -> None:
            done = await push(
                repository,
                store,
                url,
                snapshot,
                lease=lease,
                force=force,
                meter=meter,
                parallel=parallel,
                announce=announce,
            )
            sent.done.append(done)

        async def work(store: BlobStore) -> None:
            if telling:
                await telling.look(store)
            await send_head(store)
            await send_tags(store)
            if telling and notes.is_undecided:  # what this push has replaced is decided now
                await telling.look(store)

        try:
            reach(session, url, work, here=repository.path)
        finally:
            if sent.done:
                repository.track(remote, DEFAULT_HEAD, snapshot)
            if telling:
                telling.tell(session, sent.done)
    return sent


def receive(session: Session, repository: Repository, remote: str, url: str, meter: Meter) -> Fetched:
    """Fetch all heads and tags of a store."""
    from aexl_snapshots.sync.fetch import fetch

    options = session.section(TABLE, SnapshotOptions)
    with _left_notes(session, repository, url) as notes:
        telling = _Telling(notes) if notes else None

        async def work(store: BlobStore) -> Fetched:
            fetched = await fetch(
                repository, store, url, remote, trusted=options.trusted, meter=meter, parallel=options.parallel
            )
            if telling:
                await telling.look(store)
            return fetched

        fetched = reach(session, url, work, here=repository.path)
        if telling:
            telling.tell(session, ())
    return fetched


def _left_notes(session: Session, repository: Repository, url: str) -> AbstractContextManager[Unrecorded | None]:
    """Return the notes of earlier pushes, where there may be any, and a ledger."""
    if not (repository.path / UNRECORDED).is_dir() or not has_ledger(session):
        return nullcontext()
    from aexl_snapshots.sync.unrecorded import Unrecorded

    return Unrecorded(repository, url, session.home)


class _Telling:
    """What the ledger shall hear."""

    def __init__(self, notes: Unrecorded) -> None:
        self._notes = notes
        self._late: list[Note] = []

    async def look(self, store: BlobStore) -> None:
        """Find pushes that ended before they had told the ledger; that they cannot be found stops nothing else."""
        try:
            self._late += await self._notes.find_landed(store)
        except AexlError as error:
            say_aside(f"whether the ledger has heard of every earlier push is not known yet: {error}")

    def tell(self, session: Session, done: Sequence[Pushed]) -> None:
        """Record these, and what was found."""
        from aexl_snapshots.events import record_push

        own = [note for each in done if each.moved and (note := self._notes.of(each.push))]

        async def work(host: Host) -> None:
            for note in self._late:
                await record_push(host, note, late=True)
                await in_thread(self._notes.forget, note)
            for note in own:
                await record_push(host, note)
                await in_thread(self._notes.forget, note)

        if self._late or own:
            record(session, work, hint="; the next push or pull does that")
